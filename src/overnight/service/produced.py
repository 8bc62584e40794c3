"""Which files the cells of a plan will make for those that need them. Pure."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable

from overnight.domain.plan import CampaignPlan, SweepPlan
from overnight.manifest.patterns import Index, Pattern, meet


class Products:
    """The outputs of some sweeps: paths and patterns."""

    def __init__(self, outputs: Iterable[str]) -> None:
        self._index: Index[None] = Index()
        for output in dict.fromkeys(outputs):
            self._index.add(Pattern.of(output), None)

    def has(self, path: str) -> bool:
        """Whether one of them is, or may be, what a path or pattern names."""
        wanted = Pattern.of(path)
        return any(known.text == path or meet(known, wanted) for known, _ in self._index.like(wanted))


def products_for(plan: CampaignPlan) -> dict[str, Products]:
    """Sweep -> what the sweeps make that it needs, directly or not; for sweeps with paths that they require."""
    sweeps = {sweep.name: sweep for sweep in plan.sweeps}
    wanting = [sweep for sweep in plan.sweeps if any(cell.requires for cell in sweep.cells)]
    owners = {cell.name: sweep.name for sweep in plan.sweeps for cell in sweep.cells} if wanting else {}
    needs = {sweep.name: _needs(sweep, owners) for sweep in plan.sweeps} if wanting else {}
    return {sweep.name: _products(sweeps[it] for it in _ancestors(sweep.name, needs)) for sweep in wanting}


def _needs(sweep: SweepPlan, owners: dict[str, str]) -> set[str]:
    return {need.sweep for need in sweep.needs} | {owners[name] for cell in sweep.cells for name in cell.needs}


def _ancestors(name: str, needs: dict[str, set[str]]) -> list[str]:
    found: dict[str, None] = {}
    pending = sorted(needs[name])
    while pending:
        one = pending.pop()
        if one not in found and one != name:
            found[one] = None
            pending += sorted(needs[one])
    return list(found)


def _products(sweeps: Iterable[SweepPlan]) -> Products:
    return Products(absolute(sweep, output) for sweep in sweeps for cell in sweep.cells for output in cell.outputs)


def absolute(sweep: SweepPlan, path: str) -> str:
    """A path of a sweep as every other sweep would write it."""
    return posixpath.normpath(posixpath.join(sweep.workdir, path))
