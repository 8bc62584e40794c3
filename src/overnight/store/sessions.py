"""Records of agents' loops: what one wants, how far it is, what it has to look at.

An agent drives its loop from outside; the record outlives both. A loop belongs to a conversation (`chat`), or to none.
A scoped principal has the loops that it began itself, and these reach only what it made.
"""

from __future__ import annotations

import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from overnight.domain.errors import NotFound
from overnight.domain.states import WILD_SESSION
from overnight.store import rows
from overnight.store.base import Row, Session
from overnight.store.moves import move

PREFIX = "wild-"
"""Ids of loops begin so; eight hex digits follow."""
NEWEST = 2**62
"""A cursor before which everything lies."""
LIVE = ("running", "paused")
"""States of a loop that goes on."""
LONGEST_IN_EVENT = 2_000
"""Characters of a text that an event repeats; the record has it whole."""
LIVE_AT_ONCE = 100
"""Loops of one conversation that are looked at, those that go on first. There are two only where several tokens began
some."""


@dataclass(frozen=True, slots=True)
class Loop:
    """The record of one loop."""

    id: str
    chat: str | None
    status: str
    record: Mapping[str, Any]
    """`goal, iteration, max_iterations, wait_seconds, evo_sweep_enabled, plan, steer_context`."""
    actor: str
    scoped: bool
    started_at: float
    finished_at: float | None

    @property
    def owner(self) -> str | None:
        """Whose runs alone it reaches; None = everybody's of its conversation."""
        return self.actor if self.scoped else None


def find(session: Session, loop_id: str) -> Loop:
    """The loop; NotFound for an unknown id, and for a foreign one."""
    found = named(session, loop_id)
    if found is None:
        raise NotFound("Session not found", next_step="Begin one with: POST /wild/v2/start")
    return found


def named(session: Session, text: str) -> Loop | None:
    """The loop that a text means, by its whole id; None when it means something else."""
    found = _loop(session.row("wild_session_get", id=text)) if text.startswith(PREFIX) else None
    return None if found is None or _asker(session) not in (None, found.actor) else found


def latest(session: Session, chat: str | None) -> Loop | None:
    """The newest loop of a conversation, one that goes on before the others; without a conversation the newest of
    all."""
    asker = _asker(session)
    if chat is not None:
        return _loop(session.row("wild_sessions_of_chat", chat=chat, owner=asker, limit=1))
    if asker is not None:
        return _loop(session.row("wild_session_latest_of_actor", actor=asker))
    return _loop(session.row("wild_session_latest", before=NEWEST))


def begin(session: Session, rng: random.Random, chat: str | None, record: Mapping[str, Any]) -> Loop:
    """A new loop that runs; those of its conversation that go on are stopped."""
    for row in session.rows("wild_sessions_of_chat", chat=chat, owner=_asker(session), limit=LIVE_AT_ONCE):
        if row[2] in LIVE:
            change(session, Loop(*_columns(row)), "stop", by="a new loop of its conversation")
    loop_id = _unused_id(session, rng)
    session.rows(
        "wild_session_insert",
        seq=session.value("wild_session_last_seq") + 1,
        id=loop_id,
        chat=chat,
        record=rows.encode(record),
        actor=session.change.actor,
        scoped=int(session.change.scope is not None),
        now=session.now,
    )
    session.record("wild_session.create", loop_id, chat=chat, goal=_short(record["goal"]))
    return find(session, loop_id)


def change(session: Session, it: Loop, transition: str, **payload: Any) -> Loop:
    """Take an arrow; a loop whose state does not allow it stays as it is."""
    if not move(session, WILD_SESSION, it.id, transition, before=it.status, **payload):
        return it
    if WILD_SESSION.arrow(transition).target in WILD_SESSION.terminal:
        session.rows("wild_session_finished", id=it.id, now=session.now)
    return find(session, it.id)


def keep(session: Session, it: Loop, note: str, **changes: Any) -> Loop:
    """Change what a loop remembers; `note` is the end of the event's kind."""
    before = {name: _short(it.record[name]) for name in changes}
    after = {name: _short(value) for name, value in changes.items()}
    session.rows("wild_session_record", id=it.id, record=rows.encode({**it.record, **changes}))
    session.record(f"wild.{note}", it.id, before=before, after=after)
    return find(session, it.id)


def append(session: Session, it: Loop, entry: str, iteration: int) -> None:
    """Write an entry of a loop's log."""
    number = session.value("wild_iteration_last_seq", session_id=it.id) + 1
    session.rows(
        "wild_iteration_insert", session_id=it.id, seq=number, iteration=iteration, entry=entry, now=session.now
    )


def entries(session: Session, loop_id: str, limit: int) -> list[tuple[int, float, str]]:
    """The newest entries of a log, oldest first: iteration, time, text."""
    found = session.rows("wild_iterations_latest", session_id=loop_id, limit=limit)
    return [(iteration, at, entry) for iteration, at, entry in reversed(found)]


def holding(session: Session, run_id: str) -> str | None:
    """The paused loop that keeps a run from starting, if there is one."""
    found: str | None = session.value("wild_session_holding", run_id=run_id)
    return found


def ended_runs(session: Session, it: Loop, limit: int) -> list[Row]:
    """Runs of a loop's conversation that ended since it began, newest first: id, name, state, reason, detail, time."""
    asked = {"chat": it.chat, "since": it.started_at, "owner": it.owner, "limit": limit}
    return session.rows("wild_runs_ended", **asked) if it.chat is not None else []


def open_questions(session: Session, it: Loop, limit: int) -> list[Row]:
    """What was asked in a loop's conversation since it began and nobody answered, newest first: id, run, its name,
    severity, message, time."""
    asked = {"chat": it.chat, "since": it.started_at, "owner": it.owner, "limit": limit, "before": NEWEST}
    return session.rows("wild_questions_open", **asked) if it.chat is not None else []


def resolved(session: Session, loop_id: str, events: Sequence[str]) -> set[str]:
    """Which of these events were resolved."""
    found = session.rows("wild_resolved_among", session_id=loop_id, event_ids=json.dumps(events))
    return {row[0] for row in found}


def resolve(session: Session, loop_id: str, events: Sequence[str]) -> None:
    """Never show these events again."""
    session.many("wild_resolved_insert", [{"session_id": loop_id, "event_id": it, "now": session.now} for it in events])
    if events:
        session.record("wild.resolve", loop_id, events=list(events))


def _asker(session: Session) -> str | None:
    """Whose loops alone are there for who asks; None = all."""
    scope = session.change.scope
    return None if scope is None else scope.actor


def _short(value: Any) -> Any:
    return value[:LONGEST_IN_EVENT] if isinstance(value, str) else value


def _unused_id(session: Session, rng: random.Random) -> str:
    while True:
        loop_id = f"{PREFIX}{rng.getrandbits(32):08x}"
        if session.row("wild_session_get", id=loop_id) is None:
            return loop_id


def _loop(row: Row | None) -> Loop | None:
    return Loop(*_columns(row)) if row else None


def _columns(row: Row) -> tuple[Any, ...]:
    loop_id, chat, status, record, actor, scoped, started_at, finished_at = row
    return loop_id, chat, status, json.loads(record), actor, bool(scoped), started_at, finished_at
