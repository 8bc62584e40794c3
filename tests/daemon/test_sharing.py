"""From the record to shared GPUs: which runs are put together, marked, and kept apart again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import pytest

from overnight.clock import SystemClock
from overnight.daemon import devices
from overnight.daemon.placing import place_runs
from overnight.daemon.world import Place, World
from overnight.domain.plan import CampaignPlan, CellPlan, Need, Retry, SweepPlan
from overnight.domain.reasons import Mark, Reason
from overnight.domain.states import RUN
from overnight.store import campaigns, families, runs
from overnight.store.base import SYSTEM, Session
from overnight.store.moves import move, move_runs
from overnight.store.sqlite import SqliteStore
from overnight.store.verify import verify
from overnight.targets.base import Offer

GPU = Offer("here/GPU-a", "gpu", 0, "GPU-a", "H100", 80_000, None, None, used_mib=1)
OTHER = replace(GPU, id="here/GPU-b", position=1, uuid="GPU-b")
SHARED = Need(gpus=1, share=3)


class Desk:
    """A record, two GPUs, and the pass that gives them away."""

    def __init__(self, store: SqliteStore) -> None:
        self.store = store
        place = Place(None, None, Path("/runs"), None)  # type: ignore[arg-type]
        self.world = World(store, {"here": place}, SystemClock(), Random(0))
        self.world.reachable.add("here")
        self.number = 0
        self.note(GPU)

    def note(self, *offers: Offer) -> None:
        self.store.write(SYSTEM, lambda session: devices.note(session, "here", offers))

    def submit(self, need: Need = SHARED, runs_: int = 4, **settings: Any) -> list[str]:
        self.number += 1
        name = f"c{self.number}"
        cells = tuple(CellPlan(f"{name}-{n}", {"seed": n}, "train") for n in range(runs_))
        sweep = replace(SweepPlan("s", cells, "/", need=need, retry=Retry(3)), **settings)
        plan = CampaignPlan(name, (sweep,))
        submission = campaigns.Submission("", "/c.yaml", {})

        def work(session: Session) -> list[str]:
            made = campaigns.submit(session, plan, submission, name, Random(name))
            return [row[0] for row in session.rows("runs_of_campaign", campaign_id=made, after=0, limit=100)]

        return self.store.write(SYSTEM, work)

    def know(self, run: str, mib: int) -> None:
        """Runs like this one were seen to use so much."""

        def work(session: Session) -> None:
            family = families._family(session, run, "H100")
            session.rows("family_put", family=family, mib=mib, now=session.now)

        self.store.write(SYSTEM, work)

    def place(self) -> dict[str, list[str]]:
        """Run -> devices that it was given now."""
        claimed = self.store.write(SYSTEM, lambda session: place_runs(session, self.world))
        return {it.run: [device.id for device in it.devices] for it in claimed}

    def end(self, run: str, reason: Reason, then: str) -> None:
        def work(session: Session) -> None:
            attempt = runs.attempts(session, run)[-1]
            runs.end_attempt(session, attempt, "exit", {"reason": reason, "detail": "", "code": 1})
            assert move(session, RUN, run, then, fence=attempt.fence, attempt=attempt.id, reason=reason)

        self.store.write(SYSTEM, work)

    def packed(self, ids: Sequence[str]) -> dict[str, str]:
        """Run -> what its mark says."""
        read = self.store.read
        found = {run: read(lambda session, run=run: session.rows("marks_of_run", run_id=run)) for run in ids}  # type: ignore[misc]
        return {run: row[2] for run, rows in found.items() for row in rows if row[1] == Mark.PACKED}


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    store = SqliteStore(str(tmp_path / "overnight.db"), SystemClock())
    yield Desk(store)
    assert verify(store).violations == ()
    store.close()


def test_a_family_of_which_nothing_is_known_goes_one_by_one(desk: Desk) -> None:
    first, *_ = desk.submit()
    assert desk.place() == {first: [GPU.id]}
    assert desk.place() == {}
    assert desk.packed([first]) == {}


def test_known_runs_are_put_together_as_far_as_memory_goes_and_marked(desk: Desk) -> None:
    ids = desk.submit()
    desk.know(ids[0], 36_000)
    assert desk.place() == {run: [GPU.id] for run in ids[:2]}
    assert desk.packed(ids) == {
        ids[0]: f"shares {GPU.id} with {ids[1]}.1",
        ids[1]: f"shares {GPU.id} with {ids[0]}.1",
    }
    assert desk.place() == {}


def test_a_later_pass_puts_runs_beside_those_that_are_there_as_far_as_all_bear_it(desk: Desk) -> None:
    ids = desk.submit(runs_=2)
    desk.know(ids[0], 10_000)
    assert len(desk.place()) == 2
    others = desk.submit(Need(gpus=1, share=4), runs_=2)
    desk.know(others[0], 1_000)
    assert desk.place() == {others[0]: [GPU.id]}
    assert desk.packed(others[:1]) == {others[0]: f"shares {GPU.id} with {ids[0]}.1, {ids[1]}.1"}


def test_an_empty_gpu_goes_first(desk: Desk) -> None:
    desk.note(GPU, OTHER)
    ids = desk.submit(runs_=3)
    desk.know(ids[0], 10_000)
    assert list(desk.place().values()) == [[GPU.id], [OTHER.id], [GPU.id]]


def test_a_part_that_is_free_again_is_given_again(desk: Desk) -> None:
    ids = desk.submit(runs_=3)
    desk.know(ids[0], 36_000)
    desk.place()
    desk.end(ids[0], Reason.OK, "succeed")
    desk.note(replace(GPU, used_mib=36_000, ours={f"{ids[1]}.1": 36_000}))
    assert desk.place() == {ids[2]: [GPU.id]}
    assert desk.packed(ids[2:]) == {ids[2]: f"shares {GPU.id} with {ids[1]}.1"}


def test_memory_that_is_not_back_is_not_given_though_nobody_promised_it(desk: Desk) -> None:
    ids = desk.submit(runs_=3)
    desk.know(ids[0], 36_000)
    desk.place()
    desk.end(ids[0], Reason.OK, "succeed")
    desk.note(replace(GPU, used_mib=60_000, ours={f"{ids[1]}.1": 36_000}))
    assert desk.place() == {}


def test_a_gpu_whose_sharers_have_all_ended_gets_nobody_before_it_is_clean(desk: Desk) -> None:
    ids = desk.submit(runs_=3)
    desk.know(ids[0], 36_000)
    desk.place()
    for run in ids[:2]:
        desk.end(run, Reason.OK, "succeed")
    assert desk.place() == {}
    desk.note(GPU)
    assert desk.place() == {ids[2]: [GPU.id]}


def test_a_run_that_wants_its_gpu_alone_neither_joins_nor_is_joined(desk: Desk) -> None:
    (alone,) = desk.submit(Need(gpus=1), runs_=1)
    sharing = desk.submit(runs_=1)
    desk.know(sharing[0], 1_000)
    assert desk.place() == {alone: [GPU.id]}
    desk.note(GPU, OTHER)
    assert desk.place() == {sharing[0]: [OTHER.id]}
    desk.submit(Need(gpus=1), runs_=1)
    assert desk.place() == {}


def test_a_run_that_lacked_memory_beside_others_goes_on_alone(desk: Desk) -> None:
    ids = desk.submit(runs_=4)
    desk.know(ids[0], 20_000)
    assert len(desk.place()) == 3
    desk.end(ids[0], Reason.NEIGHBOUR_OOM, "requeue")
    desk.note(replace(GPU, used_mib=40_000, ours={f"{run}.1": 20_000 for run in ids[1:3]}))
    assert desk.place() == {}
    desk.end(ids[1], Reason.OK, "succeed")
    desk.end(ids[2], Reason.OK, "succeed")
    desk.note(GPU)
    assert desk.place() == {ids[0]: [GPU.id]}
    assert desk.place() == {}


def test_a_run_is_sent_elsewhere_when_it_lacked_memory_on_a_device(desk: Desk) -> None:
    desk.note(GPU, OTHER)
    (run,) = desk.submit(Need(gpus=1), runs_=1)
    hint = {"id": run, "hint": f'{{"avoid":["{GPU.id}"]}}'}
    desk.store.write(SYSTEM, lambda s: s.connection.execute("UPDATE runs SET hint = :hint WHERE id = :id", hint))
    assert desk.place() == {run: [OTHER.id]}


def test_runs_that_take_no_device_start_within_their_bound_though_no_device_is_free(desk: Desk) -> None:
    desk.submit(Need(gpus=1), runs_=1)
    desk.place()
    ids = desk.submit(Need(slots=0), runs_=5, parallel=3)
    assert desk.place() == {run: [] for run in ids[:3]}
    (lonely, _) = desk.submit(Need(slots=0), runs_=2)
    assert desk.place() == {lonely: []}
    assert desk.place() == {}
    desk.end(lonely, Reason.OK, "succeed")
    assert len(desk.place()) == 1


def test_a_sweep_for_another_target_is_not_offered_here(desk: Desk) -> None:
    desk.submit(Need(gpus=1), targets=("box",))
    assert desk.place() == {}


def test_an_old_run_that_wants_its_gpu_alone_stops_others_from_joining(desk: Desk) -> None:
    """It is looked at although no GPU is free for it."""
    sharing = desk.submit(runs_=3)
    desk.know(sharing[0], 1_000)
    desk.store.write(SYSTEM, lambda s: move_runs(s, sharing[1:], "cancel", subject=sharing[1]))
    desk.place()
    old = desk.submit(Need(gpus=1), runs_=1)
    younger = desk.submit(runs_=1)
    desk.know(younger[0], 1_000)
    desk.store.write(
        SYSTEM, lambda s: s.connection.execute("UPDATE runs SET created_at = 0 WHERE id = :id", {"id": old[0]})
    )
    assert desk.place() == {}
    desk.end(sharing[0], Reason.OK, "succeed")
    desk.note(GPU)
    assert desk.place() == {old[0]: [GPU.id]}
