"""The one way in which a state changes: a guarded update and its event, in one transaction."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import cache
from typing import Any

from overnight.domain.states import RUN, Machine
from overnight.store.base import Session

CHUNK = 500
"""Ids per event of a bulk move; keeps one event below about 10 kB."""


@cache
def _guarded(machine: Machine, transition: str, fenced: bool) -> str:
    arrow = machine.arrow(transition)
    sources = ", ".join(f"'{source}'" for source in arrow.sources)
    fence = " AND fence = :fence" if fenced else ""
    return (
        f"UPDATE {machine.table} SET {machine.column} = '{arrow.target}' "
        f"WHERE id = :id AND {machine.column} IN ({sources}){fence} RETURNING id"
    )


_READING = "SELECT state, sweep_id FROM runs WHERE id = :id"
"""Where a run comes from: needed for the tallies."""


def move(
    session: Session, machine: Machine, thing: str, transition: str, *, fence: int | None = None, **payload: Any
) -> bool:
    """Take the arrow `transition` with one thing; False when its state (or its fence) no longer allows it.

    With `fence` the row must carry exactly that token: a stale holder changes nothing (R2). The payload goes into the
    event `noun.transition`.
    """
    connection = session.connection
    arguments: dict[str, Any] = {"id": thing} if fence is None else {"id": thing, "fence": fence}
    before = connection.execute(_READING, {"id": thing}) if machine is RUN else ()
    if not connection.execute(_guarded(machine, transition, fence is not None), arguments):
        return False
    for source, sweep in before:
        _count(session, sweep, source, machine.arrow(transition).target, 1)
    session.record(f"{machine.noun}.{transition}", thing, fence or 0, **payload)
    return True


def move_runs(session: Session, ids: Sequence[str], transition: str, *, subject: str, **payload: Any) -> list[str]:
    """Take one arrow with many runs; returns those that could. One event per chunk names them all."""
    moved: list[str] = []
    arrow = RUN.arrow(transition)
    counts: Counter[tuple[str, str]] = Counter()
    for run in ids:
        before = session.connection.execute(_READING, {"id": run})
        if (
            before
            and before[0][0] in arrow.sources
            and session.connection.execute(_guarded(RUN, transition, False), {"id": run})
        ):
            counts[before[0][1], before[0][0]] += 1
            moved.append(run)
    for (sweep, source), number in counts.items():
        _count(session, sweep, source, arrow.target, number)
    for start in range(0, len(moved), CHUNK):
        session.record(f"run.{transition}", subject, 0, ids=moved[start : start + CHUNK], **payload)
    return moved


def _count(session: Session, sweep: str, source: str, target: str, number: int) -> None:
    session.rows("tallies_add", sweep_id=sweep, left=source, entered=target, number=number)
    session.rows("totals_move", left=source, entered=target, number=number)
