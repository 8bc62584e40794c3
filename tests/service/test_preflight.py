"""What keeps a plan from starting is found before anything starts, each with a code of its own."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from overnight.domain.errors import PreflightFailed
from overnight.domain.plan import CampaignPlan, CellPlan, EnvironmentPlan, Need, SweepNeed, SweepPlan
from overnight.domain.room import NO_RESERVE, Reserve
from overnight.service.preflight import Ground, Report, Spot, preflight
from overnight.targets.base import Offer, Room
from overnight.targets.files import LocalFiles

CELL = CellPlan("a", {}, "true")


def gpu(position: int, memory_mib: int = 80_000, busy: str | None = None) -> Offer:
    return Offer(f"here/GPU-{position}", "gpu", position, f"GPU-{position}", "H100", memory_mib, busy, None)


SLOT = Offer("here/slot0", "slot", 0, None, "CPU slot 0", 0, None, None)


class Field:
    """One target called `here`, whose files are those of a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.home = folder / "home"
        self.bin = folder / "bin"
        self.home.mkdir()
        self.bin.mkdir()
        self.cards: Sequence[Offer] = (SLOT,)
        self.taken: frozenset[str] = frozenset()
        self.reserve = NO_RESERVE
        self.files = LocalFiles()
        self.variables = {"HOME": str(self.home), "PATH": str(self.bin)}

    def sweep(self, *cells: CellPlan, name: str = "s", **settings: Any) -> SweepPlan:
        return SweepPlan(**{"name": name, "cells": cells or (CELL,), "workdir": str(self.folder), **settings})

    def look(self, *sweeps: SweepPlan, **settings: Any) -> Report:
        spots = {"here": Spot(self.files, self.cards, self.taken)}
        ground = Ground(spots, str(self.folder), self.reserve, self.variables)
        return preflight(CampaignPlan("p", sweeps, **settings), ground)

    def codes(self, **settings: Any) -> list[str]:
        """Troubles of a sweep with these settings."""
        return [it.code for found in self.look(self.sweep(**settings)).sweeps.values() for it in found]

    def program(self, path: str) -> Path:
        """A file that can be executed."""
        made = self.folder / path
        made.parent.mkdir(parents=True, exist_ok=True)
        made.write_text("#!/bin/sh\n")
        made.chmod(0o755)
        return made


@pytest.fixture
def field(tmp_path: Path) -> Field:
    return Field(tmp_path)


def test_nothing_is_found_where_everything_is_there(field: Field) -> None:
    report = field.look(field.sweep())
    assert (report.sweeps, report.cells, report.warnings) == ({}, {}, [])
    report.refuse("campaign.yaml")


def test_everything_is_found_at_once_and_refused_together(field: Field) -> None:
    bad = field.sweep(name="bad", workdir="/no/such", need=Need(gpus=1), secrets=(("KEY", "env:NOT_SET"),))
    report = field.look(bad, field.sweep(name="elsewhere", targets=("box",)))
    codes = {name: [it.code for it in found] for name, found in report.sweeps.items()}
    assert codes == {"bad": ["cwd_missing", "gpu_missing", "secret_missing"], "elsewhere": ["ssh_unreachable"]}
    with pytest.raises(PreflightFailed) as refused:
        report.refuse("campaign.yaml")
    assert len(refused.value.problems) == 4
    assert "there is no target named box; configured: here" in refused.value.problems[-1].message


# Environments


def test_a_venv_needs_its_interpreter(field: Field) -> None:
    assert field.codes(environment=EnvironmentPlan(venv="env")) == ["env_missing"]
    field.program("env/bin/python")
    assert field.codes(environment=EnvironmentPlan(venv="env")) == []


def conda(name: str, hook: str | None = None) -> EnvironmentPlan:
    return EnvironmentPlan(conda=name, conda_hook=hook)


def test_conda_is_found_where_a_launch_looks_for_it(field: Field) -> None:
    assert field.codes(environment=conda("exp")) == ["env_missing"]
    field.program("home/miniconda3/bin/conda")
    assert field.codes(environment=conda("exp")) == ["env_missing"]
    assert field.codes(environment=conda("base")) == []
    (field.home / "miniconda3" / "envs" / "exp").mkdir(parents=True)
    assert field.codes(environment=conda("exp")) == []
    assert field.codes(environment=conda("ex")) == ["env_missing"]


