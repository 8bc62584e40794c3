"""Preflight on other machines: looked at there, and only a sweep that no target takes is refused."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from overnight.domain.errors import Unavailable
from overnight.domain.plan import CampaignPlan, CellPlan, EnvironmentPlan, Need, SweepPlan
from overnight.domain.room import Reserve
from overnight.service.far_ground import unreachable
from overnight.service.preflight import Ground, Report, Spot, preflight
from overnight.targets.base import Offer, Room
from overnight.targets.files import LocalFiles

CELL = CellPlan("a", {}, "true")
HOME = "/home/u"


@dataclass
class There(LocalFiles):
    """Files of another machine: these paths, and nothing else."""

    paths: set[str] = field(default_factory=set)
    full: set[str] = field(default_factory=set)
    silent: bool = False
    asked: list[Sequence[str]] = field(default_factory=list)
    lists: dict[str, bytes] = field(default_factory=dict)

    def part(self, folder: str, name: str, offset: int, limit: int) -> tuple[bytes, int]:
        data = self.lists.get(f"{folder}/{name}", b"")[offset:limit]
        return data, offset + len(data)

    def missing(self, workdir: str, paths: Sequence[str]) -> list[str]:
        if self.silent:
            raise Unavailable("the link was cut")
        self.asked.append(paths)
        return [path for path in paths if str(Path(workdir, path)) not in self.paths]

    def done(self, workdir: str, outputs: Sequence[str]) -> bool:
        return all(str(Path(workdir, it)) in self.paths for it in outputs)

    def room(self, path: str) -> Room:
        return Room(path, 1 if path in self.full else 1_000, 1_000)


def gpu(target: str, name: str = "H100", memory_mib: int = 80_000) -> Offer:
    return Offer(f"{target}/GPU-0", "gpu", 0, "GPU-0", name, memory_mib, None, None)


class Field:
    """This machine, and `box`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.files = There()
        self.box = Spot(self.files, (gpu("box"),), near=False, folder="/root/.overnight-host", home=HOME)
        self.here = Spot(LocalFiles(), (Offer("here/slot0", "slot", 0, None, "slot", 0, None, None),))

    def look(self, cells: Sequence[CellPlan] = (CELL,), **settings: Any) -> Report:
        made = SweepPlan(
            **{"name": "s", "cells": tuple(cells), "workdir": str(self.folder), "need": Need(gpus=1), **settings}
        )
        ground = Ground({"here": self.here, "box": self.box}, str(self.folder), Reserve(100, 10), {"PATH": ""})
        return preflight(CampaignPlan("p", (made,)), ground)

    def troubles(self, **settings: Any) -> list[tuple[str, str]]:
        return [(it.code, it.detail) for it in self.look(**{"targets": ("box",), **settings}).sweeps.get("s", [])]


@pytest.fixture
def fields(tmp_path: Path) -> Field:
    return Field(tmp_path)


def test_a_folder_of_a_host_is_looked_for_there_from_its_home_folder(fields: Field) -> None:
    assert fields.troubles(workdir="~/study") == [
        ("cwd_missing", "the working directory /home/u/study does not exist there")
    ]
    fields.files.paths = {"/home/u/study", HOME}
    assert fields.troubles(workdir="~/study") == []
    assert fields.troubles(workdir="~") == []
    assert fields.troubles(workdir=str(fields.folder))[0][0] == "cwd_missing"


def test_a_folder_that_is_copied_is_looked_for_here(fields: Field) -> None:
    assert fields.troubles(mirror=True) == []
    assert fields.files.asked == []
    assert [code for code, _ in fields.troubles(mirror=True, workdir="/no/such")] == ["cwd_missing"]


@pytest.mark.parametrize(
    ("environment", "path"),
    [
        (EnvironmentPlan(venv="env"), "/w/env/bin/python"),
        (EnvironmentPlan(venv="~/env"), "/home/u/env/bin/python"),
        (EnvironmentPlan(uv="."), "/w/pyproject.toml"),
        (EnvironmentPlan(conda="/opt/c/envs/x"), "/opt/c/envs/x"),
        (EnvironmentPlan(conda="x", conda_hook="~/c/bin/conda"), "/home/u/c/bin/conda"),
        (EnvironmentPlan(container="image.sif"), "/w/image.sif"),
    ],
)
def test_an_environment_shows_there_by_a_file(fields: Field, environment: EnvironmentPlan, path: str) -> None:
    fields.files.paths = {"/w"}
    assert [code for code, _ in fields.troubles(workdir="/w", environment=environment)] == ["env_missing"]
    fields.files.paths.add(str(Path(path)))
    assert fields.troubles(workdir="/w", environment=environment) == []


