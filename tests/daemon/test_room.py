"""A full disk lets nothing new start, is told once, and work goes on when there is room again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from overnight.domain.errors import Unavailable
from overnight.domain.plan import CellPlan
from overnight.domain.room import Reserve
from overnight.service.lanes import hold_of
from overnight.store import campaigns
from overnight.store.base import SYSTEM
from overnight.store.marks import hold, holds
from overnight.store.verify import verify
from overnight.targets.base import Room
from overnight.targets.files import LocalFiles
from tests.daemon.stage import Stage

RESERVE = Reserve(100, 10)
CELL = CellPlan("a", {}, "true")


@dataclass
class Disks(LocalFiles):
    """Files on disks of which the test says what is left: path -> bytes; None = nobody can say."""

    left: dict[str, int | None] = field(default_factory=dict)
    looks: list[str] = field(default_factory=list)
    silent: bool = False

    def room(self, path: str) -> Room:
        self.looks.append(path)
        if self.silent:
            raise Unavailable("no answer came")
        free = self.left.get(path, 1_000)
        return Room(path, free, None if free is None else 1_000)


@pytest.fixture
def disks() -> Disks:
    return Disks()


@pytest.fixture
def stage(tmp_path: Path, disks: Disks) -> Iterator[Stage]:
    made = Stage(tmp_path, disks, RESERVE)
    yield made
    assert verify(made.store).violations == ()
    made.store.close()


def held(stage: Stage) -> dict[str, str]:
    return {subject: code for subject, (code, _) in stage.store.read(holds).items()}


def why(stage: Stage, sweep: str) -> str | None:
    return stage.store.read(lambda session: hold_of(session, campaigns.get_sweep(session, sweep), holds(session)))


def sweeps(stage: Stage, campaign: str) -> list[str]:
    return [it.id for it in stage.store.read(lambda session: campaigns.sweeps_of(session, campaign))]


def test_a_sweep_whose_folder_is_full_starts_nothing_and_others_do(stage: Stage, disks: Disks) -> None:
    campaign = stage.submit(
        stage.sweep("full", CELL, workdir="/full"), stage.sweep("well", CellPlan("b", {}, "true"), workdir="/well")
    )
    full, well = sweeps(stage, campaign)
    disks.left["/full"] = 99
    assert stage.look_at_room()
    assert held(stage) == {full: "disk_full"}
    assert "/full has" in (why(stage, full) or "")
    assert why(stage, well) is None


def test_a_target_whose_run_folder_is_full_starts_nothing(stage: Stage, disks: Disks) -> None:
    (sweep,) = sweeps(stage, stage.submit(stage.sweep("s", CELL)))
    disks.left[str(stage.world.places["here"].folder)] = 0
    stage.look_at_room()
    assert held(stage) == {"here": "disk_full"}
    assert why(stage, sweep)


def test_a_target_starts_nothing_while_the_disk_of_the_record_is_full(stage: Stage) -> None:
    stage.world.home = lambda: Room("/home", 5, 1_000)
    stage.look_at_room()
    assert held(stage) == {"here": "disk_full"}


def test_work_goes_on_when_there_is_clearly_room_again(stage: Stage, disks: Disks) -> None:
    (sweep,) = sweeps(stage, stage.submit(stage.sweep("s", CELL, workdir="/w")))
    for free, expected in ((99, {sweep: "disk_full"}), (105, {sweep: "disk_full"}), (111, {})):
        disks.left["/w"] = free
        assert stage.look_at_room() == bool(expected or free == 111)
        assert held(stage) == expected
    assert not stage.look_at_room()
    assert stage.states() == {"a": "queued"}


def test_one_full_disk_is_told_once_whatever_the_number_of_sweeps(stage: Stage, disks: Disks) -> None:
    disks.left["/w"] = 0
    stage.submit(*(stage.sweep(name, CellPlan(name, {}, "true"), workdir="/w") for name in "abc"))
    stage.look_at_room()
    stage.look_at_room()
    stage.submit(stage.sweep("later", CELL, workdir="/w"), name="later")
    stage.look_at_room()
    assert len(held(stage)) == 4
    (alert,) = stage.events("alert.raise")
    assert alert["alert"] == "disk_full"


def test_a_disk_that_is_full_again_is_told_again(stage: Stage, disks: Disks) -> None:
    stage.submit(stage.sweep("s", CELL, workdir="/w"))
    for free in (0, 1_000, 0):
        disks.left["/w"] = free
        stage.clock.advance(10)
        stage.look_at_room()
    assert len(stage.events("alert.raise")) == 2


def test_room_that_nobody_can_tell_is_neither_full_nor_back(stage: Stage, disks: Disks) -> None:
    (sweep,) = sweeps(stage, stage.submit(stage.sweep("s", CELL, workdir="/w")))
    disks.left["/w"] = None
    stage.look_at_room()
    assert held(stage) == {}
    disks.left["/w"] = 0
    stage.look_at_room()
    for disks.left["/w"], disks.silent in ((None, False), (0, True)):
        stage.look_at_room()
        assert held(stage) == {sweep: "disk_full"}


def test_a_hold_for_another_reason_is_left_alone(stage: Stage, disks: Disks) -> None:
    (sweep,) = sweeps(stage, stage.submit(stage.sweep("s", CELL, workdir="/w")))
    stage.store.write(SYSTEM, lambda session: hold(session, sweep, "other", "for a reason"))
    for free in (0, 1_000):
        disks.left["/w"] = free
        assert not stage.look_at_room()
        assert held(stage) == {sweep: "other"}


def test_a_sweep_that_wants_nothing_any_more_is_not_held(stage: Stage, disks: Disks) -> None:
    disks.left["/w"] = 0
    stage.submit(stage.sweep("s", CELL, workdir="/w"))
    stage.look_at_room()
    stage.start("a")
    stage.look_at_room()
    assert held(stage) == {}


def test_each_folder_is_looked_at_once(stage: Stage, disks: Disks) -> None:
    stage.submit(*(stage.sweep(name, CellPlan(name, {}, "true"), workdir="/w") for name in "abc"))
    stage.look_at_room()
    assert sorted(disks.looks) == sorted([str(stage.world.places["here"].folder), "/w"])