def test_a_conda_environment_that_only_conda_knows_of_is_found(field: Field) -> None:
    field.program("bin/conda")
    (field.home / ".conda").mkdir()
    (field.folder / "far" / "exp").mkdir(parents=True)
    (field.home / ".conda" / "environments.txt").write_text(f"/gone/exp2\n{field.folder}/far/exp\n")
    assert field.codes(environment=conda("exp")) == []
    assert field.codes(environment=conda("exp2")) == ["env_missing"]


def test_a_conda_prefix_is_a_folder(field: Field) -> None:
    field.program("bin/conda")
    assert field.codes(environment=conda(str(field.folder / "prefix"))) == ["env_missing"]
    (field.folder / "prefix").mkdir()
    assert field.codes(environment=conda(str(field.folder / "prefix"))) == []


def test_a_conda_hook_must_be_there_and_one_that_is_text_is_believed(field: Field) -> None:
    assert field.codes(environment=conda("exp", "/no/conda")) == ["env_missing"]
    assert field.codes(environment=conda("exp", 'eval "$(conda shell.posix hook)"')) == []
    field.variables["ARIS_CONDA_HOOK"] = str(field.program("other/bin/conda"))
    (field.folder / "other" / "envs" / "exp").mkdir(parents=True)
    assert field.codes(environment=conda("exp")) == []


def test_uv_needs_its_program_and_a_project(field: Field) -> None:
    plan = EnvironmentPlan(uv="project")
    assert field.codes(environment=plan) == ["env_missing"]
    field.program("home/.local/bin/uv")
    assert field.codes(environment=plan) == ["env_missing"]
    (field.folder / "project").mkdir()
    (field.folder / "project" / "pyproject.toml").touch()
    assert field.codes(environment=plan) == []


def test_a_container_needs_an_engine_and_an_image_that_is_a_file_must_be_there(field: Field) -> None:
    assert field.codes(environment=EnvironmentPlan(container="python:3")) == ["env_missing"]
    field.program("bin/podman")
    assert field.codes(environment=EnvironmentPlan(container="python:3")) == []
    assert field.codes(environment=EnvironmentPlan(container="image.sif")) == ["env_missing"]
    (field.folder / "image.sif").touch()
    assert field.codes(environment=EnvironmentPlan(container="image.sif")) == []


# Devices


@pytest.mark.parametrize(
    "need",
    [Need(gpus=3), Need(gpus=1, devices=(0, 7)), Need(gpus=2, devices=(1,)), Need(gpus=1, gpu_memory_mib=90_000)],
)
def test_gpus_that_the_target_does_not_have_are_missing(field: Field, need: Need) -> None:
    field.cards = (gpu(0), gpu(1))
    assert field.codes(need=need) == ["gpu_missing"]


def test_gpus_that_others_use_are_not_missing(field: Field) -> None:
    field.cards = (gpu(0, busy="pid 7"), gpu(1))
    report = field.look(field.sweep(CELL, CellPlan("b", {}, "true"), need=Need(gpus=1)))
    assert report.sweeps == {}
    assert [it.code for it in report.warnings] == ["gpu_busy"]


@pytest.mark.parametrize(("cells", "parallel", "warned"), [(1, None, False), (2, None, True), (2, 1, False)])
def test_busy_gpus_are_worth_a_warning_only_when_more_could_run(
    field: Field, cells: int, parallel: int | None, warned: bool
) -> None:
    field.cards, field.taken = (gpu(0), gpu(1)), frozenset({"here/GPU-1"})
    sweep = field.sweep(*(CellPlan(str(it), {}, "true") for it in range(cells)), need=Need(gpus=1))
    assert bool(field.look(sweep, parallel=parallel).warnings) is warned


def test_devices_of_which_nothing_is_known_are_not_missing(field: Field) -> None:
    field.cards = ()
    assert field.codes(need=Need(gpus=8)) == []


def test_runs_that_take_no_device_need_none(field: Field) -> None:
    field.cards = (gpu(0),)
    assert field.codes(need=Need(gpus=0, slots=0)) == []
    assert field.codes(need=Need(gpus=0, slots=2)) == ["slot_missing"]


# Disk, secrets, commands


def test_a_disk_without_its_reserve_is_low(field: Field) -> None:
    class Small(LocalFiles):
        def room(self, path: str) -> Room:
            return Room(path, 5 * 2**20, 1_000_000)

    field.files, field.reserve = Small(), Reserve(10 * 2**20, 10)
    assert field.codes() == ["disk_low"]


