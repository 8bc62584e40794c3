"""A runner that never stops talking, or talks nonsense of its leases, costs its own connection and no memory."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress

import pytest

from overnight.clock import SystemClock
from overnight.domain.errors import Unavailable
from overnight.targets import runner_target
from overnight.targets.keeper import Patience, Stream
from overnight.targets.runner_target import RunnerTarget

Said = tuple[str, Mapping[str, object]]
"""Kind and fields of an event."""


class Chatterbox:
    """A way to a runner that greets, and then says what it is told to."""

    def __init__(self, *said: Said) -> None:
        self.said = said

    def open(self) -> Stream:
        ours, theirs = socket.socketpair()
        threading.Thread(target=self._talk, args=(theirs,), daemon=True).start()
        return Stream(ours)

    def _talk(self, theirs: socket.socket) -> None:
        with suppress(OSError), theirs, theirs.makefile("r", encoding="ascii") as lines:
            for line in lines:
                asked = json.loads(line)
                events = [{**event, "event": kind} for kind, event in self.said] if asked["op"] == "owned" else []
                reply = {"id": asked["id"], "ok": True, "boot_id": "b", "highest_fence": 0, "attempts": {}}
                theirs.sendall("".join(json.dumps(message) + "\n" for message in [*events, reply]).encode())


@pytest.fixture
def made() -> Iterator[list[RunnerTarget]]:
    targets: list[RunnerTarget] = []
    yield targets
    for target in targets:
        target.close()


def talking(made: list[RunnerTarget], *said: Said) -> RunnerTarget:
    patience = Patience()
    way, clock = Chatterbox(*said), SystemClock()
    made.append(
        RunnerTarget("box", way, clock=clock, session=lambda floor: floor + 1, patience=patience, offers=lambda: [])
    )
    return made[-1]


def test_more_news_than_anybody_takes_ends_the_connection(
    made: list[RunnerTarget], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner_target, "MOST_NEWS", 50)
    flood = [("started", {"attempt": f"a{number}", "fence": 1}) for number in range(500)]
    target = talking(made, *flood)
    with suppress(Unavailable):
        target.owned()
    until = time.monotonic() + 10
    while target.generation < 2 and time.monotonic() < until:
        time.sleep(0.01)
    assert target.generation == 2
    assert len(target.news()) == 50


@pytest.mark.parametrize("name", [None, "5", [1] * 10_000, {"n": 1}, 2.5])
def test_a_beat_without_a_number_renews_nothing(made: list[RunnerTarget], name: object) -> None:
    target = talking(made, ("beat", {"n": name}))
    assert target.owned() == []
    assert target.renewed is None


def test_a_beat_with_a_number_renews(made: list[RunnerTarget]) -> None:
    target = talking(made, ("beat", {"n": 7}))
    assert target.owned() == []
    assert target.renewed is not None
