"""What is learnt of device memory, and of whom."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import pytest

from overnight.clock import SystemClock
from overnight.daemon import devices
from overnight.domain.plan import CampaignPlan, CellPlan, Need, Retry, Smaller, SweepPlan
from overnight.domain.reasons import Mark, Reason
from overnight.store import campaigns, families, runs
from overnight.store.base import SYSTEM, Session
from overnight.store.marks import mark
from overnight.store.sqlite import SqliteStore
from overnight.targets.base import Offer

SMALL = Offer("here/GPU-a", "gpu", 0, "GPU-a", "L4", 24_000, None, None)
LARGE = replace(SMALL, id="here/GPU-b", position=1, uuid="GPU-b", name="H100", memory_mib=80_000)
TWIN = replace(SMALL, id="here/GPU-c", position=2, uuid="GPU-c", memory_mib=22_000)
SLOT = Offer("here/slot0", "slot", 0, None, "CPU slot 0", 0, None, None)


def cell(name: str, **changes: Any) -> CellPlan:
    return replace(CellPlan(name, {"width": 1, "seed": 0}, "train"), **changes)


CELLS = (
    cell("first"),
    cell("other seed", parameters={"width": 1, "seed": 1}),
    cell("other width", parameters={"width": 2, "seed": 0}),
    cell("bare", parameters={}),
    cell("bare too", parameters={}, command="evaluate"),
    cell("smaller", smaller=(Smaller({"width": 2}, "train"),)),
)


class Learner:
    """A record with a few runs, and what becomes of them."""

    def __init__(self, store: SqliteStore) -> None:
        self.store = store
        store.write(SYSTEM, lambda session: devices.note(session, "here", [SMALL, LARGE, TWIN, SLOT]))

    def submit(self, campaign: str = "c", sweep: str = "s") -> dict[str, str]:
        """Run ids by name."""
        plan = CampaignPlan(campaign, (SweepPlan(sweep, CELLS, "/", need=Need(gpus=1), retry=Retry(5)),))
        submission = campaigns.Submission("", "/c.yaml", {})

        def work(session: Session) -> dict[str, str]:
            made = campaigns.submit(session, plan, submission, campaign, Random(f"{campaign} {sweep}"))
            found = session.rows("runs_of_campaign", campaign_id=made, after=0, limit=100)
            return {row[4]: row[0] for row in found}

        return self.store.write(SYSTEM, work)

    def ended(self, run: str, reason: Reason, mib: int | None, *on: Offer, packed: bool = False) -> None:
        """An attempt that was seen to use so much of each of its GPUs ends."""

        def work(session: Session) -> None:
            number = runs.get(session, run).attempts + 1
            given = [it.id for it in on or (SMALL,)]
            runs.claim(session, run, number, target="here", folder="/f", devices=given)
            attempt = runs.get_attempt(session, f"{run}.{number}")
            assert attempt is not None
            for device in given if mib else ():
                families.seen_using(session, attempt.id, device, mib or 0, None)
            if packed:
                mark(session, attempt.id, run, Mark.PACKED, "shares")
            runs.end_attempt(session, attempt, "exit", {"reason": reason, "detail": "", "code": 1})
            runs.release_leases(session, attempt)
            families.learn(session, attempt, reason)
            session.connection.execute("UPDATE runs SET state = 'queued' WHERE id = :id", {"id": run})

        self.store.write(SYSTEM, work)

    def known(self, run: str, *models: str) -> dict[str, int]:
        return self.store.read(lambda session: families.known_peaks(session, run, models or ("L4",)))


@pytest.fixture
def learner(tmp_path: Path) -> Iterator[Learner]:
    store = SqliteStore(str(tmp_path / "overnight.db"), SystemClock())
    yield Learner(store)
    store.close()


def test_a_good_end_tells_what_runs_of_its_family_use_on_that_model(learner: Learner) -> None:
    ids = learner.submit()
    learner.ended(ids["first"], Reason.OK, 9_000)
    assert learner.known(ids["first"], "H100", "L4") == {"L4": 9_000}
    assert learner.known(ids["other seed"]) == {"L4": 9_000}
    assert learner.known(ids["other width"]) == {}


def test_the_most_ever_seen_counts(learner: Learner) -> None:
    ids = learner.submit()
    for mib, known in ((9_000, 9_000), (12_000, 12_000), (3_000, 12_000)):
        learner.ended(ids["first"], Reason.OK, mib)
        assert learner.known(ids["first"]) == {"L4": known}


def test_the_next_campaign_of_the_name_knows_it_and_others_do_not(learner: Learner) -> None:
    ids = learner.submit()
    learner.ended(ids["first"], Reason.OK, 9_000)
    assert learner.known(learner.submit("d")["first"]) == {}
    assert learner.known(learner.submit("c", "t")["first"]) == {}


def test_runs_without_parameters_are_told_apart_by_their_commands(learner: Learner) -> None:
    ids = learner.submit()
    learner.ended(ids["bare"], Reason.OK, 9_000)
    assert learner.known(ids["bare"]) == {"L4": 9_000}
    assert learner.known(ids["bare too"]) == {}


def test_a_smaller_setting_is_another_family(learner: Learner) -> None:
    ids = learner.submit()
    learner.ended(ids["other width"], Reason.OK, 9_000)
    assert learner.known(ids["smaller"]) == {}
    learner.store.write(SYSTEM, lambda s: s.connection.execute("UPDATE runs SET rung = 1"))
    assert learner.known(ids["smaller"]) == {"L4": 9_000}


def test_a_run_that_was_never_seen_using_anything_tells_nothing(learner: Learner) -> None:
    ids = learner.submit()
    learner.ended(ids["first"], Reason.OK, None)
    assert learner.known(ids["first"]) == {}


@pytest.mark.parametrize("reason", [Reason.NONZERO_EXIT, Reason.CANCELLED, Reason.INTERRUPTED, Reason.HOST_OOM])
def test_ends_that_may_have_come_too_early_tell_nothing(learner: Learner, reason: Reason) -> None:
    ids = learner.submit()
    learner.ended(ids["first"], reason, 9_000)
    assert learner.known(ids["first"]) == {}


def test_a_lack_of_memory_on_a_gpu_of_its_own_tells_that_all_of_it_was_too_little(learner: Learner) -> None:
    ids = learner.submit()
    learner.ended(ids["first"], Reason.VRAM_OOM, 9_000)
    assert learner.known(ids["first"]) == {"L4": 24_000}
    learner.ended(ids["other width"], Reason.VRAM_OOM, None, SMALL, TWIN)
    assert learner.known(ids["other width"]) == {"L4": 22_000}


@pytest.mark.parametrize("reason", [Reason.VRAM_OOM, Reason.NEIGHBOUR_OOM])
def test_a_lack_of_memory_beside_others_tells_only_what_was_used_until_then(learner: Learner, reason: Reason) -> None:
    ids = learner.submit()
    learner.ended(ids["first"], reason, 9_000, packed=True)
    assert learner.known(ids["first"]) == {"L4": 9_000}


def test_each_model_learns_for_itself(learner: Learner) -> None:
    ids = learner.submit()
    learner.ended(ids["first"], Reason.OK, 9_000, LARGE)
    assert learner.known(ids["first"], "L4", "H100") == {"H100": 9_000}
    learner.ended(ids["first"], Reason.OK, 5_000, LARGE, SMALL)
    assert learner.known(ids["first"], "L4", "H100") == {"H100": 9_000, "L4": 5_000}


def test_runs_without_a_gpu_tell_nothing(learner: Learner) -> None:
    ids = learner.submit()
    learner.ended(ids["first"], Reason.OK, None, SLOT)
    assert learner.store.read(lambda session: session.rows("family_peak", family="x")) == []
    assert learner.known(ids["first"]) == {}


def test_names_that_are_no_proper_text_make_a_family_too() -> None:
    assert len(families.family_of("c", "s", {"a": "\udcff"}, "L4")) == 64