def test_secrets_are_read_and_never_repeated(field: Field) -> None:
    field.variables["KEY"] = "hush"
    (field.folder / "token").write_text("hush")
    (field.folder / "empty").touch()
    assert field.codes(secrets=(("A", "env:KEY"), ("B", "file:token"))) == []
    report = field.look(field.sweep(secrets=(("A", "env:NONE"), ("B", "file:none"), ("C", "file:empty"))))
    assert [it.code for it in report.sweeps["s"]] == ["secret_missing"] * 3
    assert "hush" not in repr(report)


def command(*argv: str, text: str | None = None) -> CellPlan:
    return CellPlan("a", {}, text if text is not None else argv)


def test_programs_and_texts_that_can_never_start_are_found(field: Field) -> None:
    def codes(cell: CellPlan, **settings: Any) -> list[str]:
        return [it.code for found in field.look(field.sweep(cell, **settings)).sweeps.values() for it in found]

    assert codes(command("no_such_program")) == ["command_missing"]
    assert codes(command("sh", "-c", "x")) == []
    assert codes(command("./tool")) == ["command_missing"]
    field.program("tool")
    assert codes(command("./tool")) == []
    assert codes(command("${run_dir}/x")) == []
    assert codes(command(text="if true; then")) == ["command_syntax"]
    assert codes(command(text="cat ${needs.teachers}/x")) == []
    assert codes(command(text="a\0b")) == []
    assert codes(command("made_by_the_phase_before"), needs=(SweepNeed("build"),)) == []


# Files


def test_a_missing_path_blocks_its_cell_alone(field: Field) -> None:
    (field.folder / "there").touch()
    sweep = field.sweep(
        CellPlan("a", {}, "true", requires=("there",)), CellPlan("b", {}, "true", requires=("there", "x_*.pt"))
    )
    report = field.look(sweep)
    assert (report.sweeps, list(report.cells)) == ({}, ["b"])
    assert report.blocked(sweep, sweep.cells[0]) is None
    blocked = report.blocked(sweep, sweep.cells[1])
    assert blocked is not None
    assert blocked["code"] == "precondition_missing"
    assert "x_*.pt" in blocked["detail"]
    report.refuse("campaign.yaml")


@pytest.mark.parametrize(
    ("output", "required"),
    [("t.pt", "t.pt"), ("t.pt", "./t.pt"), ("t.pt", "t*"), ("out/*.pt", "out/t.pt"), ("out/*.pt", "out/t_*")],
)
def test_a_path_that_what_a_cell_needs_will_make_blocks_nothing(field: Field, output: str, required: str) -> None:
    grand = field.sweep(CellPlan("g", {}, "true", outputs=(output,)), name="grand")
    parent = field.sweep(CellPlan("p", {}, "true"), name="parent", needs=(SweepNeed("grand"),))
    child = field.sweep(
        CellPlan("c", {}, "true", requires=(required,), needs=("p",)),
        name="child",
        needs=(SweepNeed("parent", ("x",)),),
    )
    stranger = field.sweep(CellPlan("s", {}, "true", requires=(required,)), name="stranger")
    assert list(field.look(grand, parent, child, stranger).cells) == ["s"]


def test_what_is_done_already_needs_no_paths(field: Field) -> None:
    (field.folder / "a.json").write_text("1")
    cell = CellPlan("a", {}, "true", outputs=("a.json",), requires=("gone",), skip_if_done=True)
    assert field.look(field.sweep(cell)).cells == {}


def test_looking_changes_nothing(field: Field) -> None:
    field.program("env/bin/python")
    before = sorted(os.walk(field.folder))
    field.look(field.sweep(CellPlan("a", {}, "touch x", requires=("y",)), environment=EnvironmentPlan(venv="env")))
    assert sorted(os.walk(field.folder)) == before


def test_ten_thousand_cells_with_paths_of_their_own_are_told_apart(field: Field) -> None:
    """Squares of these numbers would take longer than a test may."""
    first = [CellPlan(f"t{n}", {}, "true", outputs=(f"out/{n}.pt",)) for n in range(10_000)]
    second = [CellPlan(f"s{n}", {}, "true", requires=(f"out/{n}.pt", f"in/{n}_*.x")) for n in range(10_000)]
    report = field.look(
        field.sweep(*first, name="first"), field.sweep(*second, name="second", needs=(SweepNeed("first"),))
    )
    assert len(report.cells) == 10_000
