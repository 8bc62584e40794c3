"""Events as a stream (`text/event-stream`): each has its `seq` as its id, so that a lost stream goes on there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from overnight.domain.errors import InvalidRequest, OvernightError
from overnight.service import dispatch
from overnight.service.look import events
from overnight.service.requests import EventRange
from overnight.service.routes import Route
from overnight.service.table import Operation
from overnight.service.views import View
from overnight.surfaces.http import asking, problems
from overnight.surfaces.http.asking import Ask
from overnight.surfaces.http.encoding import encode
from overnight.surfaces.http.routes import Endpoint
from overnight.surfaces.http.waiting import event_or_gone, waiting
from overnight.surfaces.http.wire import COMMON

if TYPE_CHECKING:
    from overnight.surfaces.http.application import Application

QUIET_SECONDS = 15.0
"""After this long without anything to send a comment is sent, so that both ends know of each other."""
START = [(b"content-type", b"text/event-stream"), *COMMON]
EVENTS = Operation(
    Route("stream_events", "GET", "/v1/events/stream", "Events as they happen, as server-sent events."),
    EventRange,
    events,
    None,
)


async def stream_events(application: Application, ask: Ask) -> None:
    """Send events until the client goes away or the server ends. Errors before the first byte are raised."""
    request = _first(ask)
    with waiting(application, ask.context.principal):
        seen, view = application.tide.head, await _look(application, ask, request)
        await ask.send({"type": "http.response.start", "status": 200, "headers": START})
        leaving = False
        while not leaving and not application.tide.closed:
            await ask.send({"type": "http.response.body", "body": _text(view["events"]), "more_body": True})
            request = request.model_copy(update={"after": view["next"]})
            if not view["events"]:
                leaving = await event_or_gone(application, ask, seen, QUIET_SECONDS)
            try:
                seen, view = application.tide.head, await _look(application, ask, request)
            except OvernightError as error:
                _, body = problems.of_error(error)
                await ask.send({"type": "http.response.body", "body": b"event: problem\ndata: " + body + b"\n\n"})
                return
        await ask.send({"type": "http.response.body", "body": b""})


async def _look(application: Application, ask: Ask, request: EventRange) -> View:
    return await application.pools.look(EVENTS.name, lambda: dispatch.carry_out(ask.context, EVENTS, request))


def _first(ask: Ask) -> Any:
    request, wait = asking.without_wait(asking.native(ask.match, ask.query, b""))
    if wait:
        raise InvalidRequest("wait: a stream always waits", place="wait", next_step="Leave it out.")
    last = asking.resumed_at(ask.head.text(b"last-event-id"))
    return request if last is None else request.model_copy(update={"after": last})


def _text(events: list[dict[str, Any]]) -> bytes:
    if not events:
        return b": nothing new\n\n"
    return b"".join(
        b"id: %d\nevent: %s\ndata: %s\n\n" % (event["seq"], event["kind"].encode(), encode(event)) for event in events
    )


STREAMS = (Endpoint(EVENTS, stream_events, endless=True),)
