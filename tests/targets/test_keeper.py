"""Keeping a connection: when it is tried again, what is known meanwhile, and that nobody waits for long."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count

import pytest

from overnight.domain.errors import Unavailable
from overnight.targets import keeper as module
from overnight.targets import local
from overnight.targets.keeper import Keeper, Patience, Stream
from overnight.targets.status import Unreached, Why
from overnight.testing.clock import FakeClock

PATIENCE = Patience(silence=3600.0, first=1.0, longest=30.0, share=0.1)
CHANGED = Why("host_key_changed", "the key changed", "look")
CUT = Why("timed_out", "it was cut", "")


@dataclass
class Host:
    """A way to a runner that greets back, as long as nothing else is in `errors`."""

    errors: list[Exception] = field(default_factory=list)
    hello: dict[str, object] = field(default_factory=lambda: {"ok": True, "boot_id": "b"})
    ends: Why | None = None
    opened: list[socket.socket] = field(default_factory=list)
    tries: int = 0

    def open(self) -> Stream:
        self.tries += 1
        if self.errors:
            raise self.errors.pop(0)
        ours, theirs = socket.socketpair()
        self.opened.append(theirs)
        threading.Thread(target=self._serve, args=(theirs,), daemon=True).start()
        return Stream(ours, lambda: self.ends)

    def _serve(self, theirs: socket.socket) -> None:
        with theirs.makefile("rb") as lines:
            for line in lines:
                theirs.sendall(json.dumps({**self.hello, "id": json.loads(line)["id"]}).encode() + b"\n")

    def cut(self) -> None:
        self.opened.pop().shutdown(socket.SHUT_RDWR)


class Stage:
    """A keeper of a host, on a clock of the test's."""

    def __init__(self, patience: Patience = PATIENCE) -> None:
        self.clock = FakeClock()
        self.host = Host()
        numbers = count(1)
        self.lost = threading.Semaphore(0)
        self.keeper = Keeper(
            self.host,
            clock=self.clock,
            session=lambda floor: max(floor + 1, next(numbers)),
            heard=lambda _link, _message: None,
            changed=lambda: self.lost.release() and None,
            patience=patience,
        )

    def cut(self) -> None:
        self.host.cut()
        assert self.lost.acquire(timeout=5)

    def code(self) -> str | None:
        why = self.keeper.status().why
        return why.code if why else None

    def fails(self) -> str:
        with pytest.raises(Unreached) as caught:
            self.keeper.link()
        return caught.value.why.code


@pytest.fixture
def stage() -> Iterator[Stage]:
    made = Stage()
    yield made
    made.keeper.close()


def test_the_pause_grows_with_the_time_away_and_is_spread() -> None:
    assert [PATIENCE.pause(away, 0.5) for away in (0.0, 5.0, 50.0, 200.0, 10_000.0)] == [1.0, 1.0, 5.0, 20.0, 30.0]
    assert [PATIENCE.pause(0.0, luck) for luck in (0.0, 1.0)] == [0.75, 1.25]
    assert [Patience().pause(away, 0.5) for away in (0.0, 0.1, 0.2, 0.4, 60.0)] == [0.1, 0.1, 0.2, 0.4, 5.0]


def test_a_host_that_fails_is_left_alone_and_says_why_at_once(stage: Stage) -> None:
    assert stage.keeper.status().state == "unknown"
    stage.host.errors = [ConnectionRefusedError("no"), ConnectionRefusedError("still no")]
    assert [stage.fails() for _ in range(3)] == ["unreachable"] * 3
    assert stage.host.tries == 1
    stage.clock.advance(1.01)
    assert stage.fails() == "unreachable"
    assert stage.host.tries == 2
    stage.clock.advance(1.01)
    assert stage.keeper.link().is_open
    assert (stage.keeper.status().state, stage.keeper.boot_id, stage.keeper.generation) == ("reachable", "b", 1)


def test_whoever_waits_for_it_sits_no_back_off_out(stage: Stage) -> None:
    stage.host.errors = [ConnectionRefusedError("no")]
    stage.fails()
    stage.keeper.retry_now()
    assert stage.keeper.link().is_open


def test_a_way_may_say_how_long_to_stay_away(stage: Stage) -> None:
    stage.host.errors = [Unreached(CHANGED, pause=300.0)]
    assert stage.fails() == stage.code() == "host_key_changed"
    stage.clock.advance(299.0)
    assert stage.fails() == "host_key_changed"
    stage.clock.advance(1.1)
    assert stage.keeper.link().is_open
    assert stage.code() is None


def test_the_end_of_a_connection_is_known_with_its_reason_and_time(stage: Stage) -> None:
    stage.keeper.link()
    stage.clock.advance(100.0)
    stage.host.ends = CUT
    stage.cut()
    for _ in range(500):
        if stage.code() == "timed_out":
            break
        time.sleep(0.01)
    status = stage.keeper.status()
    assert (status.state, status.since, status.why) == ("unknown", stage.clock.boot(), CUT)
    assert status.seen_at == pytest.approx(stage.clock.boot() - 100.0)
    assert stage.keeper.generation == 2
    assert stage.keeper.link().is_open


def test_a_flapping_connection_is_not_opened_all_the_time(stage: Stage) -> None:
    stage.keeper.link()
    stage.cut()
    stage.keeper.link()
    stage.cut()
    stage.fails()
    assert stage.host.tries == 2
    stage.clock.advance(1.1)
    assert stage.keeper.link().is_open


def test_a_runner_of_this_machine_that_died_is_replaced_at_once_however_often() -> None:
    stage = Stage(local.PATIENCE)
    for number in range(1, 6):
        assert stage.keeper.link().is_open
        assert stage.host.tries == number
        stage.cut()


@pytest.mark.parametrize(
    "hello",
    [
        {"ok": True},
        {"ok": True, "boot_id": 3},
        {"ok": True, "boot_id": "b", "highest_fence": "x"},
        {"ok": True, "boot_id": "b", "highest_fence": 2**60},
        {"ok": False, "error": {"code": "stale_session", "session": -1}},
        {"ok": False, "error": {"code": "stale_session", "session": []}},
        {"ok": False},
    ],
)
def test_a_greeting_that_makes_no_sense_is_none(stage: Stage, hello: dict[str, object]) -> None:
    stage.host.hello = hello
    with pytest.raises(Unavailable):
        stage.keeper.link()
    assert stage.keeper.status().state == "unknown"


def test_why_a_connection_ended_while_it_greeted_is_asked_of_the_way(stage: Stage) -> None:
    stage.host.ends = CUT
    stage.host.hello = {"ok": False}
    assert stage.fails() == "timed_out"


def test_nobody_waits_long_while_somebody_else_connects(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "QUEUE_SECONDS", 0.05)
    with stage.keeper._lock, pytest.raises(Unavailable):
        stage.keeper.link()
