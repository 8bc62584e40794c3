"""Which runs somebody means by an id or a name."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from overnight.store import campaigns, references
from overnight.store.base import Session


@dataclass(frozen=True, slots=True)
class Chosen:
    """All runs of a sweep, or the one run of it that is meant."""

    sweep_id: str
    run_id: str | None = None


def chosen_by(session: Session, text: str) -> tuple[str, str, list[Chosen]]:
    """(noun, id, what it stands for) of an id or name; the sweeps of a campaign come last first, so that those who need
    others are reached before them. NotFound and Ambiguous as `references.resolve`."""
    noun, thing = references.resolve(session, text)
    if noun == "run":
        return noun, thing, [one_run(session, thing)]
    if noun == "sweep":
        return noun, thing, [Chosen(thing)]
    return noun, thing, [Chosen(sweep.id) for sweep in reversed(campaigns.sweeps_of(session, thing))]


def one_run(session: Session, run_id: str) -> Chosen:
    """A single run."""
    return Chosen(session.rows("run_standing", id=run_id)[0][1], run_id)


def in_states(session: Session, it: Chosen, states: Sequence[str]) -> list[str]:
    """Those of the chosen runs that are in one of the states, in order of submission."""
    if it.run_id is not None:
        return [it.run_id] if state_of(session, it.run_id) in states else []
    rows = session.rows("runs_in_states_of_sweep", sweep_id=it.sweep_id, states=json.dumps(states))
    return [row[0] for row in rows]


def state_of(session: Session, run_id: str) -> str:
    """The state of a run."""
    return str(session.rows("run_standing", id=run_id)[0][0])
