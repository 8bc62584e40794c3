"""Bugs that simulations found, each held down by a small test of its own: seeds change their meaning, these do not."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from overnight.daemon import orphans
from overnight.daemon.loop import LISTEN_SECONDS, Loop
from overnight.daemon.world import Place, World
from overnight.domain.plan import Need
from overnight.domain.states import RUN
from overnight.planner.fit import FreeDevice
from overnight.planner.judge import back_off
from overnight.planner.place import PATIENCE, Head, Lane, Snapshot, place
from overnight.service import consequences
from overnight.service.context import Context, Spot
from overnight.store import campaigns, runs
from overnight.store.base import SYSTEM, Session
from overnight.store.moves import move
from overnight.targets.base import Dead, Launch, Refused, Unknown
from overnight.targets.files import LocalFiles
from overnight.targets.greeting import greet
from overnight.targets.told import understood
from overnight.testing.actors import perform
from overnight.testing.chance import Chance
from overnight.testing.host import FakeHost
from overnight.testing.machine import Machine
from overnight.testing.record import Record, fast_folder
from overnight.testing.replay import replay
from overnight.testing.target import FakeTarget

CARD = FreeDevice("here/GPU-0", "gpu", 0, 80_000, "a card")


@pytest.fixture
def record(tmp_path: Path) -> Iterator[Record]:
    record = Record(tmp_path)
    yield record
    record.close()


def lane(name: str, gpus: int, created_at: float) -> Lane:
    head = Head(name, 1 if gpus > 1 else 2, 0, 0, created_at)
    return Lane(name, None, True, 0, Need(gpus=gpus), 0, None, (head,))


def test_a_run_that_fits_no_machine_does_not_keep_the_devices_from_all_others() -> None:
    lanes = (lane("too-large", 3, 0.0), lane("small", 1, 0.0))
    assert [it.run_id for it in place(Snapshot(lanes, (CARD,), (CARD,)), PATIENCE + 1)] == ["small"]


def test_a_run_that_fits_when_others_end_still_keeps_what_is_free() -> None:
    cards = tuple(FreeDevice(f"here/GPU-{it}", "gpu", it, 80_000, "a card") for it in range(3))
    lanes = (lane("large", 3, 0.0), lane("small", 1, 0.0))
    assert place(Snapshot(lanes, cards[:1], cards), PATIENCE + 1) == ()


def test_a_clock_that_was_set_back_does_not_make_a_delayed_run_wait_for_years(record: Record) -> None:
    (run,) = submit(record, delay=60.0)
    record.store.write(SYSTEM, lambda session: fail_once(session, run))
    record.clock.jump(-2 * 365 * 86_400.0)
    record.store.write(SYSTEM, consequences.survey)
    assert record.store.read(lambda session: runs.get(session, run)).state == "queued"


def test_a_back_off_that_still_lasts_is_left_alone(record: Record) -> None:
    (run,) = submit(record, delay=600.0)
    record.store.write(SYSTEM, lambda session: fail_once(session, run))
    record.clock.advance(10.0)
    record.store.write(SYSTEM, consequences.survey)
    assert record.store.read(lambda session: runs.get(session, run)).state == "delayed"


def submit(record: Record, *, delay: float) -> list[str]:
    here = fake_target(record)
    context = Context(record.store, {"here": Spot(here, here)}, record.configuration, random.Random(1), lambda: None)
    one = {"name": "a", "command": ["job"], "workdir": "/", "attempts": 3, "delay": delay}
    ids: list[str] = perform(context, "submit_runs", {"runs": [one]})["ids"]
    return ids


def fail_once(session: Session, run: str) -> None:
    """As a settle pass does it: the run is delayed for as long as its policy says."""
    fence = runs.claim(session, run, 1, target="here", folder="/f", devices=[])
    assert fence is not None
    attempt = runs.get_attempt(session, f"{run}.1")
    assert attempt is not None
    runs.end_attempt(session, attempt, "exit", {"reason": "nonzero_exit", "code": 1})
    assert move(session, RUN, run, "delay", fence=fence, reason="nonzero_exit", attempt=attempt.id)
    retry = campaigns.get_sweep(session, session.rows("run_standing", id=run)[0][1]).settings.retry
    judged = {
        "reason": "nonzero_exit",
        "detail": "",
        "failures": 1,
        "interruptions": 0,
        "ended_at": None,
        "rung": 0,
        "hint": None,
    }
    session.rows("run_judged", id=run, not_before=session.now + back_off(retry, 1), **judged)


def fake_target(record: Record) -> FakeTarget:
    chance = Chance(random.Random(1), {})
    host = FakeHost(Machine("here", record.clock, chance, [], slots=1))
    numbers = iter(range(1_000, 2_000))
    return FakeTarget(host, chance, lambda floor: max(floor + 1, next(numbers)), lambda _: None)


def test_a_stranger_that_has_ended_does_not_stand_in_the_way_for_ever(record: Record) -> None:
    target = fake_target(record)
    launch = Launch("a.1", "a", 1, 7, ("job",), {"CUDA_VISIBLE_DEVICES": ""}, "/", "/runs/a/1", None, 1.0, None)
    target.start([launch])
    target.host.step()
    for process in list(target.host.machine.live):
        target.host.machine.end(process, "others")
    world = World(record.store, {"here": Place(target, target, Path("/runs"), None)}, record.clock, random.Random(1))
    orphans.tidy(world, "here")
    assert target.owned() == []


@pytest.mark.parametrize(
    ("code", "kind"), [("bad_launch", Refused), ("stale_fence", Dead), ("still_live", Unknown), ("journal", Unknown)]
)
def test_what_a_refused_start_proves(code: str, kind: type) -> None:
    assert isinstance(understood({"code": code, "message": "why"}), kind)


class Link:
    """A runner that has seen tokens up to 500 and sessions up to 40."""

    def ask(self, op: str, _: float, *, session: int) -> dict[str, Any]:
        assert (op, session > 40) == ("hello", True)
        return {"boot_id": "b", "highest_fence": 500}


def test_tokens_that_a_runner_has_seen_are_left_behind() -> None:
    floors: list[int] = []

    def session(floor: int) -> int:
        floors.append(floor)
        return max(floor, 40) + 1

    assert greet(Link(), session) == "b"
    assert floors == [0, 500]


@pytest.mark.parametrize("seed", [51, 134, 298, 1323, 5619, 6885, 20837, 21573, 31_201, 32_568, 500_421])
def test_seeds_that_once_found_something(seed: int) -> None:
    assert replay(seed, tracing=False).startswith("Outcome(")


def test_a_start_that_is_answered_after_its_attempt_ended_does_not_make_the_loop_turn_all_the_time(
    record: Record,
) -> None:
    target = fake_target(record)
    loop = Loop(
        World(record.store, {"here": Place(target, target, Path("/runs"), None)}, record.clock, random.Random(1))
    )
    loop.world.errands.send("here starts", ("start", "here", "1"), list, near=True)
    loop._sent["start", "here", "1"] = frozenset({"a.1"})  # which ended, and is no claim any more
    loop.turn()
    assert loop.turn() > LISTEN_SECONDS


def test_simulations_have_a_fast_folder_or_the_usual_one() -> None:
    assert fast_folder() in {None, "/dev/shm"}


@pytest.mark.parametrize("make", [lambda path: path.symlink_to("/etc/passwd"), lambda path: path.symlink_to(path)])
def test_a_job_that_makes_its_log_a_link_does_not_end_the_loop(tmp_path: Path, make: Callable[[Path], None]) -> None:
    make(tmp_path / "log")
    found = LocalFiles().evidence(str(tmp_path), "/", ["a\0b"], {"log": {"size": 5}})
    assert (found.metrics, found.missing) == ({}, ("a\0b",))
