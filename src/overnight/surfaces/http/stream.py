"""Events as a stream (`text/event-stream`): each has its `seq` as its id, so that a lost stream goes on there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from overnight.domain.errors import InvalidRequest, OvernightError
from overnight.service.table import BY_NAME
from overnight.surfaces.http import asking, problems
from overnight.surfaces.http.encoding import encode
from overnight.surfaces.http.routes import Match
from overnight.surfaces.http.wire import COMMON, Head, Receive, Scope, Send

if TYPE_CHECKING:
    from overnight.surfaces.http.application import Application

QUIET_SECONDS = 15.0
"""After this long without an event a comment is sent, so that both ends know of each other."""
START = [(b"content-type", b"text/event-stream"), *COMMON]


async def stream_events(application: Application, scope: Scope, head: Head, receive: Receive, send: Send) -> None:
    """Send events until the client goes away or the server ends. Errors before the first byte are raised."""
    match = Match(BY_NAME["events"])
    request = _first(match, scope, head)
    seen, view = application.tide.head, await application.look(match, request)
    await send({"type": "http.response.start", "status": 200, "headers": START})
    leaving = False
    while not leaving and not application.tide.closed:
        await send({"type": "http.response.body", "body": _text(view["events"]), "more_body": True})
        request = request.model_copy(update={"after": view["next"]})
        if not view["events"]:
            leaving = await application.wait_or_gone(seen, QUIET_SECONDS, receive)
        try:
            seen, view = application.tide.head, await application.look(match, request)
        except OvernightError as error:
            _, body = problems.of_error(error)
            await send({"type": "http.response.body", "body": b"event: problem\ndata: " + body + b"\n\n"})
            return
    await send({"type": "http.response.body", "body": b""})


def _first(match: Match, scope: Scope, head: Head) -> Any:
    request, wait = asking.without_wait(asking.from_query(match, scope["query_string"]))
    if wait:
        raise InvalidRequest("wait: a stream always waits", place="wait", next_step="Leave it out.")
    last = head.text(b"last-event-id")
    if last is None:
        return request
    if not last.isascii() or not last.isdigit() or len(last) > 18:
        raise InvalidRequest("Last-Event-ID: not a number", place="Last-Event-ID", next_step="Send the last id.")
    return request.model_copy(update={"after": int(last)})


def _text(events: list[dict[str, Any]]) -> bytes:
    if not events:
        return b": nothing new\n\n"
    return b"".join(
        b"id: %d\nevent: %s\ndata: %s\n\n" % (event["seq"], event["kind"].encode(), encode(event)) for event in events
    )
