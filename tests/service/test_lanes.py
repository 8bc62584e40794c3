"""What a barrier waits for, on the record."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from overnight.daemon import devices
from overnight.domain.plan import CellPlan, Need
from overnight.domain.states import RUN
from overnight.service import consequences
from overnight.service.consequences import EndedRun
from overnight.service.lanes import hold_of
from overnight.store import campaigns, marks, runs
from overnight.store.base import SYSTEM, Session
from overnight.store.moves import move
from overnight.targets.base import Offer
from tests.daemon.stage import Stage

GPU = Offer("here/GPU-a", "gpu", 0, "GPU-a", "H100", 80_000, None, None)
SLOT = Offer("here/slot0", "slot", 0, None, "CPU slot 0", 0, None, None)


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    made = Stage(tmp_path)
    yield made
    made.store.close()


def cell(name: str) -> CellPlan:
    return CellPlan(name, {}, "true")


def hold(stage: Stage, campaign: str, name: str) -> str | None:
    def read(session: Session) -> str | None:
        sweep = next(it for it in campaigns.sweeps_of(session, campaign) if it.name == name)
        return hold_of(session, sweep, marks.holds(session))

    return stage.store.read(read)


def note(stage: Stage, *offers: Offer) -> None:
    stage.store.write(SYSTEM, lambda session: devices.note(session, "here", offers))


def run(stage: Stage, name: str, device: str) -> None:
    """A run starts on a device and ends; its lease stays."""
    found = stage.runs()[name]

    def work(session: Session) -> None:
        fence = runs.claim(session, found.id, 1, target="here", folder=f"/r/{found.id}", devices=[device])
        attempt = runs.get_attempt(session, f"{found.id}.1")
        assert attempt is not None
        assert runs.end_attempt(session, attempt, "exit", {"reason": "nonzero_exit", "code": 1})
        assert move(session, RUN, found.id, "fail", fence=fence, attempt=attempt.id)
        consequences.follow(session, [EndedRun(found.id, found.sweep_id, found.campaign_id, "failed")])

    stage.store.write(SYSTEM, work)


def give_back(stage: Stage, name: str) -> None:
    attempt = stage.store.read(lambda session: runs.get_attempt(session, f"{stage.runs()[name].id}.1"))
    assert attempt is not None
    stage.store.write(SYSTEM, lambda session: runs.release_leases(session, attempt))


def test_a_barrier_opens_when_the_phases_before_are_over_and_have_left_their_devices(stage: Stage) -> None:
    campaign = stage.submit(stage.sweep("one", cell("a")), stage.sweep("two", cell("b"), barrier=True))
    note(stage, SLOT)
    assert hold(stage, campaign, "two") == "its barrier waits for one (1 run not over)"
    run(stage, "a", SLOT.id)
    assert "gone from here/slot0" in (hold(stage, campaign, "two") or "")
    give_back(stage, "a")
    assert hold(stage, campaign, "two") is None


def test_phases_after_it_and_other_campaigns_do_not_shut_a_barrier(stage: Stage) -> None:
    stage.submit(stage.sweep("zero", cell("z")), name="other")
    campaign = stage.submit(stage.sweep("one", cell("a"), barrier=True), stage.sweep("two", cell("b")))
    assert hold(stage, campaign, "one") is None


def test_sweeps_of_one_phase_pass_its_barrier_together(stage: Stage) -> None:
    parts = [stage.sweep(name, cell(name), barrier=True, phase="wave") for name in ("wave", "wave~2")]
    campaign = stage.submit(stage.sweep("one", cell("a")), *parts)
    assert hold(stage, campaign, "wave~2") == "its barrier waits for one (1 run not over)"
    note(stage, SLOT)
    run(stage, "a", SLOT.id)
    give_back(stage, "a")
    assert hold(stage, campaign, "wave") is None
    assert hold(stage, campaign, "wave~2") is None


def test_a_barrier_that_was_passed_stays_open(stage: Stage) -> None:
    note(stage, GPU)
    parts = [
        stage.sweep(name, cell(name), barrier=True, phase="wave", need=Need(gpus=1)) for name in ("wave", "wave~2")
    ]
    campaign = stage.submit(*parts)
    note(stage, replace(GPU, busy="pid 7"))
    assert "H100 0: pid 7" in (hold(stage, campaign, "wave") or "")
    note(stage, GPU)
    assert hold(stage, campaign, "wave") is None
    sweep = stage.runs()["wave"].sweep_id
    stage.store.write(SYSTEM, lambda session: session.rows("sweep_started", id=sweep, now=session.now))
    note(stage, replace(GPU, busy="our own job"))
    assert hold(stage, campaign, "wave") is None
    assert hold(stage, campaign, "wave~2") is None


def test_a_sweep_without_a_barrier_never_waits_for_others(stage: Stage) -> None:
    campaign = stage.submit(stage.sweep("one", cell("a")), stage.sweep("two", cell("b")))
    assert hold(stage, campaign, "two") is None