@pytest.mark.parametrize(
    "environment",
    [EnvironmentPlan(conda="x", conda_hook="eval it"), EnvironmentPlan(container="docker://x:1"), EnvironmentPlan()],
)
def test_what_only_a_launch_can_look_up_there_is_left_to_it(fields: Field, environment: EnvironmentPlan) -> None:
    assert fields.troubles(mirror=True, environment=environment) == []
    assert fields.troubles(mirror=True, environment=EnvironmentPlan(venv=".venv")) == []
    assert [code for code, _ in fields.troubles(mirror=True, environment=EnvironmentPlan(venv="/v"))] == ["env_missing"]


def test_an_environment_of_conda_is_looked_for_by_its_name(fields: Field) -> None:
    named = {"workdir": "/w", "environment": EnvironmentPlan(conda="x")}
    fields.files.paths = {"/w"}
    assert fields.troubles(**named) == []  # conda may lie on PATH
    fields.files.paths.add("/home/u/miniconda3/bin/conda")
    assert fields.troubles(**named) == [("env_missing", "/home/u/miniconda3 has no conda environment x there")]
    assert fields.troubles(workdir="/w", environment=EnvironmentPlan(conda="base")) == []
    hooked = replace(CELL, env={"ARIS_CONDA_HOOK": "/opt/c/bin/conda"})
    assert fields.look([hooked], targets=("box",), **named).sweeps == {}
    fields.files.lists = {"/home/u/.conda/environments.txt": b"/data/envs/y\n/data/envs/x/\n"}
    assert fields.troubles(**named) == []
    fields.files.lists = {}
    fields.files.paths.add("/home/u/.conda/envs/x")
    assert fields.troubles(**named) == []


def test_room_and_gpus_are_those_of_the_host(fields: Field) -> None:
    fields.files.full = {"/root/.overnight-host"}
    found = fields.troubles(mirror=True, need=Need(gpus=2))
    assert [code for code, _ in found] == ["gpu_missing", "disk_low"]
    assert found[0][1] == "it needs 2 GPUs, box has 1"
    assert fields.troubles(mirror=True, need=Need(gpus=1, gpu_name="a100"))[0][1].startswith(
        "it needs 1 GPU named like 'a100'"
    )


def test_a_host_that_is_not_reached_says_why_and_what_to_do(fields: Field) -> None:
    error = Unavailable("its key has changed", next_step="Run: ssh-keygen -R box.")
    fields.box = replace(fields.box, away=unreachable("box", error))
    assert fields.troubles() == [
        ("ssh_unreachable", "box is not reached: its key has changed Run: ssh-keygen -R box.")
    ]  # fmt: skip


def test_a_link_that_is_cut_in_the_middle_is_no_folder_that_is_missing(fields: Field) -> None:
    fields.files.silent = True
    report = fields.look([replace(CELL, requires=("in.txt",))], targets=("box",), workdir="/w")
    assert [it.code for it in report.sweeps["s"]] == ["ssh_unreachable"]
    assert report.cells == {}


def test_a_bad_target_is_a_warning_while_another_is_good(fields: Field) -> None:
    report = fields.look(targets=("box", "here"), need=Need(slots=1), mirror=True)
    assert (report.sweeps, [it.code for it in report.warnings]) == ({}, ["slot_missing"])
    assert report.warnings[0].detail == "s goes elsewhere: box: it needs 1 CPU slot, box has 0"
    report = fields.look(targets=("box", "here", "nowhere"), need=Need(gpus=2), mirror=True)
    assert [it.code for it in report.sweeps["s"]] == ["gpu_missing", "gpu_missing", "ssh_unreachable"]
    assert report.sweeps["s"][2].detail == "nowhere: there is no target named nowhere; configured: box, here"


def test_gpus_of_all_targets_count_as_those_that_could_be_used(fields: Field) -> None:
    fields.here = replace(fields.here, cards=(replace(gpu("here"), busy="pid 7"),))
    report = fields.look([CELL, replace(CELL, name="b")], targets=("box", "here"), need=Need(gpus=1), mirror=True)
    assert [it.detail for it in report.warnings] == [
        "s could use 2 GPUs at once, 1 are free now: its runs wait for them"
    ]


def test_secrets_are_read_here_whatever_the_target(fields: Field) -> None:
    found = fields.troubles(mirror=True, secrets=(("K", "env:NOT_SET"),))
    assert [code for code, _ in found] == ["secret_missing"]


def test_required_files_are_looked_for_where_they_will_be(fields: Field) -> None:
    cells = [replace(CELL, requires=("in.txt", "/data/x")), replace(CELL, name="b", requires=("no.txt",))]
    (fields.folder / "in.txt").touch()
    fields.files.paths = {"/data/x"}
    assert set(fields.look(cells, targets=("box",), mirror=True).cells) == {"b"}
    fields.files.paths = {"/w", "/w/in.txt"}
    found = fields.look(cells, targets=("box",), workdir="/w").cells
    assert found["a"].detail == "it requires /data/x, not there yet"
    done = [replace(cells[1], skip_if_done=True, outputs=("o.json",))]
    fields.files.paths = {"/w", "/w/o.json"}
    assert fields.look(done, targets=("box",), workdir="/w").cells == {}
