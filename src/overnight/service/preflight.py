"""What would keep the runs of a plan from starting, found without starting or changing anything.

Each trouble has a code. All but `precondition_missing` concern whole sweeps, and nothing of the plan is submitted while
there is one; a cell whose paths are missing waits by itself.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from overnight.domain.errors import PreflightFailed, Problem, Refused
from overnight.domain.plan import CampaignPlan, CellPlan, Need, SweepPlan
from overnight.domain.room import Reserve, is_low, sentence
from overnight.planner.fit import Card, is_free, kind_and_number, suits
from overnight.service.produced import Products, absolute, products_for
from overnight.service.surroundings import environment_trouble
from overnight.service.views import View
from overnight.targets.base import Files
from overnight.targets.secrets import read_secret

SHELL_SECONDS = 5.0
"""Longest wait for the shell's own check of a command."""
PARSED_AT_MOST = 32
"""Commands of a sweep that the shell is asked to parse; of more only the first, for they come from one template."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why something cannot start: a stable code and a sentence."""

    code: str
    detail: str

    @property
    def view(self) -> View:
        """As JSON."""
        return {"code": self.code, "detail": self.detail}


@dataclass(frozen=True, slots=True)
class Spot:
    """A target as preflight sees it."""

    files: Files
    cards: Sequence[Card]
    """All its devices; empty = not known."""
    taken: frozenset[str] = frozenset()
    """GPUs (ids) that runs of ours hold, or that are sick."""


@dataclass(frozen=True, slots=True)
class Ground:
    """What a plan would run on."""

    spots: Mapping[str, Spot]
    runs_folder: str
    reserve: Reserve
    variables: Mapping[str, str]
    """Environment of the server."""


@dataclass(slots=True)
class Report:
    """Everything that was found."""

    sweeps: dict[str, list[Trouble]] = field(default_factory=dict)
    """Sweep -> what keeps all of it from starting."""
    cells: dict[str, Trouble] = field(default_factory=dict)
    """Cell -> what keeps it alone from starting."""
    warnings: list[Trouble] = field(default_factory=list)

    def blocked(self, sweep: SweepPlan, cell: CellPlan) -> View | None:
        """The first thing that keeps a cell from starting."""
        whole = self.sweeps.get(sweep.name)
        found = whole[0] if whole else self.cells.get(cell.name)
        return found.view if found else None

    def refuse(self, place: str) -> None:
        """Raise PreflightFailed with every trouble of whole sweeps, each once."""
        problems = [
            Problem(f"sweeps.{name}", f"{it.detail} ({it.code})") for name, found in self.sweeps.items() for it in found
        ]
        if problems:
            raise PreflightFailed(place, problems)


def preflight(plan: CampaignPlan, ground: Ground) -> Report:
    """Look at everything that a plan needs."""
    report, products = Report(), products_for(plan)
    for sweep in plan.sweeps:
        spot = ground.spots.get(sweep.target)
        if spot is None:
            known = ", ".join(sorted(ground.spots))
            detail = f"there is no target named {sweep.target}; configured: {known}"
            report.sweeps[sweep.name] = [Trouble("ssh_unreachable", detail)]
            continue
        troubles = [*_folder(sweep), *_gpus(sweep, spot), *_disk(sweep, spot, ground), *_secrets(sweep, ground)]
        if os.path.isdir(sweep.workdir):
            troubles += [*_environment(sweep, ground), *_commands(sweep)]
            report.cells |= _preconditions(sweep, spot, products.get(sweep.name))
        if troubles:
            report.sweeps[sweep.name] = troubles
        report.warnings += _busy(plan, sweep, spot)
    return report


def _folder(sweep: SweepPlan) -> list[Trouble]:
    there = os.path.isdir(sweep.workdir)
    return [] if there else [Trouble("cwd_missing", f"the working directory {sweep.workdir} does not exist")]


def _environment(sweep: SweepPlan, ground: Ground) -> list[Trouble]:
    found = environment_trouble(sweep.environment, sweep.workdir, ground.variables)
    return [Trouble("env_missing", found)] if found else []


def _gpus(sweep: SweepPlan, spot: Spot) -> list[Trouble]:
    """Devices that the target does not have, whoever uses those that it has."""
    need = sweep.need
    kind, number = kind_and_number(need)
    there = [card.position for card in spot.cards if card.kind == kind]
    if not spot.cards or number == 0:
        return []
    if kind == "gpu" and (beyond := sorted(set(need.devices or ()) - set(there))):
        has = f"it has {', '.join(map(str, sorted(there)))}" if there else "it has none"
        listed = ", ".join(map(str, beyond))
        return [Trouble("gpu_missing", f"there is no GPU of index {listed} on {sweep.target}: {has}")]
    suiting = sum(suits(card, need) for card in spot.cards)
    if suiting >= number:
        return []
    return [Trouble(f"{kind}_missing", f"it needs {_wanted(need)}, {sweep.target} has {suiting}")]


