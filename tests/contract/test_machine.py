"""Random histories on a real store against a model of plain dicts: rows, counts and the log agree with it."""

from __future__ import annotations

import itertools
import json
import os
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from overnight.clock import SystemClock
from overnight.domain.errors import Conflict
from overnight.domain.states import ATTEMPT, LIVE_ATTEMPT, RUN
from overnight.ids import new_id
from overnight.store import campaigns, runs
from overnight.store.base import SYSTEM, Session, Store
from overnight.store.moves import move, move_runs
from overnight.store.sqlite import SqliteStore
from overnight.testing.specimens import add_devices, plan_of, submit

settings.register_profile("store-here", max_examples=60, stateful_step_count=40)
settings.register_profile("store-ci", max_examples=150, stateful_step_count=50)
PROFILE = settings.get_profile("store-ci" if os.environ.get("CI", "").lower() in {"true", "1"} else "store-here")
DEVICES = 3
NUMBERS = itertools.count(1)
"""Each history has a campaign and a target of its own on the same store."""

picks = st.integers(min_value=0, max_value=2**16)
run_moves = st.sampled_from([arrow.transition for arrow in RUN.arrows if arrow.transition != "claim"])
attempt_moves = st.sampled_from([arrow.transition for arrow in ATTEMPT.arrows])
endings = st.sampled_from(["exit", "lose", "refuse"])


class Undone(Exception):
    """Raised on purpose inside a transaction."""


@dataclass
class Model:
    """What the store should hold; also what the event log alone should say."""

    runs: dict[str, str] = field(default_factory=dict)
    attempts: dict[str, str] = field(default_factory=dict)
    held: dict[str, str] = field(default_factory=dict)
    """device -> attempt"""

    def apply(self, kind: str, subject: str, payload: dict[str, Any]) -> None:
        """What an event says happened; a transition that the tables do not allow fails."""
        noun, transition = kind.split(".")
        if kind == "run.create":
            self.runs |= dict.fromkeys(payload["ids"], payload["state"])
        elif noun == "run":
            for run in payload.get("ids", [subject]):
                self.runs[run] = arrived(RUN, transition, self.runs[run])
            if transition == "claim":
                self.attempts[payload["attempt"]] = "launching"
                self.held |= dict.fromkeys(payload["devices"], payload["attempt"])
        elif noun == "attempt":
            self.attempts[subject] = arrived(ATTEMPT, transition, self.attempts[subject])
        elif kind == "lease.release":
            for device in payload["devices"]:
                assert self.held.pop(device) == subject


def arrived(machine: Any, transition: str, source: str) -> str:
    arrow = machine.arrow(transition)
    assert source in arrow.sources, (machine.noun, transition, source)
    return str(arrow.target)


