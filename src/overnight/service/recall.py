"""Lets runs wait once more that were queued for reasons which hold no longer. What runs or has ended is left alone."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from overnight.planner.waves import Standing
from overnight.service import consequences
from overnight.service.chosen import Chosen, in_states
from overnight.store.base import Session
from overnight.store.moves import move_runs

RELEASED = ("queued", "delayed")
"""States of runs that had what they need and do not run now."""


def recall(session: Session, ids: Sequence[str], subject: str) -> list[str]:
    """Have runs wait for what they need, and look at their files again; returns those that could be. Their failures
    still count."""
    moved = move_runs(session, ids, "recall", subject=subject)
    session.many("run_waits_anew", [{"id": run} for run in moved])
    session.many("conditions_again", [{"run_id": run} for run in moved])
    return moved


def recall_dependants(session: Session, run_id: str, sweep_id: str) -> None:
    """A run that had succeeded, or did not count, is made after all: who needs it waits for it."""
    recall(session, [row[0] for row in session.rows("runs_needing", needs_id=run_id)], run_id)
    recall_after(session, [sweep_id])


def recall_unmet(session: Session, run_id: str, sweep_id: str) -> None:
    """A run whose attempt ended too soon waits, should what it needs be made again meanwhile."""
    if session.rows("run_unmet_names", run_id=run_id) or consequences.whole_needs(session, sweep_id) != Standing.MET:
        recall(session, [run_id], run_id)


def recall_after(session: Session, sweep_ids: Iterable[str]) -> None:
    """There is more to do in these sweeps: who needs them as a whole waits."""
    for sweep_id in sorted(set(sweep_ids)):
        for (dependant,) in session.rows("sweep_dependants", id=sweep_id):
            recall(session, in_states(session, Chosen(dependant), RELEASED), sweep_id)
