"""The ASGI application: routes, gate, and who answers.

It stands directly on ASGI: the operations come from one table, so that a framework had only the routing left to do, and
would cost 0.6 s of start-up and half of the requests per second (docs/notes/http.md).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from dataclasses import replace

from overnight.domain.access import Principal
from overnight.domain.errors import OvernightError, StoreUnavailable
from overnight.ids import new_id
from overnight.service.context import Context
from overnight.store.base import Change
from overnight.surfaces.http import asking, dialects, public
from overnight.surfaces.http.asking import Ask
from overnight.surfaces.http.endpoints import ENDPOINTS
from overnight.surfaces.http.gate import Gate
from overnight.surfaces.http.health import Health
from overnight.surfaces.http.limits import Limits
from overnight.surfaces.http.pools import Pools
from overnight.surfaces.http.problems import Fault
from overnight.surfaces.http.routes import Routes
from overnight.surfaces.http.supervisors import Supervisors
from overnight.surfaces.http.tide import Tide
from overnight.surfaces.http.wire import Answer, Head, Receive, Scope, Send, head_of, send_answer
from overnight.surfaces.mcp.mount import PATH, Mount

logger = logging.getLogger("overnight.http")


class Application:
    """One server's HTTP surface."""

    def __init__(self, context: Context, gate: Gate, broken: Callable[[str], None]) -> None:
        self.context = context
        self.tide = Tide(context.store)
        self.pools = Pools()
        self.health = Health(context.store, self.pools)
        self.limits = Limits(context.configuration.limits, context.store.clock)
        self.waiting = 0
        """Long polls and streams."""
        self.supervisors = Supervisors()
        self.mcp = Mount(self)
        self._gate = gate
        self._broken = broken
        self._routes = Routes()
        for endpoint in ENDPOINTS:
            self._routes.add(endpoint)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See the ASGI specification; only HTTP is served."""
        if scope["type"] != "http":
            raise RuntimeError(f"no service for {scope['type']}")
        request_id = new_id(self.context.rng)
        try:
            head = head_of(scope)
            request_id = asking.request_id(head.text(b"x-request-id"), request_id)
            answer = await self._answer(scope, head, receive, send, request_id)
        except Exception as error:
            answer = self._failed(error, request_id, scope["raw_path"])
        if answer is not None:
            try:
                await send_answer(send, answer, ((b"x-request-id", request_id.encode()),))
            except (OSError, RuntimeError) as error:
                # The client went away while it was answered; what it asked is done, and its key finds the answer.
                logger.info("request %s was not there any more: %s", request_id, error)

    def close(self) -> None:
        """End waiting requests and threads; repeatable."""
        self.tide.close()
        self.pools.close()

    @property
    def working(self) -> int:
        """Jobs that worker threads are at."""
        return self.pools.working

    async def _answer(self, scope: Scope, head: Head, receive: Receive, send: Send, request_id: str) -> Answer | None:
        """The answer; None when it was sent already."""
        path: bytes = scope["raw_path"]
        method: str = scope["method"]
        page = public.PAGES.get(path)
        match = self._routes.find(method, path)
        principal = self._gate.check(scope, head, public=match is not None and match.operation.route.public)
        self.limits.take(principal)
        if page is not None and method in ("GET", "HEAD"):
            return await page(self)
        if path == PATH:
            await self.mcp.serve(self._asked_by(principal, "mcp", request_id), scope, receive, send)
            return None
        if match is None:
            raise self._routes.refusal(path)
        origin = asking.surface(head) or match.operation.route.dialect
        ask = Ask(match, self._asked_by(principal, origin, request_id), scope, head, receive, send)
        return await match.endpoint.serve(self, ask)

    def _asked_by(self, principal: Principal, origin: str, request_id: str) -> Context:
        """What operations work with, and who asks."""
        change = Change(principal.actor, request_id, principal.scope, principal.token)
        return replace(self.context, change=change, principal=principal, origin=origin)

    def _failed(self, error: Exception, request_id: str, path: bytes) -> Answer:
        if isinstance(error, OvernightError):
            self._note_breaking(error)
        elif not isinstance(error, Fault):
            logger.error("request %s met a defect", request_id, exc_info=error)
        return dialects.of_path(path).failure(error)

    def _note_breaking(self, error: OvernightError) -> None:
        """A store that lost trust in its disk ends the process (R17)."""
        if isinstance(error, StoreUnavailable) and self.context.store.broken:
            self._broken(self.context.store.broken)


def build(
    context: Context,
    *,
    hosts: Iterable[str],
    any_address: bool = False,
    trust_loopback: bool = False,
    broken: Callable[[str], None] = lambda _: None,
) -> Application:
    """The HTTP surface of a running server.

    `hosts` are the values of a Host header that mean it, such as `127.0.0.1:3111`; with `any_address` every literal
    address does. `broken` is called with the reason
    when the store cannot be trusted any more.
    """
    ours = frozenset(host.lower() for host in hosts)
    gate = Gate(context.keyring, context.store.clock, ours, any_address, trust_loopback)
    return Application(context, gate, broken)
