"""Overnight's own campaign file: a mapping with `campaign`, defaults, and `sweeps`."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from overnight.domain.plan import Budget, CampaignPlan, CellPlan, Direction, Goal, SweepPlan
from overnight.manifest.axes import MAX_CELLS
from overnight.manifest.cells import Room
from overnight.manifest.document import Entry, TableNode, inside
from overnight.manifest.drafts import SweepDraft
from overnight.manifest.fields import check_keys, flag_of, is_null, seconds_of, table_of, text_of, whole_of
from overnight.manifest.findings import Findings, listing, quoted
from overnight.manifest.named import all_needs, check_folders, owners_of
from overnight.manifest.needs import behind_barriers, check_graph, link_cells
from overnight.manifest.outputs import Output, check_collisions, resolve_outputs, resolve_placed
from overnight.manifest.settings import KEYS, Settings, read_settings
from overnight.manifest.sweeps import expand_sweep, read_sweep
from overnight.manifest.template import NEEDS

TOP_KEYS = ("campaign", "goal", "limits", "analyze", "sweeps", *KEYS)
CAMPAIGN_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9 _.-]{0,127}")

_DIRECTIONS = {
    "maximize": Direction.MAXIMIZE,
    "max": Direction.MAXIMIZE,
    "minimize": Direction.MINIMIZE,
    "min": Direction.MINIMIZE,
}
_SYNONYMS = {
    "name": "campaign",
    "phases": "sweeps",
    "variables": "vars",
    "environ": "env",
    "retries": "retry",
    "timeout": "time_limit",
    "cwd": "workdir",
    "budget": "limits",
    "metric": "goal",
    "exclude": "mirror",
    "ssh": "target",
    "hosts": "targets",
}


@dataclass(frozen=True)
class _Limits:
    """`limits` of a campaign."""

    parallel: int | None = None
    attempts: int | None = None
    wall: float | None = None


def read_native(table: TableNode, directory: str, findings: Findings) -> CampaignPlan | None:
    """The plan of a file; None when anything is wrong with it, all of it noted."""
    check_keys(table, TOP_KEYS, "", findings, _SYNONYMS)
    name = _campaign(table, findings)
    goal = _goal(table.get("goal"), findings)
    limits = _limits(table.get("limits"), findings)
    settings = read_settings(table, "", Settings(workdir=directory), directory, findings)
    analyze = table.get("analyze")
    analysed = analyze is not None and flag_of(analyze.value, "analyze", findings) is True
    drafts = _drafts(table, name, settings, directory, findings)
    sweeps = _sweeps(drafts, findings)
    _check_unused(settings, drafts, findings)
    if len(findings) > 0:
        return None
    return CampaignPlan(
        name=name,
        sweeps=sweeps,
        goal=goal,
        budget=Budget(attempts=limits.attempts, wall=limits.wall),
        parallel=limits.parallel,
        priority=settings.priority,
        analyze=analysed,
    )


def _campaign(table: TableNode, findings: Findings) -> str:
    entry = table.get("campaign")
    if entry is None:
        findings.add("campaign", table.line, "the name of the campaign is missing: add `campaign: NAME`")
        return ""
    name = text_of(entry.value, "campaign", "a name", findings)
    if name is not None and CAMPAIGN_NAME.fullmatch(name) is None:
        message = (
            f"{quoted(name)} is no name: begin with a letter or digit, then letters, digits, blanks, _ . -, 128 at most"
        )
        findings.add("campaign", entry.line, message)
    return name or ""


def _goal(entry: Entry | None, findings: Findings) -> Goal | None:
    table = None if entry is None else table_of(entry, "goal", "{metric: NAME, direction: maximize}", findings)
    if entry is None or table is None:
        return None
    check_keys(table, ("metric", "direction"), "goal", findings, {"mode": "direction", "name": "metric"})
    for key in ("metric", "direction"):
        if table.get(key) is None:
            findings.add("goal", entry.line, f"`{key}` is missing: write {{metric: NAME, direction: maximize}}")
    metric = table.get("metric")
    measured = None if metric is None else text_of(metric.value, "goal.metric", "the name of a metric", findings)
    direction = table.get("direction")
    way = None
    if direction is not None:
        word = text_of(direction.value, "goal.direction", "maximize or minimize", findings)
        way = _DIRECTIONS.get(word or "")
        if word is not None and way is None:
            findings.add(
                "goal.direction", direction.line, f"{quoted(word)} is no direction: write maximize or minimize"
            )
    return None if measured is None or way is None else Goal(measured, way)


def _limits(entry: Entry | None, findings: Findings) -> _Limits:
    table = None if entry is None else table_of(entry, "limits", "{parallel: 4, attempts: 100, wall: 8h}", findings)
    if table is None:
        return _Limits()
    check_keys(table, ("parallel", "attempts", "wall"), "limits", findings, {"time": "wall", "runs": "attempts"})
    numbers = {
        found.key: whole_of(found.value, inside("limits", found.key), findings, least=1)
        for found in table
        if found.key in ("parallel", "attempts") and not is_null(found.value)
    }
    wall = table.get("wall")
    return _Limits(
        **numbers,
        wall=None
        if wall is None or is_null(wall.value)
        else seconds_of(wall.value, "limits.wall", findings, positive=True),
    )


def _drafts(
    table: TableNode, campaign: str, settings: Settings, directory: str, findings: Findings
) -> dict[str, SweepDraft]:
    entry = table.get("sweeps")
    if entry is None:
        findings.add("sweeps", table.line, "there are no sweeps: add `sweeps:` with at least one")
        return {}
    sweeps = table_of(entry, "sweeps", "a mapping of names to sweeps", findings)
    if sweeps is not None and not sweeps.entries:
        findings.add("sweeps", entry.line, "there are no sweeps: add at least one")
    return {
        item.key: draft
        for item in sweeps or ()
        if (draft := read_sweep(item, campaign, settings, directory, findings)) is not None
    }


def _sweeps(drafts: Mapping[str, SweepDraft], findings: Findings) -> tuple[SweepPlan, ...]:
    """All sweeps expanded, linked and checked against each other."""
    barriers = {name for name, draft in drafts.items() if draft.barrier}
    behind = behind_barriers({name: draft.phase or name for name, draft in drafts.items()}, barriers)
    if not _is_small_enough(drafts, findings):
        check_graph({name: draft.needs for name, draft in drafts.items()}, behind, findings)
        return ()
    room = Room()
    cells = {name: written for name, draft in drafts.items() if (written := expand_sweep(draft, room, findings))}
    _check_cell_names(drafts, cells, findings)
    check_collisions(_outputs(drafts, cells, findings), findings)
    owners, known = owners_of(cells), len(cells) == len(drafts)
    needs = {name: all_needs(draft, owners, known=known, findings=findings) for name, draft in drafts.items()}
    if not check_graph(needs, behind, findings):
        return ()
    linked = link_cells(cells, needs, {name: _single(draft) for name, draft in drafts.items()}, findings)
    for name, own in linked.items():
        check_folders(drafts[name], own, owners, findings)
    return tuple(drafts[name].plan(own, needs[name]) for name, own in linked.items())


def _outputs(
    drafts: Mapping[str, SweepDraft], cells: Mapping[str, Sequence[CellPlan]], findings: Findings
) -> list[Output]:
    """Every output of every sweep that lies outside of the runs' own folders."""
    outputs: list[Output] = []
    for name, written in cells.items():
        draft, workdir = drafts[name], drafts[name].settings.workdir
        if draft.runs is None:
            outputs += resolve_outputs(written, draft.templates.outputs, workdir, findings)
        else:
            outputs += resolve_placed([(run.cell, run.outputs) for run in draft.runs], workdir, findings)
    return outputs


