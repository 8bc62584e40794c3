"""What an agent's loop has to look at: runs of its conversation that ended, questions that nobody answered.

Events are made from the record when they are asked for; only that one was resolved is stored.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from overnight.domain.errors import NotFound
from overnight.domain.nouns import Run
from overnight.domain.questions import IGNORE, Question
from overnight.service.context import Context
from overnight.service.wild import alerts
from overnight.service.wild.requests import OneRun
from overnight.service.wild.session_requests import LoopEvent, Resolve, Resolved
from overnight.service.wild.work import Work
from overnight.store import questions, rows, sessions
from overnight.store.base import Row, Session
from overnight.store.sessions import Loop

MOST = 1_000
"""Events of each type that are looked at, the newest ones."""
WORDS: Mapping[str, str] = {"succeeded": "finished", "failed": "failed", "cancelled": "stopped"}
"""Final states in the protocol's words."""

_ENDED = re.compile(r"([0-9a-f]{12})-([0-9]+)")
"""The event that a run ended: its id, and when, in milliseconds; the run may be tried again, and end again."""


def session_events(context: Context, request: OneRun) -> list[dict[str, Any]]:
    """What a loop has to look at, newest first."""

    def read(session: Session) -> list[dict[str, Any]]:
        it = sessions.find(session, request.id)
        found = [_asked(row) for row in sessions.open_questions(session, it, MOST)]
        found += [_ended(row) for row in sessions.ended_runs(session, it, MOST)]
        gone = sessions.resolved(session, it.id, [event["id"] for event in found])
        left = [event for event in found if event["id"] not in gone]
        return sorted(left, key=lambda event: (-event["created_at"], event["id"]))

    return context.store.read(read)


def resolve(context: Context, request: Resolve) -> dict[str, Any]:
    """Never show these events again. Alerts among them are answered, so that the jobs that wait go on."""

    def change(session: Session) -> dict[str, Any]:
        it = sessions.find(session, request.id)
        asked = list(dict.fromkeys(request.event_ids))
        gone = sessions.resolved(session, it.id, asked)
        mine = [event for event in asked if event not in gone and _settle(session, it, event, request.choice)]
        sessions.resolve(session, it.id, mine)
        return {"resolved": len(mine)}

    answer = context.store.write(context.change, change)
    context.wake()
    return answer


def _settle(session: Session, it: Loop, event: str, choice: str | None) -> bool:
    """Whether an event is of this loop; if it is a question that waits, it is answered."""
    ended = _ENDED.fullmatch(event)
    if ended:
        run = _run_of(session, it, ended[1])
        return run is not None and _is_end(it, run.ended_at, int(ended[2]))
    try:
        asked = questions.get(session, event)
    except NotFound:
        return False
    if asked.at < it.started_at or _run_of(session, it, asked.run_id) is None:
        return False
    if asked.response is None:
        alerts.answer(session, event, choice if choice is not None else _usual(asked))
    return True


def _run_of(session: Session, it: Loop, run_id: str) -> Run | None:
    """The run, if this loop reaches it."""
    found = session.row("run_get", id=run_id)
    run = rows.run(found) if found else None
    reached = run is not None and run.chat is not None and run.chat == it.chat and it.owner in (None, run.actor)
    return run if reached else None


def _is_end(it: Loop, ended_at: float | None, at: int) -> bool:
    return ended_at is not None and ended_at >= it.started_at and _milliseconds(ended_at) == at


def _usual(asked: Question) -> str:
    return IGNORE if IGNORE in asked.choices else asked.choices[0]


def _asked(row: Row) -> dict[str, Any]:
    event, run_id, name, severity, message, at = row
    return _event(event, "alert", f"Alert ({severity}): {name}", message, run_id, at)


def _ended(row: Row) -> dict[str, Any]:
    run_id, name, state, reason, detail, at = row
    word = WORDS[state]
    why = "" if state == "succeeded" else detail or reason or ""
    text = f"Status: {word}" + (f" ({why})" if why else "")
    return _event(f"{run_id}-{_milliseconds(at)}", "run_complete", f"Run {word}: {name}", text, run_id, at)


def _event(event: str, kind: str, title: str, detail: str, run_id: str, at: float) -> dict[str, Any]:
    return {"id": event, "type": kind, "title": title, "detail": detail, "run_id": run_id, "created_at": at}


def _milliseconds(at: float) -> int:
    return int(at * 1000)


WORK: dict[str, Work] = {
    "session_events": Work(OneRun, session_events, list[LoopEvent]),
    "resolve_session_events": Work(Resolve, resolve, Resolved),
}
"""Name of an operation -> what it takes, what carries it out, what it answers."""
