"""Phases become sweeps: expanded, linked, checked against each other, and split by GPUs per job."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from overnight.domain.plan import CellPlan, EnvironmentPlan, SweepNeed, SweepPlan
from overnight.manifest.axes import MAX_CELLS, described
from overnight.manifest.cells import Room
from overnight.manifest.findings import Findings, listing
from overnight.manifest.needs import behind_barriers, check_graph, link_cells
from overnight.manifest.outputs import Output, check_collisions, resolve_outputs
from overnight.manifest.queue.cells import expand
from overnight.manifest.queue.jobs import JobDraft
from overnight.manifest.queue.phases import PhaseDraft

SPLIT = "~"
"""Stands between a phase and the number of its sweep from the second on; no name of a phase has it."""

_DEVICE = re.compile(r"(?<!\$)\$\{GPU\}")


@dataclass(frozen=True)
class Made:
    """A cell and the draft that it comes from."""

    cell: CellPlan
    draft: JobDraft

    @property
    def described(self) -> str:
        """Where it stands and which it is there, for a sentence."""
        axes = {name: self.cell.parameters[name] for name in self.draft.axes}
        return f"{self.draft.place} with {described(axes)}" if axes else self.draft.place


def sweeps_of(
    phases: Sequence[PhaseDraft], target: str, limit: int | None, findings: Findings
) -> tuple[SweepPlan, ...]:
    """All sweeps, in the order of the phases; what is wrong is noted. `limit` is `max_parallel`."""
    needs = {phase.name: phase.needs for phase in phases}
    barriers = {phase.name for phase in phases if phase.barrier}
    behind = behind_barriers({phase.name: phase.name for phase in phases}, barriers)
    connected = check_graph(needs, behind, findings, noun="phase")
    if not _is_small_enough(phases, findings):
        return ()
    room = Room()
    made = {phase.name: _expanded(phase, room, findings) for phase in phases}
    _check_ids([it for group in made.values() for it in group], findings)
    _check_outputs(phases, made, findings)
    if not connected:
        return ()
    cells = {phase.name: [it.cell for it in made[phase.name]] for phase in phases if _is_whole(phase, made)}
    linked = link_cells(cells, needs, dict.fromkeys(cells, frozenset()), findings)
    if len(findings) > 0:
        return ()
    groups = {phase.name: _grouped(phase, made[phase.name], linked[phase.name]) for phase in phases}
    names = {phase: _sweep_names(phase, len(found)) for phase, found in groups.items()}
    return tuple(
        _sweep(phase, name, gpus, found, names, target, limit)
        for phase in phases
        for name, (gpus, found) in zip(names[phase.name], groups[phase.name].items(), strict=True)
    )


def _is_whole(phase: PhaseDraft, made: Mapping[str, Sequence[Made]]) -> bool:
    """Whether every job of a phase could be made, so that others can be matched with them."""
    return all(job.sound for job in phase.jobs) and phase.count == len(made[phase.name])


def _is_small_enough(phases: Iterable[PhaseDraft], findings: Findings) -> bool:
    total = 0
    for draft in (job for phase in phases for job in phase.jobs):
        total += draft.count
        if total > MAX_CELLS:
            message = f"the file has more than {MAX_CELLS:,} jobs ({total:,} up to here): split it or use fewer values"
            findings.add(draft.place, draft.line, message)
            return False
    return True


def _expanded(phase: PhaseDraft, room: Room, findings: Findings) -> list[Made]:
    """The cells of a phase, but for drafts with whose cells something is wrong: more would only follow from that."""
    made: list[Made] = []
    for draft in phase.jobs:
        before = len(findings)
        cells = expand(draft, phase.settings.job, room, findings) if draft.sound else []
        if len(findings) == before:
            made += [Made(cell, draft) for cell in cells]
    return made


def _check_ids(made: Iterable[Made], findings: Findings) -> None:
    """Note ids that several jobs have."""
    owners: dict[str, list[Made]] = {}
    for it in made:
        owners.setdefault(it.cell.name, []).append(it)
    clashes: dict[str, list[str]] = {}
    last: dict[str, Made] = {}
    for name, sharing in owners.items():
        if len(sharing) > 1:
            place = sharing[-1].draft.id.source.place
            last[place] = sharing[-1]
            clashes.setdefault(place, []).append(f"`{name}` ({listing(it.described for it in sharing)})")
    for place, found in clashes.items():
        message = f"jobs have the same id: {listing(found)}. Put every axis that differs into the id"
        findings.add(place, last[place].draft.id.source.line, message)


def _check_outputs(phases: Iterable[PhaseDraft], made: Mapping[str, Sequence[Made]], findings: Findings) -> None:
    """Note outputs that two jobs could both write; `${GPU}` may become anything."""
    outputs: list[Output] = []
    for phase in phases:
        by_draft: dict[int, list[Made]] = {}
        for it in made[phase.name]:
            by_draft.setdefault(id(it.draft), []).append(it)
        for group in by_draft.values():
            output = group[0].draft.output
            if output is not None:
                cells = [it.cell for it in group]
                outputs += resolve_outputs(cells, [output], phase.settings.workdir, findings)
    check_collisions([_anywhere(output) for output in outputs], findings)


def _anywhere(output: Output) -> Output:
    """The output with a pattern for what is known only at launch."""
    return replace(output, path=_DEVICE.sub("*", output.path)) if "${GPU}" in output.path else output


def _grouped(phase: PhaseDraft, made: Sequence[Made], cells: Sequence[CellPlan]) -> dict[int, list[CellPlan]]:
    """Cells by GPUs per job, those of the phase's own number first; all alike where no GPU is used."""
    usual = phase.settings.job.gpus_per_job
    groups: dict[int, list[CellPlan]] = {usual: []}
    for it, cell in zip(made, cells, strict=True):
        gpus = usual if phase.settings.gpus == () else it.draft.settings.gpus_per_job
        groups.setdefault(gpus, []).append(cell)
    return {gpus: found for gpus, found in groups.items() if found}


def _sweep_names(phase: str, count: int) -> list[str]:
    return [phase, *(f"{phase}{SPLIT}{number}" for number in range(2, count + 1))]


def _sweep(
    phase: PhaseDraft,
    name: str,
    gpus: int,
    cells: Sequence[CellPlan],
    names: Mapping[str, Sequence[str]],
    target: str,
    limit: int | None,
) -> SweepPlan:
    settings = phase.settings
    return SweepPlan(
        name=name,
        cells=tuple(cells),
        workdir=settings.workdir,
        needs=tuple(SweepNeed(sweep, it.need.match) for it in phase.needs for sweep in names[it.need.sweep]),
        need=settings.need(gpus),
        retry=settings.retry,
        environment=_environment(settings.environment),
        time_limit=settings.job.timeout,
        parallel=1 if limit is None and settings.gpus == () else None,
        replicates=settings.replicates,
        phase=phase.name,
        barrier=phase.barrier,
        targets=(target,),
        estimate=settings.job.estimate,
        stale_after=settings.job.stale_after,
        precondition_wait=settings.precondition_wait,
    )


def _environment(given: EnvironmentPlan) -> EnvironmentPlan:
    """Without the path of a conda that nothing uses."""
    return given if given.conda is not None else replace(given, conda_hook=None)
