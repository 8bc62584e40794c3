"""Sweeps that may go to several targets: who gets what where, what keeps a target out, and how often each is asked."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random
from typing import Any

import pytest

from overnight.daemon import devices
from overnight.daemon.placing import place_runs
from overnight.daemon.world import Place
from overnight.domain.errors import Unavailable
from overnight.domain.plan import CellPlan, Need, SweepPlan
from overnight.domain.room import Reserve
from overnight.planner.place import PATIENCE
from overnight.service.lanes import hold_of
from overnight.store import campaigns
from overnight.store.base import SYSTEM, Session
from overnight.store.marks import hold, holds, release
from overnight.store.verify import verify
from overnight.targets.base import Offer, Room
from overnight.targets.files import LocalFiles
from tests.daemon.stage import Stage, done_by, needing

ONE = Need(gpus=1)


def gpu(target: str, place: int = 0, name: str = "H100") -> Offer:
    return Offer(f"{target}/GPU-{place}", "gpu", place, f"GPU-{target}{place}", name, 80_000, None, None, used_mib=1)


@dataclass
class Asked(LocalFiles):
    """Files of a target that counts its questions, or does not answer."""

    silent: bool = False
    full: frozenset[str] = frozenset()
    questions: list[tuple[str, Sequence[str]]] = field(default_factory=list)

    def missing(self, workdir: str, paths: Sequence[str]) -> list[str]:
        self._ask(workdir, paths)
        return super().missing(workdir, paths)

    def room(self, path: str) -> Room:
        self._ask(path, ())
        return Room(path, 1 if path in self.full else 1_000, 1_000)

    def _ask(self, where: str, paths: Sequence[str]) -> None:
        self.questions.append((where, paths))
        if self.silent:
            raise Unavailable("no answer came")


class Field(Stage):
    """Targets `a`, `b` and `here`, each with files of its own."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, Asked(), Reserve(100, 10))
        self.asked = {name: Asked() for name in ("a", "b")}
        far = {
            name: Place(None, files, folder / name / "runs", None, near=False)  # type: ignore[arg-type]
            for name, files in self.asked.items()
        }
        self.world.places = {**self.world.places, **far}
        self.world.reachable.update(self.world.places)

    def note(self, target: str, *offers: Offer) -> None:
        self.store.write(SYSTEM, lambda session: devices.note(session, target, offers))

    def place(self) -> list[tuple[str, list[str]]]:
        """Target and devices of each run that is started now."""
        claimed = self.store.write(SYSTEM, lambda session: place_runs(session, self.world))
        return [(it.target, [device.id for device in it.devices]) for it in claimed]

    def held(self, subject: str) -> None:
        self.store.write(SYSTEM, lambda session: hold(session, subject, "disk_full", "no room"))


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Field]:
    made = Field(tmp_path)
    yield made
    assert verify(made.store).violations == ()
    made.store.close()


def cells(number: int) -> list[CellPlan]:
    return [CellPlan(f"r{it}", {}, "true") for it in range(number)]


def test_runs_go_to_the_first_target_with_room_and_then_to_the_next(stage: Field) -> None:
    stage.note("a", gpu("a"))
    stage.note("b", gpu("b"), gpu("b", 1))
    stage.submit(stage.sweep("s", *cells(4), need=ONE, targets=("b", "a", "here")))
    assert stage.place() == [("b", ["b/GPU-0"]), ("b", ["b/GPU-1"]), ("a", ["a/GPU-0"])]
    assert stage.place() == []


def test_a_target_that_is_not_reached_or_is_held_gets_nothing(stage: Field) -> None:
    for target in ("a", "b", "here"):
        stage.note(target, gpu(target))
    stage.submit(stage.sweep("s", *cells(4), need=ONE, targets=("a", "b", "here")))
    stage.world.reachable.discard("a")
    stage.held("b")
    assert stage.place() == [("here", ["here/GPU-0"])]
    stage.store.write(SYSTEM, lambda session: release(session, "b"))
    assert stage.place() == [("b", ["b/GPU-0"])]
    stage.world.reachable.add("a")
    assert stage.place() == [("a", ["a/GPU-0"])]


def test_the_folder_of_a_sweep_on_one_target_holds_it_there_alone(stage: Field) -> None:
    stage.note("a", gpu("a"))
    stage.note("b", gpu("b"))
    campaign = stage.submit(stage.sweep("s", *cells(2), need=ONE, workdir="/w", targets=("a", "b")))
    (sweep,) = stage.store.read(lambda session: campaigns.sweeps_of(session, campaign))
    stage.asked["a"].full = frozenset({"/w"})
    assert stage.look_at_room()
    assert set(stage.store.read(holds)) == {f"{sweep.id}@a"}
    assert stage.store.read(lambda session: hold_of(session, sweep, holds(session))) is None
    assert stage.place() == [("b", ["b/GPU-0"])]
    stage.asked["b"].full = frozenset({"/w"})
    stage.look_at_room()
    assert "/w has" in (stage.store.read(lambda session: hold_of(session, sweep, holds(session))) or "")
    stage.asked["a"].full = frozenset()
    stage.look_at_room()
    assert stage.place() == [("a", ["a/GPU-0"])]


def test_bounds_hold_over_all_targets_of_one_pass(stage: Field) -> None:
    stage.note("a", gpu("a"), gpu("a", 1))
    stage.note("b", gpu("b"), gpu("b", 1))
    stage.submit(stage.sweep("s", *cells(4), need=ONE, targets=("a", "b"), parallel=3))
    assert [target for target, _ in stage.place()] == ["a", "a", "b"]
    assert stage.place() == []


