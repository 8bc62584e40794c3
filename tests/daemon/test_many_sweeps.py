"""Passes over many sweeps: those behind are left out, and the same runs start as if every sweep were looked at."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import pytest

from overnight.clock import SystemClock
from overnight.daemon import devices, placing
from overnight.daemon.placing import place_runs
from overnight.daemon.world import Place, World
from overnight.domain.plan import CampaignPlan, Need, SweepPlan
from overnight.store import campaigns
from overnight.store.base import SYSTEM, Session
from overnight.store.sqlite import SqliteStore
from overnight.targets.base import Offer

SLOTS = 3
GPUS = 2
ANY = Need(gpus=0, slots=0)
NEEDS = (Need(), Need(slots=2), Need(gpus=1, slots=0), Need(gpus=1, slots=0, devices=(1,)), ANY)
CONFIG = '{"command":["/bin/true"],"env":{},"outputs":[],"parameters":{}}'


class _UndoError(Exception):
    """Takes a pass back."""


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    store = SqliteStore(str(tmp_path / "record.db"), SystemClock())
    slots = [Offer(f"here/slot{it}", "slot", it, None, "slot", 0, None, None) for it in range(SLOTS)]
    gpus = [Offer(f"here/gpu{it}", "gpu", it, f"GPU-{it}", "A", 80_000, None, None, used_mib=1) for it in range(GPUS)]
    store.write(SYSTEM, lambda session: devices.note(session, "here", [*slots, *gpus]))
    yield store
    store.close()


def fill(session: Session, rng: Random, number: int) -> None:
    """Sweeps of a run or two, alone and in campaigns with bounds of their own."""
    made = [
        campaigns.submit(session, CampaignPlan(f"c{it}", (), parallel=it), campaigns.Submission("", "/c", {}), "c", rng)
        for it in (1, 2)
    ]
    for it in range(number):
        plan = SweepPlan(f"s{it}", (), "/tmp", need=rng.choice(NEEDS), priority=rng.choice((0, 0, 0, 5)))
        plan = replace(plan, capacity=plan.need == ANY and rng.random() < 0.5, parallel=rng.choice((None, 1)))
        home = rng.choice((None, None, *made))
        sweep = campaigns.insert_sweep(session, home, plan, rng)
        runs = [(f"{rng.getrandbits(48):012x}", f"r{it}", CONFIG) for _ in range(rng.randint(1, 2))]
        campaigns.insert_runs(session, home, sweep, runs, state="queued")


def started(store: SqliteStore) -> set[str]:
    """The runs that a pass starts; it is taken back."""
    place = Place(None, None, Path("/runs"), None)  # type: ignore[arg-type]
    world = World(store, {"here": place}, SystemClock(), Random(0), {"here"})
    found: set[str] = set()

    def work(session: Session) -> None:
        found.update(it.run for it in place_runs(session, world))
        raise _UndoError

    with pytest.raises(_UndoError):
        store.write(SYSTEM, work)
    return found


@pytest.mark.parametrize("seed", range(8))
def test_the_same_runs_start_whether_all_sweeps_are_looked_at_or_those_ahead(
    store: SqliteStore, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    store.write(SYSTEM, lambda session: fill(session, Random(seed), 120))
    with monkeypatch.context() as patched:
        patched.setattr(placing, "MANY", 1_000)
        every = started(store)
    assert len(every) > SLOTS
    assert started(store) == every


def test_a_pass_looks_at_few_of_many_sweeps_that_ask_for_the_same(
    store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def add(session: Session) -> None:
        for it in range(300):
            sweep = campaigns.insert_sweep(session, None, SweepPlan(f"s{it}", (), f"/{it}"), Random(it))
            campaigns.insert_runs(session, None, sweep, [(f"{it:012x}", "r", CONFIG)], state="queued")

    store.write(SYSTEM, add)
    looked: list[str] = []
    rows = Session.rows

    def counted(self: Session, query: str, /, **arguments: Any) -> Any:
        looked.append(query)
        return rows(self, query, **arguments)

    monkeypatch.setattr(Session, "rows", counted)
    assert len(started(store)) == SLOTS
    assert looked.count("runs_queued_head") == SLOTS + GPUS
