"""One sweep of a native file: read into a draft, then expanded into cells."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

from overnight.domain.plan import CellPlan
from overnight.manifest.axes import AXIS_KEYS, Axes, expand_axes, read_axes
from overnight.manifest.cells import CellTemplates, Placed, Room, placed, write_cells, written_for_all
from overnight.manifest.document import Entry, ScalarNode, TableNode, inside
from overnight.manifest.drafts import SweepDraft
from overnight.manifest.fields import check_keys, is_null, text_of, whole_of, wrong
from overnight.manifest.findings import Findings, quoted
from overnight.manifest.names import check_names
from overnight.manifest.needs import PlacedNeed, read_needs
from overnight.manifest.oom import read_smaller
from overnight.manifest.outputs import check_places
from overnight.manifest.places import check_one_target
from overnight.manifest.runs import WrittenRun, read_runs
from overnight.manifest.settings import KEYS, Settings, read_settings
from overnight.manifest.texts import read_command, read_paths
from overnight.manifest.variables import SourceText

CELL_KEYS = ("command", "outputs", "name", "requires", "oom", *AXIS_KEYS)
"""Keys that say what the cells of a sweep are; `runs` stands instead of them."""
SWEEP_KEYS = (*CELL_KEYS, "runs", "needs", "parallel", "phase", "barrier", *KEYS)
SWEEP_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.~-]{0,127}")

_SYNONYMS = {
    "cmd": "command",
    "run": "command",
    "output": "outputs",
    "expected_output": "outputs",
    "depends_on": "needs",
    "id": "name",
    "matrix": "grid",
    "parameters": "grid",
    "params": "grid",
    "jobs": "cells",
    "timeout": "time_limit",
    "max_parallel": "parallel",
    "retries": "retry",
    "cwd": "workdir",
}


def read_sweep(entry: Entry, campaign: str, base: Settings, directory: str, findings: Findings) -> SweepDraft | None:
    """The draft of a sweep; None when it is no mapping at all."""
    place = inside("sweeps", entry.key)
    named = _is_sweep_name(entry.key, entry.line, place, findings)
    if not isinstance(entry.value, TableNode):
        wrong(entry.value, place, "a mapping with at least a `command`", findings)
        return None
    table = entry.value
    check_keys(table, SWEEP_KEYS, place, findings, _SYNONYMS)
    settings = read_settings(table, place, base, directory, findings)
    needs = read_needs(table.get("needs"), inside(place, "needs"), findings)
    if table.get("runs") is not None:
        axes, templates, runs, sound = _listed(entry, table, campaign, settings, needs, findings)
    else:
        runs = None
        axes, templates, sound = _templated(entry, table, campaign, settings, needs, findings)
    draft = SweepDraft(
        name=entry.key,
        line=entry.line,
        settings=settings,
        axes=axes,
        templates=templates,
        needs=needs,
        parallel=_parallel(table.get("parallel"), inside(place, "parallel"), findings),
        phase=_phase(table.get("phase"), inside(place, "phase"), findings),
        barrier=_barrier(table.get("barrier"), inside(place, "barrier"), findings),
        runs=runs,
        sound=named and sound,
    )
    check_one_target(table, place, settings.targets, _on_one_machine(draft), findings)
    return draft


def _on_one_machine(draft: SweepDraft) -> Iterator[tuple[str, bool]]:
    """What a sweep may say that means something on one machine only: key, and whether it is said."""
    settings, runs = draft.settings, draft.runs or ()
    yield "requires", bool(draft.templates.requires) or any(run.cell.requires for run in runs)
    yield "skip_if_done", settings.skip_if_done or any(run.cell.skip_if_done for run in runs)
    yield "barrier", draft.barrier
    yield "resources", settings.need.devices is not None


def _is_sweep_name(name: str, line: int, place: str, findings: Findings) -> bool:
    if SWEEP_NAME.fullmatch(name) is not None:
        return True
    message = f"{quoted(name)} is no name: begin with a letter or digit, then letters, digits, _ . ~ -, 128 at most"
    findings.add(place, line, message)
    return False


def _templated(
    entry: Entry,
    table: TableNode,
    campaign: str,
    settings: Settings,
    needs: Sequence[PlacedNeed],
    findings: Findings,
) -> tuple[Axes, CellTemplates, bool]:
    """The parameters and texts of a sweep, and whether they can be expanded."""
    place = inside("sweeps", entry.key)
    axes, expandable = read_axes(entry, table, place, findings)
    templates = _templates(entry, table, campaign, settings, findings)
    _check_replicates(table, settings, axes, place, findings)
    before = len(findings)
    smaller = read_smaller(table.get("oom"), inside(place, "oom"), axes, findings)
    check_names(templates, axes, _matched(needs), findings)
    expandable = expandable and len(findings) == before
    check_places(templates.outputs, findings)
    return axes, replace(templates, smaller=smaller), expandable


def _listed(
    entry: Entry,
    table: TableNode,
    campaign: str,
    settings: Settings,
    needs: Sequence[PlacedNeed],
    findings: Findings,
) -> tuple[Axes, CellTemplates, tuple[WrittenRun, ...], bool]:
    """The runs of a sweep that lists them; its own `env` is the only template."""
    place = inside("sweeps", entry.key)
    before = len(findings)
    for key in CELL_KEYS:
        other = table.get(key)
        if other is not None:
            message = f"`runs` lists whole runs, so `{key}` has no meaning beside it: remove one of them"
            findings.add(inside(place, key), other.line, message)
    axes = Axes((), frozenset(), {}, {}, (), (), entry.line)
    templates = _shared_texts(entry.key, campaign, settings)
    unresolved = len(findings)
    check_names(templates, axes, _matched(needs), findings)
    env = written_for_all(templates, findings) if len(findings) == unresolved else {}
    runs = read_runs(table.get("runs"), inside(place, "runs"), settings, env, findings)
    return axes, templates, runs, len(findings) == before


def _matched(needs: Sequence[PlacedNeed]) -> frozenset[str]:
    return frozenset(one.need.sweep for one in needs if one.need.match is not None)


def _parallel(entry: Entry | None, place: str, findings: Findings) -> int | None:
    return None if entry is None or is_null(entry.value) else whole_of(entry.value, place, findings, least=1)


def _phase(entry: Entry | None, place: str, findings: Findings) -> str:
    if entry is None or is_null(entry.value):
        return ""
    name = text_of(entry.value, place, "the name of a phase", findings) or ""
    return name if name == "" or _is_sweep_name(name, entry.line, place, findings) else ""


def _barrier(entry: Entry | None, place: str, findings: Findings) -> bool:
    if entry is None or is_null(entry.value):
        return False
    if isinstance(entry.value, ScalarNode) and entry.value.value == "settle":
        return True
    wrong(entry.value, place, "settle, the only kind of barrier", findings)
    return False


def expand_sweep(draft: SweepDraft, room: Room, findings: Findings) -> list[CellPlan]:
    """The cells of a draft, not yet linked to those of other sweeps; none when it is not sound."""
    if not draft.sound:
        return []
    if draft.runs is not None:
        return [run.cell for run in draft.runs]
    return write_cells(draft.templates, draft.axes, expand_axes(draft.axes, draft.place, findings), room, findings)


def _templates(entry: Entry, table: TableNode, campaign: str, settings: Settings, findings: Findings) -> CellTemplates:
    place = inside("sweeps", entry.key)
    command = read_command(table.get("command"), inside(place, "command"), entry.line, findings)
    shell = isinstance(command, SourceText)
    words = (command,) if isinstance(command, SourceText) else command
    return replace(
        _shared_texts(entry.key, campaign, settings),
        name=_name(table.get("name"), inside(place, "name"), findings),
        command=tuple(placed(part, shell=shell) for part in words),
        in_shell=shell,
        outputs=tuple(map(placed, read_paths(table.get("outputs"), inside(place, "outputs"), findings))),
        requires=tuple(map(placed, read_paths(table.get("requires"), inside(place, "requires"), findings))),
    )


def _name(entry: Entry | None, place: str, findings: Findings) -> Placed | None:
    text = None if entry is None else text_of(entry.value, place, "a text such as run-${seed}", findings)
    return None if entry is None or text is None else placed(SourceText(text, place, entry.line))


def _shared_texts(sweep: str, campaign: str, settings: Settings) -> CellTemplates:
    """The texts that a sweep has from its settings alone."""
    return CellTemplates(
        sweep=sweep,
        campaign=campaign,
        name=None,
        command=(),
        in_shell=False,
        outputs=(),
        env={key: placed(source) for key, source in settings.env.items()},
        variables=SweepDraft.variables_of(settings),
        skip_if_done=settings.skip_if_done,
    )


def _check_replicates(table: TableNode, settings: Settings, axes: Axes, place: str, findings: Findings) -> None:
    """A sweep that names its own replicates must have them; those of the whole file need not fit every sweep."""
    entry = table.get("replicates")
    if entry is None:
        return
    for name in settings.replicates:
        if name not in axes.names:
            message = f"`{name}` is not a parameter of this sweep: name one of its parameters"
            findings.add(inside(place, "replicates"), entry.line, message)
