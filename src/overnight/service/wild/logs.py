"""Logs, the record of what was done, and files. Source: the protocol, 2.2."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Literal

from pydantic import Field
from typing_extensions import TypedDict

from overnight.domain.nouns import Attempt, Event, Run
from overnight.domain.states import MACHINES
from overnight.planner.wild import TERMINAL, run_status
from overnight.service.context import Context
from overnight.service.log_pages import Joined, Page, Text, page
from overnight.service.requests import LARGEST
from overnight.service.wild.requests import OneRun
from overnight.service.wild.work import Work
from overnight.store import campaigns, rows, runs, wild
from overnight.store.base import Session
from overnight.store.scope import require_run

LARGEST_PAGE = 102_400
"""Bytes of a page, whatever was asked for."""
MOST_LINES = 10_000
"""Events of one run that its record shows, the oldest ones."""
LONGEST_LINE = 2_000
"""Characters of a line of the record."""
WHY = {f"{it.noun}.{arrow.transition}": arrow.why for it in MACHINES for arrow in it.arrows}
"""Kind of an event -> what it means."""


class LogPage(OneRun):
    """A part of a log."""

    offset: int = Field(
        default=-10_000, ge=-LARGEST, le=LARGEST, description="Byte to start at; negative: from the end."
    )
    limit: int = Field(default=10_000, ge=0, le=LARGEST, description=f"Bytes; at most {LARGEST_PAGE} are given.")


class LogTail(LogPage):
    """A log from some byte on, its beginning if nothing is said."""

    offset: int = Field(default=0, ge=-LARGEST, le=LARGEST, description="Byte to start at; negative: from the end.")
    limit: int = Field(default=LARGEST_PAGE, ge=1, le=LARGEST, description="Bytes of one part.")


class LogView(TypedDict):
    """A part of a log. Offsets and sizes are in bytes of UTF-8."""

    content: str
    offset: int
    total_size: int
    has_more_before: bool
    has_more_after: bool
    next_offset: int


class ArtifactView(TypedDict):
    """Something that a run left."""

    name: str
    path: str
    type: Literal["other", "wandb"]


def log_page(context: Context, request: LogPage) -> Page:
    """Part of all that a run's attempts said, oldest first: offsets stay valid when it is tried again."""
    run, made = context.store.read(lambda session: _with_attempts(session, request.id))
    log = Joined([(context.spots[it.target].files, it.folder) for it in made])
    return page(log, request.offset, min(request.limit, LARGEST_PAGE), _ended(run))


def sidecar_page(context: Context, request: LogPage) -> Page:
    """Part of what was done with a run, one line for each event; later lines only follow."""

    def read(session: Session) -> tuple[Run, str]:
        run = require_run(session, request.id)
        found = session.rows("events_about", low=run.id, high=f"{run.id}g", limit=MOST_LINES)
        return run, _creation(run) + "".join(_line(rows.event(row)) for row in found)

    run, text = context.store.read(read)
    return page(Text(text), request.offset, min(request.limit, LARGEST_PAGE), _ended(run))


def _with_attempts(session: Session, run_id: str) -> tuple[Run, list[Attempt]]:
    return require_run(session, run_id), runs.attempts(session, run_id)


def _ended(run: Run) -> str | None:
    """How a run ended, in the protocol's words; None while it goes on."""
    status = run_status(run.state, launching=False)
    return status if status in TERMINAL else None


def _creation(run: Run) -> str:
    """The first line: runs are created together, so that no event is about one alone."""
    said = {"origin": run.origin, "parent": run.parent_id}
    return _written(run.created_at, "run.create", run.actor, {name: value for name, value in said.items() if value})


def _line(event: Event) -> str:
    about = f" {event.subject}" if "." in event.subject else ""
    why = f": {WHY[event.kind]}" if event.kind in WHY else ""
    return _written(event.wall, f"{event.kind}{about}{why}", event.actor, event.payload)


def _written(wall: float, what: str, actor: str, details: Mapping[str, Any]) -> str:
    """One line, in ASCII: what stands in an event is hostile."""
    at = datetime.fromtimestamp(wall, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    said = f" {json.dumps(details, sort_keys=True)}" if details else ""
    return f"{at} {what} (by {json.dumps(actor)[1:-1]}){said}"[:LONGEST_LINE] + "\n"


def _viewed(look: Callable[[Context, LogPage], Page]) -> Callable[[Context, LogPage], LogView]:
    def view(context: Context, request: LogPage) -> LogView:
        it = look(context, request)
        return {
            "content": it.content,
            "offset": it.start,
            "total_size": it.total,
            "has_more_before": it.start > 0,
            "has_more_after": it.end < it.total,
            "next_offset": it.end,
        }

    return view


def run_artifacts(context: Context, request: OneRun) -> list[ArtifactView]:
    """What the newest attempt of a run left, and what was reported of it."""

    def read(session: Session) -> tuple[Run, list[Attempt], str, str | None]:
        run, made = _with_attempts(session, request.id)
        callback = wild.callbacks_of(session, [run.id]).get(run.id)
        workdir = campaigns.get_sweep(session, run.sweep_id).settings.workdir
        return run, made[-1:], workdir, callback.wandb_dir if callback else None

    run, made, workdir, reported = context.store.read(read)
    found = {path: view for attempt in made for path, view in _left(context, run, attempt, workdir)}
    if reported:
        found.setdefault(reported, {"name": reported.rstrip("/").rpartition("/")[2], "path": reported, "type": "wandb"})
    return list(found.values())


def _left(context: Context, run: Run, attempt: Attempt, workdir: str) -> list[tuple[str, ArtifactView]]:
    outputs = [it for it in run.config.get("outputs", ()) if "${" not in it]
    during = (attempt.started_at or attempt.claimed_at, attempt.ended_at or context.store.clock.wall())
    left = context.spots[attempt.target].files.left(attempt.folder, workdir, outputs, during)
    return [(it.path, _artifact(it.name, it.path, it.kind)) for it in left]


def _artifact(name: str, path: str, kind: str) -> ArtifactView:
    return {"name": name, "path": path, "type": "wandb" if kind == "wandb" else "other"}


WORK: dict[str, Work] = {
    "run_logs": Work(LogPage, _viewed(log_page), LogView),
    "run_sidecar_logs": Work(LogPage, _viewed(sidecar_page), LogView),
    "run_artifacts": Work(OneRun, run_artifacts, list[ArtifactView]),
}
"""Name of an operation -> what it takes, what carries it out, what it answers."""
