"""The ASGI application: gate, routes, workers, answers.

It stands directly on ASGI: the operations come from one table, so that a framework had only the routing left to do, and
would cost 0.6 s of start-up and half of the requests per second (docs/notes/http.md).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from dataclasses import replace

from overnight.domain.errors import OvernightError, StoreUnavailable
from overnight.ids import new_id
from overnight.service import dispatch
from overnight.service.context import Context
from overnight.service.requests import Request
from overnight.service.table import OPERATIONS
from overnight.service.views import View
from overnight.store.base import Change
from overnight.surfaces.http import asking, problems, public
from overnight.surfaces.http.encoding import encode
from overnight.surfaces.http.gate import Gate
from overnight.surfaces.http.problems import Fault
from overnight.surfaces.http.routes import Match, Routes
from overnight.surfaces.http.stream import stream_events
from overnight.surfaces.http.tide import Tide
from overnight.surfaces.http.wire import (
    LARGEST_BODY,
    SMALL_BODY,
    Answer,
    Head,
    Receive,
    Scope,
    Send,
    gone,
    head_of,
    read_body,
    send_answer,
)
from overnight.surfaces.http.workers import Workers

ACTOR = "admin"
"""Whoever holds the home's first token."""
QUICK_WORKERS = 8
"""Threads for operations that only need the record; commits of all that wait together share one sync."""
SLOW_WORKERS = 4
"""Threads for operations that ask git, drivers or the whole log: they must not keep the others waiting."""
SLOW = frozenset({"plan", "convert", "submit", "doctor", "verify_log", "summary", "report"})
MOST_ASKED = 256
"""Requests in work at once; more are told to come back."""
MOST_WAITING = 500
"""Long polls and streams at once."""
REPLAYED = ((b"idempotency-replayed", b"true"),)
STREAM_PATH = b"/v1/events/stream"

logger = logging.getLogger("overnight.http")


