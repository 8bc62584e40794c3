"""What would keep the runs of a plan from starting, found without starting or changing anything.

Each trouble has a code. All but `precondition_missing` concern whole sweeps, and nothing of the plan is submitted while
there is one on every target that a sweep may go to; a cell whose paths are missing waits by itself.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field

from overnight.domain.cluster import HERE
from overnight.domain.errors import PreflightFailed, Problem, Refused, Unavailable
from overnight.domain.plan import CampaignPlan, CellPlan, Need, SweepPlan
from overnight.domain.room import is_low, sentence
from overnight.planner.candidates import wanted
from overnight.planner.fit import Card, is_free, kind_and_number, suits
from overnight.service import far_ground
from overnight.service.commands import missing_programs, unparsed
from overnight.service.ground import Ground, Spot, Trouble
from overnight.service.produced import Products, absolute, products_for
from overnight.service.surroundings import environment_trouble
from overnight.service.views import View
from overnight.targets.secrets import read_secret

__all__ = ["Ground", "Report", "Spot", "Trouble", "preflight"]


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
        found = {target: _on(target, sweep, ground) for target in sweep.targets}
        good = [target for target, troubles in found.items() if not troubles]
        troubles = _anywhere(sweep, ground)
        there = [_named(it, target, sweep) for target, its in found.items() for it in its]
        if good:
            report.warnings += [Trouble(it.code, f"{sweep.name} goes elsewhere: {it.detail}") for it in there]
        if troubles or not good:
            report.sweeps[sweep.name] = troubles if good else [*there, *troubles]
        _look_closer(plan, sweep, ground, report, products.get(sweep.name))
    return report


def _named(trouble: Trouble, target: str, sweep: SweepPlan) -> Trouble:
    return trouble if len(sweep.targets) == 1 else Trouble(trouble.code, f"{target}: {trouble.detail}")


def _anywhere(sweep: SweepPlan, ground: Ground) -> list[Trouble]:
    """What is wrong wherever it runs: secrets are read here, and a folder that is copied lies here."""
    copied = sweep.mirror and HERE not in sweep.targets
    return [*(_folder(sweep) if copied else ()), *_secrets(sweep, ground), *unparsed(sweep)]


def _on(target: str, sweep: SweepPlan, ground: Ground) -> list[Trouble]:
    """Why no run of a sweep could start on one of its targets."""
    spot = ground.spots.get(target)
    if spot is None:
        known = ", ".join(sorted(ground.spots))
        return [Trouble("ssh_unreachable", f"there is no target named {target}; configured: {known}")]
    if spot.away is not None:
        return [spot.away]
    if spot.near:
        return [*_folder(sweep), *_gpus(sweep, target, spot), *_disk(sweep, spot, ground), *_inside(sweep, ground)]
    try:
        return [*far_ground.missing(sweep, spot), *_gpus(sweep, target, spot), *far_ground.full(sweep, spot, ground)]
    except Unavailable as error:
        return [far_ground.unreachable(target, error)]


def _look_closer(plan: CampaignPlan, sweep: SweepPlan, ground: Ground, report: Report, made: Products | None) -> None:
    """Files that are required, and GPUs that are in use: what makes runs wait."""
    spots = [spot for target in sweep.targets if (spot := ground.spots.get(target)) and spot.away is None]
    report.warnings += _busy(plan, sweep, spots)
    for spot in spots[:1]:
        try:
            report.cells |= _preconditions(sweep, spot, ground, made)
        except Unavailable:
            continue  # said as `ssh_unreachable`, or it is by the next look


def _folder(sweep: SweepPlan) -> list[Trouble]:
    there = os.path.isdir(sweep.workdir)
    return [] if there else [Trouble("cwd_missing", f"the working directory {sweep.workdir} does not exist")]


def _inside(sweep: SweepPlan, ground: Ground) -> list[Trouble]:
    """What is missed in a working folder of this machine that is there, and around it."""
    if not os.path.isdir(sweep.workdir):
        return []
    found = environment_trouble(sweep.environment, sweep.workdir, ground.variables)
    return [*([Trouble("env_missing", found)] if found else ()), *missing_programs(sweep)]


def _gpus(sweep: SweepPlan, target: str, spot: Spot) -> list[Trouble]:
    """Devices that the target does not have, whoever uses those that it has."""
    need = sweep.need
    kind, number = kind_and_number(need)
    there = [card.position for card in spot.cards if card.kind == kind]
    if not spot.cards or number == 0:
        return []
    if kind == "gpu" and (beyond := sorted(set(need.devices or ()) - set(there))):
        has = f"it has {', '.join(map(str, sorted(there)))}" if there else "it has none"
        listed = ", ".join(map(str, beyond))
        return [Trouble("gpu_missing", f"there is no GPU of index {listed} on {target}: {has}")]
    suiting = sum(suits(card, need) for card in spot.cards)
    if suiting >= number:
        return []
    return [Trouble(f"{kind}_missing", f"it needs {wanted(need)}, {target} has {suiting}")]


def _busy(plan: CampaignPlan, sweep: SweepPlan, spots: Sequence[Spot]) -> list[Trouble]:
    """Fewer free GPUs than it could use at once: its runs wait."""
    need = sweep.need
    if need.gpus == 0:
        return []
    usable = [[card for card in spot.cards if card.kind == "gpu" and suits(card, need)] for spot in spots]
    free = sum(_is_free(card, need, spot) for spot, cards in zip(spots, usable, strict=True) for card in cards)
    most = min(it for it in (plan.parallel, sweep.parallel, len(sweep.cells)) if it is not None)
    room = sum(len(cards) // need.gpus for cards in usable)
    could = min(most, room) * need.gpus
    if free >= could:
        return []
    detail = f"{sweep.name} could use {could} GPUs at once, {free} are free now: its runs wait for them"
    return [Trouble("gpu_busy", detail)]


def _is_free(card: Card, need: Need, spot: Spot) -> bool:
    return is_free(card, need) and getattr(card, "id", "") not in spot.taken


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


def _preconditions(sweep: SweepPlan, spot: Spot, ground: Ground, products: Products | None) -> dict[str, Trouble]:
    """Cells with a required path that neither is there nor will be made by what they need."""
    paths = list(dict.fromkeys(path for cell in sweep.cells for path in cell.requires))
    missing = far_ground.missing_paths(sweep, spot, ground, paths) if paths else set()
    missing = {path for path in missing if not (products and products.has(absolute(sweep, path)))}
    if not missing:
        return {}
    found = {}
    for cell in sweep.cells:
        own = [path for path in cell.requires if path in missing]
        if own and not (cell.skip_if_done and spot.files.done(far_ground.workdir(sweep, spot), cell.outputs)):
            found[cell.name] = Trouble("precondition_missing", f"it requires {', '.join(own[:3])}, not there yet")
    return found