def _wanted(need: Need) -> str:
    kind, number = kind_and_number(need)
    noun = ("GPU" if kind == "gpu" else "CPU slot") + ("s" if number != 1 else "")
    return f"{number} {noun}" + (f" with {need.gpu_memory_mib} MiB" if need.gpu_memory_mib and kind == "gpu" else "")


def _busy(plan: CampaignPlan, sweep: SweepPlan, spot: Spot) -> list[Trouble]:
    """Fewer free GPUs than it could use at once: its runs wait."""
    need = sweep.need
    usable = [card for card in spot.cards if card.kind == "gpu" and suits(card, need)] if need.gpus else []
    free = sum(is_free(card, need) and getattr(card, "id", "") not in spot.taken for card in usable)
    most = min(it for it in (plan.parallel, sweep.parallel, len(sweep.cells)) if it is not None)
    wanted = min(most * need.gpus, len(usable) // need.gpus * need.gpus) if usable else 0
    if free >= wanted:
        return []
    detail = f"{sweep.name} could use {wanted} GPUs at once, {free} are free now: its runs wait for them"
    return [Trouble("gpu_busy", detail)]


def _disk(sweep: SweepPlan, spot: Spot, ground: Ground) -> list[Trouble]:
    rooms = {room.path: room for room in map(spot.files.room, (sweep.workdir, ground.runs_folder))}
    return [Trouble("disk_low", sentence(it, ground.reserve)) for it in rooms.values() if is_low(it, ground.reserve)]


def _secrets(sweep: SweepPlan, ground: Ground) -> list[Trouble]:
    found = []
    for name, reference in sweep.secrets:
        try:
            read_secret(name, reference, sweep.workdir, ground.variables)
        except Refused as error:
            found.append(Trouble("secret_missing", error.message))
    return found


def _commands(sweep: SweepPlan) -> list[Trouble]:
    """Commands that could never be started. What earlier sweeps may yet make is not missed."""
    texts = list(dict.fromkeys(cell.command for cell in sweep.cells if isinstance(cell.command, str)))
    parsed = [it for text in texts[: 1 if len(texts) > PARSED_AT_MOST else None] if (it := _syntax(text))]
    environment = sweep.environment
    if sweep.needs or environment.venv or environment.conda or environment.uv or environment.container:
        return parsed[:1]
    programs = dict.fromkeys(
        cell.command[0] for cell in sweep.cells if not isinstance(cell.command, str) and "PATH" not in cell.env
    )
    return parsed[:1] + [it for program in programs if (it := _program(sweep, program))]


def _program(sweep: SweepPlan, program: str) -> Trouble | None:
    if "$" in program:
        return None
    path = os.path.join(sweep.workdir, program) if os.path.dirname(program) else program
    return None if shutil.which(path) else Trouble("command_missing", f"the program {program} was not found")


def _syntax(command: str) -> Trouble | None:
    """Ask the shell whether it can parse the text; `-n` runs nothing."""
    try:
        done = subprocess.run(
            ["/bin/sh", "-n", "-c", command.replace("${needs.", "${needs_")],
            capture_output=True,
            timeout=SHELL_SECONDS,
            check=False,
        )
    except (OSError, ValueError, subprocess.TimeoutExpired):
        return None
    text = done.stderr.decode("utf-8", errors="replace").strip()
    return Trouble("command_syntax", f"the shell cannot parse the command: {text[:200]}") if done.returncode else None


def _preconditions(sweep: SweepPlan, spot: Spot, products: Products | None) -> dict[str, Trouble]:
    """Cells with a required path that neither is there nor will be made by what they need."""
    paths = list(dict.fromkeys(path for cell in sweep.cells for path in cell.requires))
    missing = set(spot.files.missing(sweep.workdir, paths)) if paths else set()
    missing = {path for path in missing if not (products and products.has(absolute(sweep, path)))}
    if not missing:
        return {}
    found = {}
    for cell in sweep.cells:
        own = [path for path in cell.requires if path in missing]
        if own and not (cell.skip_if_done and spot.files.done(sweep.workdir, cell.outputs)):
            found[cell.name] = Trouble("precondition_missing", f"it requires {', '.join(own[:3])}, not there yet")
    return found