def test_a_wide_run_that_waited_long_keeps_one_target_free_for_itself(stage: Field) -> None:
    stage.note("a", gpu("a"), gpu("a", 1))
    stage.note("b", gpu("b"), gpu("b", 1))
    stage.submit(stage.sweep("old", *cells(2), need=ONE, targets=("a",), parallel=1), name="old")
    stage.submit(stage.sweep("low", CellPlan("low", {}, "true"), need=ONE, targets=("b",)), name="low")
    assert sorted(stage.place()) == [("a", ["a/GPU-0"]), ("b", ["b/GPU-0"])]
    wide = stage.sweep("wide", CellPlan("wide", {}, "true"), need=Need(gpus=2), targets=("a", "b"), priority=9)
    stage.submit(wide, stage.sweep("small", CellPlan("small", {}, "true"), need=ONE, targets=("a", "b")), name="w")
    stage.clock.advance(PATIENCE)
    for target in ("a", "b"):
        stage.note(target, gpu(target), gpu(target, 1))
    assert stage.place() == [("b", ["b/GPU-1"])]


def test_a_pass_asks_for_the_devices_of_each_target_once_however_many_sweeps_there_are(
    stage: Field, monkeypatch: pytest.MonkeyPatch
) -> None:
    for target in ("a", "b"):
        stage.note(target, gpu(target))

    def add(session: Session) -> None:
        for it in range(200):
            plan = SweepPlan(f"s{it}", (), "/w", need=ONE, targets=("a", "b", "here"))
            sweep = campaigns.insert_sweep(session, None, plan, Random(it))
            config = '{"command":["/bin/true"],"env":{},"outputs":[],"parameters":{}}'
            campaigns.insert_runs(session, None, sweep, [(f"{it:012x}", "r", config)], state="queued")

    stage.store.write(SYSTEM, add)
    looked: list[str] = []
    rows = Session.rows

    def counted(self: Session, query: str, /, **arguments: Any) -> Any:
        looked.append(query)
        return rows(self, query, **arguments)

    monkeypatch.setattr(Session, "rows", counted)
    assert [target for target, _ in stage.place()] == ["a", "b"]
    assert looked.count("devices_free") == 3
    assert looked.count("runs_queued_head") == 2
    assert looked.count("devices_of") == 0


def test_a_gpu_is_chosen_by_its_name_over_all_targets(stage: Field) -> None:
    stage.note("a", gpu("a", name="NVIDIA L4"))
    stage.note("b", gpu("b", name="NVIDIA H100 PCIe"))
    stage.submit(stage.sweep("s", *cells(2), need=Need(gpus=1, gpu_name="h100"), targets=("a", "b")))
    assert stage.place() == [("b", ["b/GPU-0"])]


# Files


def test_all_paths_of_one_folder_are_one_question(stage: Field, tmp_path: Path) -> None:
    folder = tmp_path / "there"
    folder.mkdir()
    (folder / "in.txt").touch()
    waiting = [needing("x", "in.txt"), needing("y", "in.txt", "no.txt"), done_by("z", "z.json")]
    stage.submit(stage.sweep("s", *waiting, workdir=str(folder), targets=("a",)))
    stage.look()
    assert stage.asked["a"].questions == [(str(folder), ["in.txt", "no.txt", "z.json"])]
    assert stage.states() == {"x": "queued", "y": "waiting", "z": "queued"}


def test_a_target_that_does_not_answer_keeps_its_own_runs_waiting_alone(stage: Field) -> None:
    stage.asked["a"].silent = True
    (stage.work / "in.txt").touch()
    stage.submit(
        stage.sweep("far", needing("x", "in.txt"), targets=("a",)),
        stage.sweep("near", needing("y", "in.txt"), targets=("b",)),
    )
    stage.look()
    assert stage.states() == {"x": "waiting", "y": "queued"}


def test_what_a_frozen_copy_will_bring_is_not_missed_before_it_is_there(stage: Field) -> None:
    code = "c" * 32
    tree = stage.world.places["here"].runs.parent / "code" / code / "tree"
    tree.mkdir(parents=True)
    (tree / "in.txt").touch()
    plan = replace(stage.sweep("s", needing("x", "in.txt"), targets=("a",)), mirror=True, code=code)
    stage.submit(plan, replace(plan, name="t", cells=(needing("y", "in.txt", "/no/such"),)))
    stage.look()
    assert stage.states() == {"x": "queued", "y": "waiting"}
    assert (stage.runs()["y"].detail or "").startswith("/no/such")


# Room


def test_a_target_that_does_not_answer_is_asked_for_room_once(stage: Field) -> None:
    stage.asked["a"].silent = True
    stage.submit(*(stage.sweep(f"s{it}", CellPlan(f"r{it}", {}, "true"), workdir=f"/{it}", targets=("a", "b"))
                   for it in range(5)))  # fmt: skip
    assert not stage.look_at_room()
    assert len(stage.asked["a"].questions) == 1
    assert len(stage.asked["b"].questions) == 6


def test_frozen_copies_are_no_folders_of_their_own(stage: Field) -> None:
    plan = stage.sweep("s", *cells(1), workdir="/study", targets=("a",))
    stage.submit(replace(plan, mirror=True, code="c" * 32))
    stage.look_at_room()
    assert [path for path, _ in stage.asked["a"].questions] == [str(stage.world.places["a"].runs)]
