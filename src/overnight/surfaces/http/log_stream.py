"""`/v1/runs/{id}/log/stream`: all that a run's attempts write, as it is written, as server-sent events.

`log` events carry `content`, their ids are the byte offsets behind it; `done`, the last one, carries the run's state.
"""

from __future__ import annotations

from dataclasses import replace

from pydantic import Field

from overnight.domain.states import FINAL_RUN
from overnight.service.context import Context
from overnight.service.log_pages import Page
from overnight.service.requests import LARGEST, Id, Request
from overnight.service.routes import Route
from overnight.service.table import Operation
from overnight.service.wild.logs import LARGEST_PAGE, LogTail, log_page
from overnight.store import references, runs
from overnight.store.base import Session
from overnight.surfaces.http.encoding import encode
from overnight.surfaces.http.log_tail import Tail, endpoint


class LogStream(Request):
    """A log from some byte on."""

    id: Id
    offset: int = Field(default=0, ge=-LARGEST, le=LARGEST, description="Byte to start at; negative: from the end.")
    limit: int = Field(default=LARGEST_PAGE, ge=1, le=LARGEST_PAGE, description="Most bytes of one event.")


def log_part(context: Context, request: LogStream) -> Page:
    """Part of a run's log, of all its attempts; `status` is the state in which the run has ended."""

    def read(session: Session) -> tuple[str, str]:
        noun, thing = references.resolve(session, request.id, "run")
        references.require(noun, "run", request.id)
        return thing, runs.get(session, thing).state

    run_id, state = context.store.read(read)
    page = log_page(context, LogTail(id=run_id, offset=request.offset, limit=request.limit))
    return replace(page, status=state if state in FINAL_RUN else None)


def _log(page: Page) -> bytes:
    return b"id: %d\nevent: log\ndata: %s\n\n" % (page.end, encode({"content": page.content})) if page.content else b""


def _done(page: Page) -> bytes:
    return b"id: %d\nevent: done\ndata: %s\n\n" % (page.end, encode({"state": page.status}))


STREAM = endpoint(
    Tail(
        Operation(
            Route("stream_log", "GET", "/v1/runs/{id}/log/stream", "A run's log as it is written, of all attempts."),
            LogStream,
            log_part,
            None,
        ),
        first=_log,
        more=_log,
        done=_done,
    )
)
