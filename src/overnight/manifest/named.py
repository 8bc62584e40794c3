"""Runs that name the runs of other sweeps that they wait for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from overnight.domain.plan import CellPlan, SweepNeed
from overnight.manifest.drafts import SweepDraft
from overnight.manifest.findings import Findings, suggestion
from overnight.manifest.needs import PlacedNeed
from overnight.manifest.runs import WrittenRun
from overnight.manifest.template import NEEDS, Template
from overnight.manifest.variables import SourceText

Owners = Mapping[str, str]
"""Names of runs to the sweeps that they belong to."""


def owners_of(cells: Mapping[str, Sequence[CellPlan]]) -> Owners:
    """Which sweep each run belongs to."""
    return {cell.name: sweep for sweep, own in cells.items() for cell in own}


def all_needs(draft: SweepDraft, owners: Owners, *, known: bool, findings: Findings) -> tuple[PlacedNeed, ...]:
    """What a sweep needs: as it declares, and the sweeps whose runs its runs name (`match` is empty then).

    `known`: every sweep could be read, so that a name that no run has is a mistake.
    """
    declared = {one.need.sweep for one in draft.needs}
    named: dict[str, PlacedNeed] = {}
    for run in draft.runs or ():
        for name in run.needs:
            sweep = owners.get(name.text)
            if sweep == draft.name or (sweep is None and known):
                _refuse(run, name, owners, findings)
            elif sweep is not None and sweep not in declared:
                named.setdefault(sweep, PlacedNeed(SweepNeed(sweep, ()), name.place, name.line))
    return (*draft.needs, *named.values())


def _refuse(run: WrittenRun, named: SourceText, owners: Owners, findings: Findings) -> None:
    if named.text in owners:
        message = f"`{named.text}` is a run of this sweep, but only runs of other sweeps can be needed: split the sweep"
    else:
        message = f"there is no run `{named.text}` that `{run.cell.name}` could need"
        message += suggestion(named.text, owners) or ": name a run of another sweep"
    findings.add(named.place, named.line, message)


def check_folders(draft: SweepDraft, linked: Sequence[CellPlan], owners: Owners, findings: Findings) -> None:
    """Note where `${needs.SWEEP}` of a written run is not the folder of exactly one run."""
    for run, cell in zip(draft.runs or (), linked, strict=False):
        wanted = {name for text in _texts(cell) if f"${{{NEEDS}" in text for name in _sweeps_in(text)}
        counts = Counter(owners.get(name) for name in cell.needs) if wanted else Counter[str | None]()
        for sweep in sorted(wanted):
            if counts[sweep] != 1:
                message = f"${{{NEEDS}{sweep}}} means one run, but this one needs {counts[sweep]} of `{sweep}`"
                findings.add(run.place, run.line, f"{message}: name one in `needs`")


def _texts(cell: CellPlan) -> Iterator[str]:
    """Everything of a run in which launch names are replaced, but its outputs."""
    for command, env in ((cell.command, cell.env), *((one.command, one.env) for one in cell.smaller)):
        yield from (command,) if isinstance(command, str) else command
        yield from env.values()


def _sweeps_in(text: str) -> Iterator[str]:
    for reference in Template.of(text, shell=False).references:
        if reference.name.startswith(NEEDS):
            yield reference.name.removeprefix(NEEDS)
