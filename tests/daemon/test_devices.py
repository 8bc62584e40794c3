"""Devices on record: first sight, strangers, quarantine, and when a lease comes back."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import pytest

from overnight.clock import SystemClock
from overnight.daemon import devices
from overnight.daemon.world import World
from overnight.domain.plan import CellPlan, Need, SweepPlan
from overnight.domain.states import ATTEMPT
from overnight.store import campaigns, rows, runs
from overnight.store.base import SYSTEM, Change, Session
from overnight.store.moves import move
from overnight.store.sqlite import SqliteStore
from overnight.store.verify import verify
from overnight.targets.base import Offer

GPU = Offer("here/GPU-a", "gpu", 0, "GPU-a", "H100", 80_000, None, None)
OTHER = replace(GPU, id="here/GPU-b", position=1, uuid="GPU-b")
HALF = Need(gpus=1, share=2)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    made = SqliteStore(str(tmp_path / "overnight.db"), SystemClock())
    yield made
    assert verify(made).violations == ()
    made.close()


def note(store: SqliteStore, *offers: Offer) -> None:
    store.write(SYSTEM, lambda session: devices.note(session, "here", offers))


def free(store: SqliteStore) -> list[str]:
    """Devices that nobody holds and nobody else uses."""
    found = store.read(lambda s: s.rows("devices_free", target="here", seen_since=0.0))
    return [row[0] for row in found if row[5] is None]


def state(store: SqliteStore, device: str) -> tuple[str, str | None]:
    row = store.read(lambda session: session.row("device_get", id=device))
    return row[7], row[8]


def hold(store: SqliteStore, *held: str) -> None:
    """An attempt that has ended and still holds the devices."""

    def work(session: Session) -> None:
        single = campaigns.SingleRun(
            "r", CellPlan("r", {}, "true"), SweepPlan("alone", (), "/", need=Need(gpus=len(held)))
        )
        (run,) = campaigns.submit_single(session, [single], Random(0))
        fence = runs.claim(session, run, 1, target="here", folder="/f", devices=list(held))
        attempt = runs.get_attempt(session, f"{run}.1")
        assert attempt is not None
        assert attempt.fence == fence
        runs.end_attempt(session, attempt, "lose", {"reason": "interrupted", "detail": "gone"})
        assert not move(session, ATTEMPT, attempt.id, "exit", fence=fence)

    store.write(Change("tester"), work)


def test_a_device_is_on_record_once_it_was_seen_and_free_unless_strangers_use_it(store: SqliteStore) -> None:
    note(store, GPU, replace(OTHER, busy="pid 7 holds 40 GiB"))
    assert free(store) == [GPU.id]
    note(store, GPU, OTHER)
    assert free(store) == [GPU.id, OTHER.id]


def test_a_sick_device_is_quarantined_with_its_diagnosis_and_comes_back_when_it_is_well(store: SqliteStore) -> None:
    note(store, replace(GPU, fault="GPU is lost"))
    assert state(store, GPU.id) == ("quarantined", "GPU is lost")
    assert free(store) == []
    note(store, GPU)
    assert state(store, GPU.id) == ("healthy", None)
    assert free(store) == [GPU.id]


def test_a_device_that_the_driver_forgot_gets_nothing(store: SqliteStore) -> None:
    note(store, GPU, OTHER)
    note(store, GPU)
    assert state(store, OTHER.id) == ("quarantined", "the driver does not list it any more")
    assert free(store) == [GPU.id]


def test_a_gpu_comes_back_only_when_its_memory_does(store: SqliteStore) -> None:
    note(store, GPU)
    hold(store, GPU.id)
    note(store, replace(GPU, busy="900 MiB in use"))
    assert free(store) == []
    assert store.read(lambda s: s.rows("leases_live")) != []
    note(store, GPU)
    assert free(store) == [GPU.id]


def test_devices_of_one_attempt_come_back_together(store: SqliteStore) -> None:
    note(store, GPU, OTHER)
    hold(store, GPU.id, OTHER.id)
    note(store, GPU, replace(OTHER, busy="900 MiB in use"))
    assert free(store) == []
    note(store, GPU, OTHER)
    assert free(store) == [GPU.id, OTHER.id]


def test_a_lost_device_does_not_hold_its_sisters_back(store: SqliteStore) -> None:
    note(store, GPU, OTHER)
    hold(store, GPU.id, OTHER.id)
    note(store, GPU)
    assert free(store) == [GPU.id]
    assert store.read(lambda s: s.rows("leases_live")) == []


def live(store: SqliteStore, number: int, *held: str, need: Need = HALF) -> list[str]:
    """Attempts that live and hold the same devices."""

    def work(session: Session) -> list[str]:
        singles = [
            campaigns.SingleRun(f"r{place}", CellPlan(f"r{place}", {}, "true"), SweepPlan("alone", (), "/", need=need))
            for place in range(number)
        ]
        made = campaigns.submit_single(session, singles, Random(number))
        for part, run in enumerate(made):
            place: dict[str, Any] = {"devices": held, "part": part, "share": need.share}
            assert runs.claim(session, run, 1, target="here", folder="/f", **place)
        return [f"{run}.1" for run in made]

    return store.write(Change("tester"), work)


def end(store: SqliteStore, attempt_id: str) -> None:
    def work(session: Session) -> None:
        attempt = runs.get_attempt(session, attempt_id)
        assert attempt is not None
        runs.end_attempt(session, attempt, "exit", {"reason": "ok", "detail": "", "code": 0})

    store.write(SYSTEM, work)


def peaks(store: SqliteStore) -> dict[str, int]:
    return {row[1]: row[3] for row in store.read(lambda s: s.rows("peaks_held", target="here"))}


def use(store: SqliteStore) -> tuple[str | None, int | None, bool]:
    device = rows.device(store.read(lambda s: s.rows("device_get", id=GPU.id))[0])
    return device.busy, device.used_mib, device.strangers


def test_what_is_in_use_is_on_record(store: SqliteStore) -> None:
    note(store, replace(GPU, used_mib=700, busy="in use by pid 7, not ours", strangers=True))
    assert use(store) == ("in use by pid 7, not ours", 700, True)
    note(store, replace(GPU, used_mib=None))
    assert use(store) == (None, None, False)


def test_an_attempt_on_a_gpu_that_it_was_not_given_is_a_stranger_there(store: SqliteStore) -> None:
    note(store, GPU, OTHER)
    (attempt,) = live(store, 1, OTHER.id)
    note(store, replace(GPU, used_mib=40, ours={attempt: 40}), replace(OTHER, ours={attempt: 40}))
    assert use(store) == (f"in use by attempt {attempt}, which was not given it", 40, True)
    assert free(store) == []


def test_the_most_memory_of_an_attempt_is_kept_when_it_has_grown_enough(store: SqliteStore) -> None:
    note(store, GPU)
    (attempt,) = live(store, 1, GPU.id)
    for mib, kept in ((300, 300), (310, 300), (316, 316), (200, 316), (6_000, 6_000), (6_063, 6_000), (6_064, 6_064)):
        note(store, replace(GPU, used_mib=mib + 500, ours={attempt: mib}))
        assert peaks(store) == {attempt: kept}


def test_where_the_driver_does_not_say_who_uses_it_all_counts_for_the_one_that_holds_it(store: SqliteStore) -> None:
    note(store, GPU)
    (attempt,) = live(store, 1, GPU.id)
    note(store, replace(GPU, used_mib=900, ours={attempt: 0}))
    assert peaks(store) == {attempt: 900}
    note(store, replace(GPU, used_mib=9_000, busy="pid 7", strangers=True))
    assert peaks(store) == {attempt: 900}


def test_where_several_hold_it_and_the_driver_does_not_say_nothing_is_learnt(store: SqliteStore) -> None:
    note(store, GPU)
    first, second = live(store, 2, GPU.id)
    note(store, replace(GPU, used_mib=900, ours={first: 0, second: 0}))
    assert peaks(store) == {first: None, second: None}
    note(store, replace(GPU, used_mib=900, ours={first: 100, second: 700}))
    assert peaks(store) == {first: 100, second: 700}


def test_an_ended_attempt_leaves_a_gpu_at_once_that_others_of_ours_still_use(store: SqliteStore) -> None:
    note(store, GPU)
    first, second = live(store, 2, GPU.id)
    end(store, first)
    note(store, replace(GPU, used_mib=20_000, ours={second: 15_000}))
    assert peaks(store) == {second: 15_000}
    end(store, second)
    note(store, replace(GPU, used_mib=20_000, busy="20000 MiB are in use"))
    assert peaks(store) == {second: 15_000}
    note(store, GPU)
    assert peaks(store) == {}


def test_a_gpu_whose_sharers_have_all_ended_waits_until_it_is_clean(store: SqliteStore) -> None:
    note(store, GPU)
    for attempt in (both := live(store, 2, GPU.id)):
        end(store, attempt)
    note(store, replace(GPU, busy="900 MiB are in use"))
    assert peaks(store).keys() == set(both)
    note(store, GPU)
    assert free(store) == [GPU.id]


def test_a_gpu_is_clean_below_the_threshold_of_the_run_that_left_it(store: SqliteStore) -> None:
    """Else a desktop's memory would hold it for ever, though the campaign said that it does not matter."""
    note(store, GPU)
    (attempt,) = live(store, 1, GPU.id, need=Need(gpus=1, free_below_mib=1_000))
    end(store, attempt)
    desktop = replace(GPU, used_mib=900, busy="900 MiB are in use")
    for unclean in ({"used_mib": 1_000}, {"strangers": True}, {"ours": {attempt: 0}}, {"used_mib": None}):
        note(store, replace(desktop, **unclean))
        assert peaks(store) == {attempt: None}
    note(store, desktop)
    assert peaks(store) == {}


def test_gpus_are_looked_at_more_often_while_one_is_to_come_back_or_runs_that_share_are_on_one(
    store: SqliteStore,
) -> None:
    world = World(store, {"here": None}, SystemClock(), Random(0))  # type: ignore[dict-item]

    def interval() -> float:
        return devices.interval(world, "here", [GPU])

    note(store, GPU, OTHER)
    assert interval() == devices.GPU_SECONDS
    live(store, 1, OTHER.id, need=Need(gpus=1))
    assert interval() == devices.GPU_SECONDS
    sharing, _ = live(store, 2, GPU.id)
    assert interval() == devices.LEARNING_SECONDS
    end(store, sharing)
    assert interval() == devices.SETTLING_SECONDS
    assert devices.interval(world, "here", []) == devices.SLOT_SECONDS
    assert devices.interval(world, "here", None) == devices.GPU_SECONDS