class StoreMachine(RuleBasedStateMachine):
    """Moves are asked for whether they are allowed or not; the model says which must succeed."""

    store: ClassVar[Store]

    def __init__(self) -> None:
        super().__init__()
        number = next(NUMBERS)
        self.rng = random.Random(f"more-{number}")
        self.target = f"target-{number}"
        self.model = Model()
        self.projected = Model()
        self.fences: dict[str, int] = {}
        self.seen: int = self.store.read(lambda s: s.value("event_head") or 0)
        made = self.store.write(SYSTEM, lambda s: submit(s, plan_of(2), seed=number))
        self.campaign, self.sweep = made.campaign, made.sweep
        self.model.runs = dict.fromkeys(made.runs, "queued")
        self.devices = self.store.write(SYSTEM, lambda s: add_devices(s, DEVICES, target=self.target))

    def run_at(self, pick: int) -> str:
        return list(self.model.runs)[pick % len(self.model.runs)]

    def attempt_at(self, pick: int) -> str:
        return list(self.model.attempts)[pick % len(self.model.attempts)]

    def held_by(self, attempt: str) -> list[str]:
        return sorted(device for device, holder in self.model.held.items() if holder == attempt)

    @rule(count=st.integers(1, 3), state=st.sampled_from(RUN.initial))
    def submit_more(self, count: int, state: str) -> None:
        made = [(new_id(self.rng), f"more-{place}", "{}") for place in range(count)]
        self.store.write(SYSTEM, lambda s: campaigns.insert_runs(s, self.campaign, self.sweep, made, state=state))
        self.model.runs |= {run: state for run, _, _ in made}

    @rule(pick=picks, transition=run_moves)
    def move_one(self, pick: int, transition: str) -> None:
        run = self.run_at(pick)
        allowed = self.model.runs[run] in RUN.arrow(transition).sources
        assert self.store.write(SYSTEM, lambda s: move(s, RUN, run, transition)) == allowed
        if allowed:
            self.model.runs[run] = RUN.arrow(transition).target

    @rule(some=st.lists(picks, max_size=5), transition=run_moves)
    def move_many(self, some: list[int], transition: str) -> None:
        ids = list(dict.fromkeys(self.run_at(pick) for pick in some))
        expected = [run for run in ids if self.model.runs[run] in RUN.arrow(transition).sources]
        moved = self.store.write(SYSTEM, lambda s: move_runs(s, ids, transition, subject=self.sweep))
        assert moved == expected
        self.model.runs |= dict.fromkeys(moved, RUN.arrow(transition).target)

    @rule(pick=picks, wanted=st.sets(st.integers(0, DEVICES - 1), max_size=2))
    def claim(self, pick: int, wanted: set[int]) -> None:
        run = self.run_at(pick)
        devices = [self.devices[position] for position in sorted(wanted)]
        number = 1 + sum(attempt.startswith(f"{run}.") for attempt in self.model.attempts)
        alive = any(a.startswith(f"{run}.") and s in LIVE_ATTEMPT for a, s in self.model.attempts.items())

        def work(session: Session) -> int | None:
            return runs.claim(session, run, number, target=self.target, folder="/x", devices=devices)

        if self.model.runs[run] != "queued":
            assert self.store.write(SYSTEM, work) is None
        elif alive or any(device in self.model.held for device in devices):
            with pytest.raises(Conflict):
                self.store.write(SYSTEM, work)
        else:
            fence = self.store.write(SYSTEM, work)
            assert fence is not None
            assert fence > max(self.fences.values(), default=0)
            attempt = f"{run}.{number}"
            self.fences[attempt] = fence
            self.model.attempts[attempt] = "launching"
            self.model.held |= dict.fromkeys(devices, attempt)
            self.model.runs[run] = "running"

    @precondition(lambda self: self.model.attempts)
    @rule(pick=picks, transition=attempt_moves, stale=st.booleans())
    def move_attempt(self, pick: int, transition: str, stale: bool) -> None:
        attempt = self.attempt_at(pick)
        fence = self.fences[attempt] - int(stale)
        allowed = not stale and self.model.attempts[attempt] in ATTEMPT.arrow(transition).sources
        assert self.store.write(SYSTEM, lambda s: move(s, ATTEMPT, attempt, transition, fence=fence)) == allowed
        if allowed:
            self.model.attempts[attempt] = ATTEMPT.arrow(transition).target

    @precondition(lambda self: self.model.attempts)
    @rule(pick=picks, transition=endings, code=st.one_of(st.none(), st.integers(0, 255)))
    def end(self, pick: int, transition: str, code: int | None) -> None:
        attempt = self.attempt_at(pick)
        allowed = self.model.attempts[attempt] in ATTEMPT.arrow(transition).sources

        def work(session: Session) -> bool:
            found = runs.get_attempt(session, attempt)
            assert found is not None
            return runs.end_attempt(session, found, transition, {"reason": "ok", "code": code})

        assert self.store.write(SYSTEM, work) == allowed
        if allowed:
            self.model.attempts[attempt] = ATTEMPT.arrow(transition).target

    @precondition(lambda self: self.model.attempts)
    @rule(pick=picks)
    def give_back(self, pick: int) -> None:
        attempt = self.attempt_at(pick)

        def work(session: Session) -> list[str]:
            found = runs.get_attempt(session, attempt)
            assert found is not None
            return runs.release_leases(session, found)

        devices = self.held_by(attempt)
        assert sorted(self.store.write(SYSTEM, work)) == devices
        for device in devices:
            del self.model.held[device]

    @rule(pick=picks, transition=run_moves)
    def fail_after_the_work(self, pick: int, transition: str) -> None:
        def work(session: Session) -> None:
            move(session, RUN, self.run_at(pick), transition)
            runs.claim(session, self.run_at(pick), 99, target=self.target, folder="/x", devices=[])
            raise Undone

        with pytest.raises((Undone, Conflict)):
            self.store.write(SYSTEM, work)

    @invariant()
    def the_rows_are_those_of_the_model(self) -> None:
        self.store.read(self.check_rows)

    def check_rows(self, session: Session) -> None:
        stored = session.rows("runs_of_sweep", sweep_id=self.sweep, after=0, limit=10_000)
        assert {row[0]: row[5] for row in stored} == self.model.runs
        assert campaigns.sweep_counts(session, self.sweep) == Counter(self.model.runs.values())
        assert campaigns.counts(session, self.campaign) == Counter(self.model.runs.values())
        attempts = [attempt for run in self.model.runs for attempt in runs.attempts(session, run)]
        assert {a.id: (a.state, a.fence) for a in attempts} == {
            a: (state, self.fences[a]) for a, state in self.model.attempts.items()
        }
        live = Counter(a.run_id for a in attempts if a.state in LIVE_ATTEMPT)
        assert max(live.values(), default=0) <= 1
        held = session.rows("leases_held", target=self.target)
        assert {row[0]: row[1] for row in held} == self.model.held
        assert len(held) == len(self.model.held)

    @invariant()
    def the_log_alone_says_the_same(self) -> None:
        for row in self.store.read(lambda s: s.rows("events_after", after=self.seen, limit=10_000)):
            assert row[0] == self.seen + 1
            self.seen = row[0]
            self.projected.apply(row[5], row[6], json.loads(row[8]))
        assert self.projected == self.model


def check(store: Store) -> None:
    machine = type("Machine", (StoreMachine,), {"store": store})
    quiet = [HealthCheck.too_slow, HealthCheck.data_too_large]
    run_state_machine_as_test(machine, settings=settings(PROFILE, deadline=None, suppress_health_check=quiet))


@pytest.mark.timeout(300)
def test_any_history_on_sqlite(tmp_path: Path) -> None:
    store = SqliteStore(str(tmp_path / "record.db"), SystemClock())
    check(store)
    store.close()


@pytest.mark.timeout(300)
@pytest.mark.real("postgresql")
def test_any_history_on_postgresql(new_database: Callable[[], str]) -> None:
    from overnight.store.postgres import PostgresStore

    store = PostgresStore(new_database(), SystemClock())
    check(store)
    store.close()
