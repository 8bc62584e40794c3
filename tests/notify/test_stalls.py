"""A machine that does nothing although there is work is told once; one that is paused or waits its turn is not."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from overnight.daemon.stalls import STALLED_SECONDS, Stalls
from overnight.domain.states import CAMPAIGN_GATE, SWEEP_GATE
from overnight.store import alerts
from overnight.store.base import SYSTEM, Session, Store
from overnight.store.moves import move, move_runs
from overnight.store.sqlite import SqliteStore
from overnight.testing.clock import FakeClock
from overnight.testing.specimens import Specimen, claim, stored


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    made = SqliteStore(str(tmp_path / "record.db"), FakeClock())
    yield made
    made.close()


def told(store: Store) -> list[tuple[str, str]]:
    found = store.read(lambda session: alerts.listed(session, None, 2**62, 100))
    return [(it.kind, it.detail.split(";")[0]) for it in found]


def look(store: Store, stalls: Stalls, *moments: float) -> None:
    for moment in moments:
        store.write(SYSTEM, lambda session, moment=moment: stalls.look(session, moment))  # type: ignore[misc]


def test_a_campaign_that_waits_while_nothing_runs_is_told_once(store: Store) -> None:
    stored(store, 3)
    stalls = Stalls()
    look(store, stalls, 0.0, STALLED_SECONDS - 1)
    assert told(store) == []
    look(store, stalls, STALLED_SECONDS, STALLED_SECONDS * 2, STALLED_SECONDS * 9)
    assert told(store) == [("stalled", "3 queued")]


def test_the_time_starts_anew_when_something_ran(store: Store) -> None:
    made = stored(store, 3)
    stalls = Stalls()
    look(store, stalls, 0.0)
    store.write(SYSTEM, lambda session: claim(session, made.runs[0]))
    look(store, stalls, STALLED_SECONDS)
    assert told(store) == []


def paused(session: Session, made: Specimen) -> object:
    return move(session, CAMPAIGN_GATE, made.campaign, "pause")


def sweep_paused(session: Session, made: Specimen) -> object:
    return move(session, SWEEP_GATE, made.sweep, "pause")


def cancelled(session: Session, made: Specimen) -> object:
    return move_runs(session, made.runs, "cancel", subject=made.sweep)


@pytest.mark.parametrize("change", [paused, sweep_paused, cancelled])
def test_what_a_person_stopped_is_not_stalled(store: Store, change: Callable[[Session, Specimen], object]) -> None:
    made = stored(store, 2, seed=random.Random(1).getrandbits(30))
    store.write(SYSTEM, lambda session: change(session, made))
    look(store, Stalls(), 0.0, STALLED_SECONDS * 2)
    assert told(store) == []
