"""Logs as streams (`text/event-stream`): every byte once and in order, resumed by offset, until the run has ended."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from overnight.domain.errors import OvernightError
from overnight.service.dispatch import carry_out
from overnight.service.log_pages import Page
from overnight.service.requests import Request
from overnight.service.routes import Route
from overnight.service.table import Operation
from overnight.service.wild.logs import LogTail, log_page, sidecar_page
from overnight.surfaces.http import asking, dialects
from overnight.surfaces.http.asking import Ask
from overnight.surfaces.http.encoding import encode
from overnight.surfaces.http.problems import Fault
from overnight.surfaces.http.routes import Endpoint
from overnight.surfaces.http.stream import QUIET_SECONDS, START
from overnight.surfaces.http.waiting import event_or_gone, waiting

if TYPE_CHECKING:
    from overnight.surfaces.http.application import Application

POLL_SECONDS = 0.5
"""How often a log is looked at that has been read to its end."""
NEVER = 2**62
"""An event that does not come: only the end of the server, or the client's leaving, ends such a wait early."""
QUIET = b": nothing new\n\n"


@dataclass(frozen=True, slots=True)
class Tail:
    """How a log is streamed."""

    operation: Operation
    """Gives a `Page`; its request has an `offset`."""
    first: Callable[[Page], bytes]
    """The first part of a stream that begins anew."""
    more: Callable[[Page], bytes]
    """Every other part, which may be empty at the end."""
    done: Callable[[Page], bytes]
    """What follows the last part."""


def endpoint(tail: Tail) -> Endpoint:
    """Where a log is streamed."""

    async def serve(application: Application, ask: Ask) -> None:
        with waiting(application, ask.context.principal):
            await _stream(application, ask, tail)

    return Endpoint(tail.operation, serve, endless=True)


async def _stream(application: Application, ask: Ask, tail: Tail) -> None:
    """Send a log until its end. Errors before the first byte are raised."""
    request, resumed = _request(ask)
    page = await _look(application, ask, tail, request)
    await ask.send({"type": "http.response.start", "status": 200, "headers": START})
    say = tail.more if resumed else tail.first
    try:
        async for it in _pages(application, ask, tail, request, page):
            text = QUIET if it is None else say(it) + (tail.done(it) if it.last else b"")
            say = say if it is None else tail.more
            await ask.send({"type": "http.response.body", "body": text, "more_body": True})
    except (OvernightError, Fault) as error:
        problem = dialects.DIALECTS[ask.route.dialect].failure(error).body
        text = b"event: problem\ndata: " + problem + b"\n\n"
        await ask.send({"type": "http.response.body", "body": text, "more_body": True})
    await ask.send({"type": "http.response.body", "body": b""})


async def _pages(
    application: Application, ask: Ask, tail: Tail, request: Any, page: Page
) -> AsyncIterator[Page | None]:
    """What there is to say, from `page` on; None when nothing was for long. Ends with the log, client or server."""
    quiet = 0.0
    while True:
        if page.content or page.last:
            yield page
            quiet = 0.0
        if page.last:
            return
        if not page.content:
            if await event_or_gone(application, ask, NEVER, POLL_SECONDS) or application.tide.closed:
                return
            quiet += POLL_SECONDS
        if quiet >= QUIET_SECONDS:
            yield None
            quiet = 0.0
        page = await _look(application, ask, tail, request.model_copy(update={"offset": page.end}))


async def _look(application: Application, ask: Ask, tail: Tail, request: Request) -> Page:
    found: Any = await application.pools.look(
        tail.operation.name, lambda: carry_out(ask.context, tail.operation, request)
    )
    return cast("Page", found)


def _request(ask: Ask) -> tuple[Any, bool]:
    """The first look that is asked for, and whether it goes on where an earlier stream ended."""
    request, _ = dialects.DIALECTS[ask.route.dialect].request(ask.match, ask.query, b"")
    last = asking.resumed_at(ask.head.text(b"last-event-id"))
    return (request, False) if last is None else (request.model_copy(update={"offset": last}), True)


def _part(kind: str) -> Callable[[Page], bytes]:
    """A part of a log in the Wild V2 protocol: its id is the offset at which the next one begins."""

    def say(page: Page) -> bytes:
        if not page.content and kind == "delta":
            return b""
        return b"id: %d\ndata: %s\n\n" % (page.end, encode({"type": kind, "content": page.content}))

    return say


def _done(page: Page) -> bytes:
    return b"id: %d\ndata: %s\n\n" % (page.end, encode({"type": "done", "status": page.status}))


def _wild(name: str, path: str, summary: str, work: Callable[[Any, LogTail], Page]) -> Endpoint:
    operation = Operation(Route(name, "GET", path, summary, dialect="wild"), LogTail, work, None)
    return endpoint(Tail(operation, _part("initial"), _part("delta"), _done))


STREAMS = (
    _wild("stream_run_logs", "/runs/{id}/logs/stream", "A run's log as it is written.", log_page),
    _wild("stream_run_sidecar_logs", "/runs/{id}/sidecar-logs/stream", "What is done with a run.", sidecar_page),
)
