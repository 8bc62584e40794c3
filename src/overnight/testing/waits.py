"""When files are there in a simulation, and whether the server waits for them, for earlier phases and for room."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from overnight.domain.nouns import Event, SweepSettings
from overnight.domain.reasons import Reason
from overnight.domain.states import OPEN_RUN
from overnight.store import campaigns
from overnight.store.base import Session
from overnight.store.lives import RunLife
from overnight.store.projection import Projection

NEVER = "never/there"
"""A path at which nothing ever lies."""


class Impatient(AssertionError):
    """Something was started, skipped or blocked too early."""


def path_from(second: float) -> str:
    """A path at which a whole file lies from a true second on."""
    return f"from/{second:.3f}"


def is_there(path: str, now: float) -> bool:
    """Whether something lies at a path at a true second."""
    word, _, second = path.partition("/")
    return word == "from" and float(second) <= now


@dataclass(slots=True)
class Waits:
    """What the log says of waiting, event by event. Raises Impatient for what breaks it."""

    skipped: set[str] = field(default_factory=set)
    """Runs that succeeded without an attempt, and were not tried again since."""
    _sweeps: dict[str, SweepSettings] = field(default_factory=dict)
    """In order of submission."""
    _campaign_of: dict[str, str | None] = field(default_factory=dict)
    _passed: set[str] = field(default_factory=set)
    """Sweeps whose barrier is open for good."""
    _held: set[str] = field(default_factory=set)
    _retried: set[str] = field(default_factory=set)

    def see(self, event: Event, session: Session, projection: Projection, now: float) -> str | None:
        """One event, after the projection took it in; returns the name of a rare situation that it is."""
        if event.kind == "sweep.create":
            self._sweeps[event.subject] = campaigns.get_sweep(session, event.subject).settings
            self._campaign_of[event.subject] = event.payload["campaign"]
        elif event.kind == "hold.put":
            self._held.add(event.subject)
        elif event.kind == "hold.drop":
            self._held.discard(event.subject)
            return "held_and_released"
        elif event.kind == "run.retry":
            self._retried |= set(_ids(event))
            self.skipped -= set(_ids(event))
        elif event.kind == "run.claim":
            return self._claimed(event, session, projection, now)
        elif event.kind == "run.skip":
            return self._skip(event, session, now)
        elif event.kind == "run.block" and event.payload["reason"] == Reason.PRECONDITION_MISSING:
            return self._given_up(event, projection)
        return None

    def _claimed(self, event: Event, session: Session, projection: Projection, now: float) -> str | None:
        sweep = projection.runs[event.subject].sweep
        settings = self._sweeps[sweep]
        if event.payload["target"] not in settings.targets:
            raise Impatient(f"{event.subject} was started on {event.payload['target']}, where its sweep may not go")
        if {sweep, event.payload["target"]} & self._held:
            raise Impatient(f"{event.subject} was started although its sweep or target is held")
        requires = _config(session, event.subject).get("requires", [])
        missing = [path for path in requires if not is_there(path, now)]
        if missing:
            raise Impatient(f"{event.subject} was started although {missing[0]} is not there")
        if settings.barrier and sweep not in self._passed:
            self._passed.add(sweep)
            return self._settled(sweep, event, projection)
        return "started_when_its_files_were_there" if requires else None

    def _settled(self, sweep: str, event: Event, projection: Projection) -> str:
        """A barrier opens when no run of an earlier sweep goes on and none of their attempts holds a device."""
        order = list(self._sweeps)
        earlier = {it for it in order[: order.index(sweep)] if self._campaign_of[it] == self._campaign_of[sweep]}
        going = sum(projection.tallies[it][state] for it in earlier for state in OPEN_RUN)
        holding = [
            holder
            for holders in projection.holders.values()
            for holder in holders
            if projection.runs[projection.attempts[holder].run].sweep in earlier
        ]
        if going or holding:
            raise Impatient(f"{event.subject} passed its barrier while {going} runs went on and {holding} held devices")
        return "barrier_passed"

    def _skip(self, event: Event, session: Session, now: float) -> str:
        for run in _ids(event):
            outputs = _config(session, run)["outputs"]
            if run in self._retried or not outputs or not all(is_there(path, now) for path in outputs):
                raise Impatient(f"{run} was skipped although it had to run")
        self.skipped |= set(_ids(event))
        return "skipped_as_done"

    def _given_up(self, event: Event, projection: Projection) -> str:
        campaign = self._campaign_of[projection.runs[_ids(event)[0]].sweep]
        own = [sweep for sweep, owner in self._campaign_of.items() if owner == campaign]
        going = sum(projection.tallies[it][state] for it in own for state in ("delayed", "running", "cancelling"))
        if going or projection.campaigns[str(campaign)].gate == "paused":
            raise Impatient(f"{_ids(event)} were blocked for missing files while something of {campaign} went on")
        return "blocked_for_missing_files"

    def before(self, run: str, runs: Mapping[str, RunLife]) -> list[str]:
        """Runs of earlier sweeps of the same campaign."""
        order = list(self._sweeps)
        end = order.index(runs[run].sweep)
        return [other for other in self.siblings(run, runs) if order.index(runs[other].sweep) < end]

    def siblings(self, run: str, runs: Mapping[str, RunLife]) -> list[str]:
        """Other runs of the same campaign."""
        own = self._campaign_of[runs[run].sweep]
        return [it for it, life in runs.items() if it != run and own and self._campaign_of[life.sweep] == own]


def _ids(event: Event) -> list[str]:
    return list(event.payload.get("ids", (event.subject,)))


def _config(session: Session, run: str) -> Mapping[str, list[str]]:
    found: Mapping[str, list[str]] = json.loads(session.value("run_config", id=run))
    return found
