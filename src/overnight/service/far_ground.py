"""What a sweep needs on another machine: asked there, in few questions, never looked for on this one."""

from __future__ import annotations

import glob
import posixpath
from collections.abc import Iterator, Sequence

from overnight.domain.cluster import HERE
from overnight.domain.errors import Unavailable
from overnight.domain.homes import below_home
from overnight.domain.plan import SweepPlan
from overnight.domain.room import is_low, sentence
from overnight.service.ground import Ground, Spot, Trouble
from overnight.service.surroundings import CONDA_BASES

LONGEST_LIST = 64 * 1024
"""Bytes that are read of conda's list of its environments."""


def unreachable(target: str, error: Unavailable) -> Trouble:
    """Why a target is not reached, and what to do."""
    step = f" {error.next_step}" if error.next_step else ""
    return Trouble("ssh_unreachable", f"{target} is not reached: {error.message}{step}")


def workdir(sweep: SweepPlan, spot: Spot) -> str:
    """The working folder of a sweep, with the home folder there for `~`; of a copy, that of this machine."""
    return expanded(sweep.workdir, spot)


def expanded(path: str, spot: Spot) -> str:
    """A path with the home folder of the target in the place of `~`."""
    home = spot.home
    return path if home is None else below_home(path, lambda: home)


def missing(sweep: SweepPlan, spot: Spot) -> list[Trouble]:
    """The working folder, where it is not copied there, and the files that show that an environment is there."""
    wanted = dict(_wanted(sweep, spot))
    gone = spot.files.missing("/", list(wanted)) if wanted else []
    without = _without_conda(sweep, spot)
    return [*(wanted[path] for path in gone), *([Trouble("env_missing", without)] if without else ())]


def _wanted(sweep: SweepPlan, spot: Spot) -> Iterator[tuple[str, Trouble]]:
    """Absolute paths, and what their absence means. What lies in the copy is for the launch to look for."""
    folder = workdir(sweep, spot)
    if not sweep.mirror:
        yield folder, Trouble("cwd_missing", f"the working directory {folder} does not exist there")
    for named, what in _environment(sweep):
        path = expanded(named, spot)
        if path.startswith("/") or not sweep.mirror:
            yield posixpath.join(folder, path), Trouble("env_missing", f"there is no {what} there")


def _environment(sweep: SweepPlan) -> Iterator[tuple[str, str]]:
    """A path that must be there, and what it shows; names are for the launch to look up."""
    plan = sweep.environment
    if plan.venv is not None:
        yield posixpath.join(plan.venv, "bin/python"), f"virtual environment at {plan.venv}"
    if plan.uv is not None:
        yield posixpath.join(plan.uv, "pyproject.toml"), f"uv project at {plan.uv} (no pyproject.toml)"
    if plan.conda is not None and "/" in plan.conda:
        yield plan.conda, f"conda environment at {plan.conda}"
    if plan.conda_hook is not None and "/" in plan.conda_hook and not plan.conda_hook.startswith("eval"):
        yield plan.conda_hook, f"conda program at {plan.conda_hook}"
    if plan.container is not None and (
        plan.container.startswith(("/", "./", "../")) or plan.container.endswith(".sif")
    ):
        yield plan.container, f"container image at {plan.container}"


def _without_conda(sweep: SweepPlan, spot: Spot) -> str | None:
    """That an environment of conda, given by its name, is not there; None where only a launch can tell."""
    plan = sweep.environment
    hooked = plan.conda_hook is not None or any("ARIS_CONDA_HOOK" in cell.env for cell in sweep.cells)
    if plan.conda is None or "/" in plan.conda or plan.conda in ("base", "root") or hooked or spot.home is None:
        return None
    programs = {f"{expanded(base, spot)}/bin/conda": expanded(base, spot) for base in CONDA_BASES}
    gone = spot.files.missing("/", list(programs))
    bases = [base for program, base in programs.items() if program not in gone]
    own = f"{spot.home}/.conda"
    places = [f"{folder}/envs/{glob.escape(plan.conda)}" for folder in (*bases, own)]
    if not bases or len(spot.files.missing("/", places)) < len(places) or plan.conda in _listed(spot, own):
        return None
    return f"{bases[0]} has no conda environment {plan.conda} there"


def _listed(spot: Spot, folder: str) -> set[str]:
    """Names of the environments that conda lists in its own folder there."""
    data, _ = spot.files.part(folder, "environments.txt", 0, LONGEST_LIST)
    return {posixpath.basename(line.rstrip("/")) for line in data.decode(errors="replace").splitlines()}


def full(sweep: SweepPlan, spot: Spot, ground: Ground) -> list[Trouble]:
    """Folders there in which too little room is left."""
    folders = [*(() if sweep.mirror else (workdir(sweep, spot),)), *((spot.folder,) if spot.folder else ())]
    rooms = {room.path: room for room in map(spot.files.room, folders)}
    return [Trouble("disk_low", sentence(it, ground.reserve)) for it in rooms.values() if is_low(it, ground.reserve)]


def missing_paths(sweep: SweepPlan, spot: Spot, ground: Ground, paths: Sequence[str]) -> set[str]:
    """Required paths that are not there. What a copy will hold is looked for where it is copied from."""
    here = ground.spots.get(HERE)
    if spot.near or not sweep.mirror or here is None:
        return set(spot.files.missing(workdir(sweep, spot), paths))
    outside = [path for path in paths if path.startswith("/")]
    inside = [path for path in paths if not path.startswith("/")]
    there = spot.files.missing("/", outside) if outside else []
    return {*there, *here.files.missing(sweep.workdir, inside)}
