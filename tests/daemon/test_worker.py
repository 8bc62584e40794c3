"""Threads beside the loop: woken, never lost, and bounded at the end."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from overnight.clock import SystemClock
from overnight.daemon import worker as module
from overnight.daemon.worker import Worker
from overnight.domain.errors import StoreUnavailable
from overnight.store.base import Store
from overnight.store.sqlite import SqliteStore

PATIENCE = 20.0


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SPACING_SECONDS", "UNAVAILABLE_SECONDS", "DEFECT_SECONDS"):
        monkeypatch.setattr(module, name, 0.01)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    made = SqliteStore(str(tmp_path / "record.db"), SystemClock())
    yield made
    made.close()


class Turns:
    """Takes note of every turn and does what it is told in it."""

    def __init__(self, *acts: Callable[[], float | None]) -> None:
        self.taken: queue.Queue[int] = queue.Queue()
        self._acts = list(acts)
        self._number = 0

    def __call__(self) -> float | None:
        self._number += 1
        self.taken.put(self._number)
        return self._acts.pop(0)() if self._acts else None

    def wait_for(self, number: int) -> None:
        while self.taken.get(timeout=PATIENCE) < number:
            pass


def failing(error: Exception) -> Callable[[], float | None]:
    def act() -> float | None:
        raise error

    return act


def test_a_turn_is_taken_at_the_start_when_its_time_comes_and_when_it_is_woken(store: Store) -> None:
    turns = Turns(lambda: 0.01)
    it = Worker("test", store, turns)
    it.start()
    turns.wait_for(2)
    it.wake()
    turns.wait_for(3)
    it.stop(PATIENCE)


def test_news_during_a_turn_leads_to_another_one(store: Store) -> None:
    def woken() -> None:
        it.wake()

    turns = Turns(woken)
    it = Worker("test", store, turns)
    it.start()
    turns.wait_for(2)
    it.stop(PATIENCE)


def test_a_record_that_cannot_be_used_now_is_tried_again(store: Store) -> None:
    turns = Turns(failing(StoreUnavailable("the disk is full")))
    it = Worker("test", store, turns)
    it.start()
    turns.wait_for(2)
    it.stop(PATIENCE)


def test_a_defect_is_told_and_ends_nothing(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    told: queue.Queue[threading.ExceptHookArgs] = queue.Queue()
    monkeypatch.setattr(threading, "excepthook", told.put)
    turns = Turns(failing(ZeroDivisionError("ours")))
    it = Worker("test", store, turns)
    it.start()
    turns.wait_for(2)
    it.stop(PATIENCE)
    assert str(told.get_nowait().exc_value) == "ours"


def test_its_last_turn_is_taken_once_at_the_end(store: Store) -> None:
    last: list[str] = []
    it = Worker("test", store, Turns(), lambda: last.append("told"))
    it.start()
    it.stop(PATIENCE)
    it.stop(PATIENCE)
    assert last == ["told"]


def test_an_end_waits_no_longer_than_it_was_told_and_hears_nothing_after(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[object] = []
    monkeypatch.setattr(threading, "excepthook", told.append)
    inside, go_on, over = threading.Event(), threading.Event(), threading.Event()

    def stuck() -> float | None:
        inside.set()
        go_on.wait(PATIENCE)
        raise ZeroDivisionError

    it = Worker("test", store, Turns(stuck), over.set)
    it.start()
    assert inside.wait(PATIENCE)
    it.stop(0.0)
    assert not over.is_set()
    go_on.set()
    assert over.wait(PATIENCE)
    assert told == []


def test_one_that_was_never_started_can_be_stopped(store: Store) -> None:
    Worker("test", store, Turns()).stop(PATIENCE)