def _is_small_enough(drafts: Mapping[str, SweepDraft], findings: Findings) -> bool:
    """Whether the file stands for no more cells than may be expanded."""
    total = 0
    for name, draft in drafts.items():
        total += draft.count
        if total > MAX_CELLS:
            message = f"the file has more than {MAX_CELLS:,} cells ({total:,} up to here): split it or use fewer values"
            findings.add(f"sweeps.{name}", draft.line, message)
            return False
    return True


def _single(draft: SweepDraft) -> frozenset[str]:
    """Sweeps of which a template uses the folder of the one matching run."""
    names = (reference.name for part, _ in draft.templates.texts() for reference in part.template.references)
    return frozenset(name.removeprefix(NEEDS) for name in names if name.startswith(NEEDS))


def _check_cell_names(
    drafts: Mapping[str, SweepDraft], cells: Mapping[str, list[CellPlan]], findings: Findings
) -> None:
    """Note names that two cells of the campaign would share."""
    owners: dict[str, list[tuple[str, CellPlan]]] = {}
    for sweep, written in cells.items():
        for cell in written:
            owners.setdefault(cell.name, []).append((sweep, cell))
    clashes: dict[str, list[str]] = {}
    for name, sharing in owners.items():
        if len(sharing) > 1:
            shown = listing(drafts[sweep].describe(cell) for sweep, cell in sharing)
            clashes.setdefault(sharing[-1][0], []).append(f"`{name}` ({shown})")
    for sweep, found in clashes.items():
        source = drafts[sweep].name_source
        advice = "put every parameter that differs into `name`" if drafts[sweep].runs is None else "rename one of them"
        message = f"cells would have the same name: {listing(found)}; {advice}"
        findings.add(source.place, source.line, message)


def _check_unused(settings: Settings, drafts: Mapping[str, SweepDraft], findings: Findings) -> None:
    """Note names in variables of the whole file that no sweep uses and none could resolve."""
    used = {name for draft in drafts.values() for name in draft.templates.used_variables()}
    known = {
        "campaign",
        "sweep",
        *settings.variables,
        *(name for draft in drafts.values() for name in draft.axes.names),
    }
    for name, part in SweepDraft.variables_of(settings).items():
        for reference in part.template.references if name not in used else ():
            if reference.at_launch:
                message = (
                    f"${{{reference.name}}} is known only when a run starts: use it in `command`, `outputs` or `env`"
                )
            elif reference.name not in known:
                message = f"unresolved name ${{{reference.name}}}: known are {listing(sorted(known), 20)}"
            else:
                continue
            findings.add(part.source.place, part.line_of(reference), message)
