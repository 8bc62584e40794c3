"""Devices on record: first sight, strangers, quarantine, and when a lease comes back."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest

from overnight.clock import SystemClock
from overnight.daemon import devices
from overnight.domain.plan import CellPlan, Need, SweepPlan
from overnight.domain.states import ATTEMPT
from overnight.store import campaigns, runs
from overnight.store.base import SYSTEM, Change, Session
from overnight.store.moves import move
from overnight.store.sqlite import SqliteStore
from overnight.store.verify import verify
from overnight.targets.base import Offer

GPU = Offer("here/GPU-a", "gpu", 0, "GPU-a", "H100", 80_000, None, None)
OTHER = replace(GPU, id="here/GPU-b", position=1, uuid="GPU-b")


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
