"""The protocol at /mcp of a running server. The SDK is loaded with the first request, on a worker thread."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from overnight.domain.access import Verb
from overnight.domain.errors import StoreUnavailable
from overnight.service import dispatch
from overnight.service.authority import admitted
from overnight.service.context import Context
from overnight.service.table import BY_NAME
from overnight.surfaces.http.problems import Fault
from overnight.surfaces.http.until import outcome
from overnight.surfaces.http.waiting import event, waiting
from overnight.surfaces.http.wire import Receive, Scope, Send
from overnight.surfaces.mcp.confirm import Confirmations

if TYPE_CHECKING:
    from overnight.surfaces.http.application import Application
    from overnight.surfaces.mcp.transport import Transport

PATH = b"/mcp"
DOOR = "overnight.door"
"""Where a request's scope holds the door of whoever sent it."""
T = TypeVar("T")


class ServerDoor:
    """The operations of this server for one caller that passed its gate. See `Door`."""

    def __init__(self, application: Application, context: Context) -> None:
        """`context` says who asks, and that they ask by this protocol."""
        self._application = application
        self._context = context

    @property
    def identity(self) -> str:
        """The actor, and the token by which it asks."""
        who = self._context.principal
        return f"{who.actor} {who.token or ''}"

    @property
    def notice(self) -> str | None:
        """See `Door.notice`."""
        return None

    async def verbs(self) -> frozenset[Verb]:
        """See `Door.verbs`."""
        return self._context.principal.verbs

    async def admit(self, operation: str, /) -> None:
        """See `Door.admit`."""
        await self._run(operation, lambda: admitted(self._context, BY_NAME[operation].route))

    async def call(self, operation: str, fields: Mapping[str, Any], key: str | None = None, /) -> Any:
        """See `Door.call`. While it waits for events it holds no thread."""
        if operation == "wait":
            return await self._until(fields)
        wait = fields.get("wait") if operation == "events" else None
        if isinstance(wait, int | float) and wait > 0 and fields.get("after") is not None:
            return await self._wait(fields, float(wait))
        return await self._run(operation, lambda: dispatch.perform(self._context, operation, fields, key=key))

    async def _wait(self, fields: Mapping[str, Any], seconds: float) -> Any:
        clock, tide = self._context.store.clock, self._application.tide
        deadline = clock.boot() + seconds
        with waiting(self._application, self._context.principal):
            while True:
                seen = tide.head
                answer = await self.call("events", {**fields, "wait": 0})
                left = deadline - clock.boot()
                if answer["events"] or left <= 0 or tide.closed:
                    return answer
                await event(self._application, self._context.principal, seen, left)

    async def _until(self, fields: Mapping[str, Any]) -> Any:
        request: Any = dispatch.parse(BY_NAME["wait"], fields)

        async def look(request: Any) -> Any:
            work = lambda: dispatch.carry_out(self._context, BY_NAME["wait"], request)  # noqa: E731
            return await self._run("wait", work)

        return await outcome(self._application, self._context.principal, request, look)

    async def _run(self, operation: str, job: Callable[[], T]) -> T:
        try:
            return await self._application.pools.run(operation, job)
        except Fault as fault:
            busy = StoreUnavailable(fault.detail, next_step=fault.next_step)
            busy.code = fault.code
            raise busy from fault


class Mount:
    """What a server answers at /mcp."""

    def __init__(self, application: Application) -> None:
        self._application = application
        self._confirmations = Confirmations(application.context.store.clock)
        self._loading = asyncio.Lock()
        self._transport: Transport | None = None

    async def serve(self, context: Context, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request that passed the gate; `context` says who asks. Every request stands for itself."""
        if scope["method"] != "POST":
            raise Fault(405, "method_not_allowed", "only POST is allowed here", headers=((b"allow", b"POST"),))
        transport = self._transport or await self._load()
        scope[DOOR] = ServerDoor(self._application, context)
        await transport.serve(scope, receive, send)

    async def _load(self) -> Transport:
        async with self._loading:
            if self._transport is None:
                made = await self._application.pools.run("mcp", self._import)
                await made.start()
                self._transport = made
            return self._transport

    def _import(self) -> Transport:
        from overnight.surfaces.mcp.transport import Transport

        return Transport(self._confirmations)
