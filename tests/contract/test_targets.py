"""The contract of targets over this machine, with its real runner."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from dataclasses import replace
from itertools import count
from pathlib import Path

import pytest

from overnight.clock import SystemClock
from overnight.targets.base import Alive, Ended
from overnight.targets.local import fixed, local_target
from overnight.targets.runner_target import RunnerTarget
from overnight.testing.target_contract import Bench, TargetContract
from overnight.testing.target_contract import handle as handle_of


def moments() -> Iterator[None]:
    deadline = time.monotonic() + 15.0
    while time.monotonic() < deadline:
        yield
        time.sleep(0.01)


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    numbers = count(1)
    work = tmp_path / "home" / "work"
    work.mkdir(parents=True)
    target = local_target(
        folder=tmp_path / "runner",
        offers=fixed([]),
        clock=SystemClock(),
        session=lambda floor: max(floor + 1, next(numbers)),
        pause=time.sleep,
    )
    target.owned()

    def disconnect() -> None:
        link = target._keeper.link()
        link.close()
        for _ in moments():
            if not link.is_open:
                return

    yield Bench(target, work, disconnect, moments)
    for handle in target.owned():
        target.stop(handle, 0.0, "the test is over")
    for _ in moments():
        owned = target.owned()
        target.forget([handle.attempt for handle in owned])
        if not owned:
            break
    target.close()
    os.kill(int((tmp_path / "runner" / "lock").read_text(encoding="ascii").split()[0]), signal.SIGTERM)


class TestLocal(TargetContract):
    pass


def test_a_runner_that_was_killed_is_replaced_and_its_attempts_go_on(bench: Bench, tmp_path: Path) -> None:
    launch = bench.launch("sleep 0.5; exit 5")
    bench.target.start([launch])
    bench.hear(launch.attempt, Alive)
    os.kill(int((tmp_path / "runner" / "lock").read_text(encoding="ascii").split()[0]), signal.SIGKILL)
    seen = bench.see(launch, [Ended])
    assert isinstance(seen, Ended)
    assert seen.record["code"] == 5


def test_a_run_with_a_lease_starts_after_its_first_beat_was_answered(bench: Bench) -> None:
    launch = replace(bench.launch("sleep 60"), lease=600.0)
    assert bench.target.renewed is None
    bench.target.start([launch])
    bench.hear(launch.attempt, Alive)
    assert bench.target.renewed is not None
    use = next(it.use for it in bench.target.observe([handle_of(launch)]).values() if isinstance(it, Alive))
    assert use is not None
    assert use.processes >= 1


def test_a_server_with_an_older_session_number_takes_the_next_one(tmp_path: Path) -> None:
    def target(first: int) -> RunnerTarget:
        numbers = count(first)
        return local_target(
            folder=tmp_path / "runner",
            offers=fixed([]),
            clock=SystemClock(),
            session=lambda floor: max(floor + 1, next(numbers)),
            pause=time.sleep,
        )

    newer, older = target(1000), target(1)
    assert newer.owned() == older.owned() == []
    older.close()
    newer.close()
    os.kill(int((tmp_path / "runner" / "lock").read_text(encoding="ascii").split()[0]), signal.SIGTERM)
