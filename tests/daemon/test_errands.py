"""Errands: in the order of their line, each once, and no defect or silence of a host is the loop's."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from overnight.daemon.errands import Done, Key, ThreadedErrands
from overnight.domain.errors import StoreUnavailable, Unavailable

PATIENCE = 10.0
"""Seconds that a test waits for a thread."""


class Road:
    """Errands of a test, and what has come back of them."""

    def __init__(self) -> None:
        self.back = threading.Semaphore(0)
        self.errands = ThreadedErrands(self._came_back)

    def _came_back(self) -> None:
        self.back.release()

    def came(self, number: int) -> list[Done]:
        """Wait for so many."""
        for _ in range(number):
            assert self.back.acquire(timeout=PATIENCE)
        return list(self.errands.take())


def key(name: str) -> Key:
    return ("test", name)


def refuse(error: BaseException) -> Any:
    raise error


def test_what_is_near_is_there_at_once() -> None:
    road = Road()
    assert road.errands.send("here", key("a"), lambda: 7, near=True)
    assert road.errands.take() == [Done(key("a"), 7)]


def test_a_line_keeps_its_order_and_holds_no_other_up() -> None:
    road, gate = Road(), threading.Event()
    road.errands.send("slow", key("first"), lambda: gate.wait(PATIENCE))
    road.errands.send("slow", key("second"), gate.is_set)
    road.errands.send("quick", key("other"), gate.is_set)
    assert road.came(1) == [Done(key("other"), value=False)]
    gate.set()
    assert [it.key for it in road.came(2)] == [key("first"), key("second")]


def test_of_one_key_one_is_under_way_until_it_is_taken() -> None:
    road = Road()
    assert road.errands.send("box", key("a"), lambda: 1)
    assert road.back.acquire(timeout=PATIENCE)
    assert not road.errands.send("box", key("a"), lambda: 2)
    assert road.errands.under_way("test") == {key("a")}
    assert [it.value for it in road.errands.take()] == [1]
    assert road.errands.send("box", key("a"), lambda: 3)
    assert [it.value for it in road.came(1)] == [3]


@pytest.mark.parametrize("error", [Unavailable("away"), StoreUnavailable("full"), KeyError("odd")])
def test_whatever_goes_wrong_afar_is_no_answer(error: Exception) -> None:
    road = Road()
    road.errands.send("box", key("a"), lambda: refuse(error))
    (done,) = road.came(1)
    assert done.value is None
    assert isinstance(done.error, Unavailable)


def test_a_defect_here_is_not_hidden_and_may_be_tried_again() -> None:
    road = Road()
    with pytest.raises(KeyError):
        road.errands.send("here", key("a"), lambda: refuse(KeyError("ours")), near=True)
    assert road.errands.send("here", key("a"), lambda: 1, near=True)
    road.errands.send("here", key("b"), lambda: refuse(Unavailable("the driver hangs")), near=True)
    assert [str(it.error) for it in road.errands.take()] == ["None", "the driver hangs"]