class Application:
    """One server's HTTP surface."""

    def __init__(self, context: Context, gate: Gate, broken: Callable[[str], None]) -> None:
        self.context = context
        self.tide = Tide(context.store)
        self._gate = gate
        self._broken = broken
        self._routes = Routes()
        for operation in OPERATIONS:
            self._routes.add(operation)
        self._quick = Workers("quick", QUICK_WORKERS)
        self._slow = Workers("slow", SLOW_WORKERS)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See the ASGI specification; only HTTP is served."""
        if scope["type"] != "http":
            raise RuntimeError(f"no service for {scope['type']}")
        request_id = new_id(self.context.rng)
        try:
            head = head_of(scope)
            request_id = asking.request_id(head.text(b"x-request-id"), request_id)
            self._gate.check(scope, head)
            answer = await self._answer(scope, head, receive, send, request_id)
        except Exception as error:
            answer = self._failed(error, request_id)
        if answer is not None:
            try:
                await send_answer(send, answer, ((b"x-request-id", request_id.encode()),))
            except (OSError, RuntimeError) as error:
                # The client went away while it was answered; what it asked is done, and its key finds the answer.
                logger.info("request %s was not there any more: %s", request_id, error)

    def close(self) -> None:
        """End waiting requests and threads; repeatable."""
        self.tide.close()
        self._quick.close()
        self._slow.close()

    @property
    def working(self) -> int:
        """Jobs that worker threads are at."""
        return self._quick.working + self._slow.working

    async def _answer(self, scope: Scope, head: Head, receive: Receive, send: Send, request_id: str) -> Answer | None:
        """The answer of a request that passed the gate; None when it was sent already."""
        path: bytes = scope["raw_path"]
        page = public.PAGES.get(path)
        if page is not None and scope["method"] in ("GET", "HEAD"):
            return await page(self)
        if path == STREAM_PATH and scope["method"] == "GET":
            self._limit(self.tide.waiting, MOST_WAITING)
            await stream_events(self, scope, head, receive, send)
            return None
        match = self._routes.find(scope["method"], path)
        if match.operation.method == "POST":
            return await self._change(match, scope, head, receive, request_id)
        request = asking.from_query(match, scope["query_string"])
        if match.operation.name == "events":
            return await self._events(match, request, receive)
        return await self.work(match.operation.name, lambda: self._carry_out(match, request, None, request_id))

    async def _change(self, match: Match, scope: Scope, head: Head, receive: Receive, request_id: str) -> Answer:
        body = await read_body(head, receive, LARGEST_BODY if match.id is None else SMALL_BODY)
        asking.check_content_type(head.text(b"content-type"), body)
        key = asking.idempotency_key(head.text(b"idempotency-key"))

        def work() -> Answer:
            request = asking.from_body(match, scope["query_string"], body)
            return self._carry_out(match, request, key, request_id)

        return await self.work(match.operation.name, work)

    def _carry_out(self, match: Match, request: Request, key: str | None, request_id: str) -> Answer:
        context = replace(self.context, change=Change(ACTOR, request_id))
        answered = dispatch.answer(context, match.operation, request, key=key)
        headers = REPLAYED if answered.replayed else ()
        return Answer(match.operation.status, encode(answered.view), headers=headers)

    async def work(self, operation: str, job: Callable[[], Answer]) -> Answer:
        """Run a job of an operation on a worker thread."""
        workers = self._slow if operation in SLOW else self._quick
        self._limit(workers.busy, MOST_ASKED)
        return await workers.run(job)

    def _limit(self, number: int, most: int) -> None:
        if number >= most:
            raise Fault(
                503, "busy", "too many requests at once", next_step="Try again soon.", headers=((b"retry-after", b"1"),)
            )

    async def _events(self, match: Match, request: Request, receive: Receive) -> Answer:
        """Long poll: between looks it holds no thread."""
        request, wait = asking.without_wait(request)
        if wait:
            self._limit(self.tide.waiting, MOST_WAITING)
        clock = self.context.store.clock
        deadline = clock.boot() + wait
        while True:
            seen = self.tide.head
            view = await self.look(match, request)
            left = deadline - clock.boot()
            if view["events"] or left <= 0 or self.tide.closed or request.__dict__["after"] is None:
                return Answer(match.operation.status, encode(view))
            if await self.wait_or_gone(seen, left, receive):
                return Answer(match.operation.status, encode(view))

    async def look(self, match: Match, request: Request) -> View:
        """The answer of a looking operation, as a value."""
        return await self._quick.run(lambda: match.operation.work(self.context, request))

    async def wait_or_gone(self, seen: int, seconds: float, receive: Receive) -> bool:
        """Wait for an event after `seen`, at most `seconds`; True when the client went away meanwhile."""
        news = asyncio.ensure_future(self.tide.above(seen, seconds))
        leaving = asyncio.ensure_future(gone(receive))
        try:
            await asyncio.wait({news, leaving}, return_when=asyncio.FIRST_COMPLETED)
            return leaving.done()
        finally:
            news.cancel()
            leaving.cancel()

    def _failed(self, error: Exception, request_id: str) -> Answer:
        if isinstance(error, Fault):
            status, body = problems.of_fault(error)
            return Answer(status, body, problems.CONTENT_TYPE, error.headers)
        if isinstance(error, OvernightError):
            self._note_breaking(error)
            status, body = problems.of_error(error)
        else:
            logger.error("request %s met a defect", request_id, exc_info=error)
            status, body = problems.of_defect()
        return Answer(status, body, problems.CONTENT_TYPE)

    def _note_breaking(self, error: OvernightError) -> None:
        """A store that lost trust in its disk ends the process (R17)."""
        if isinstance(error, StoreUnavailable) and self.context.store.broken:
            self._broken(self.context.store.broken)


def build(
    context: Context,
    token: str,
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
    gate = Gate(token.encode(), frozenset(host.lower() for host in hosts), any_address, trust_loopback)
    return Application(context, gate, broken)
