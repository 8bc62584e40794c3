"""The phases of a manifest: `phases`, or one that `grid`, `template` and `jobs` at the top make up."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from overnight.domain.plan import SweepNeed
from overnight.manifest.cells import Placed
from overnight.manifest.document import Entry, ListNode, Node, ScalarNode, TableNode, inside
from overnight.manifest.fields import MAX_NAMES, argument_of, check_keys, is_null, names_of, text_of, wrong
from overnight.manifest.findings import Findings, quoted
from overnight.manifest.needs import PlacedNeed
from overnight.manifest.queue.cells import ID_RULE, JOB_ID
from overnight.manifest.queue.environment import KEYS as ENVIRONMENT_KEYS
from overnight.manifest.queue.grid import Axes, read_grid
from overnight.manifest.queue.jobs import Around, JobDraft, read_job
from overnight.manifest.queue.settings import Settings, read_settings

SHARED_KEYS = (
    "cwd", *ENVIRONMENT_KEYS, "vars", "preconditions", "precondition_wait", "gpus", "gpus_per_job", "oom_retry",
    "replicates", "estimate", "timeout", "stale_after", "skip_if_done", "grid", "template", "jobs",
)  # fmt: skip
"""Keys of the top and of phases."""
PHASE_KEYS = ("name", "depends_on", "barrier", *SHARED_KEYS)
SYNONYMS = {
    "needs": "depends_on",
    "after": "depends_on",
    "workdir": "cwd",
    "time_limit": "timeout",
    "retry": "oom_retry",
    "runs": "jobs",
    "id": "name",
    "axes": "grid",
    "matrix": "grid",
    "variables": "vars",
    "requires": "preconditions",
}
MAIN = "main"
"""Name of the phase that the top of a file makes up."""
SETTLE = "settle"
"""The one kind of barrier."""

_DEPENDS = "the name of a phase, a list of names, or {phase: NAME, match: [axis, ...]}"


@dataclass(frozen=True)
class PhaseDraft:
    """A phase that was read but not expanded."""

    name: str
    place: str
    line: int
    settings: Settings
    jobs: tuple[JobDraft, ...]
    needs: tuple[PlacedNeed, ...] = ()
    barrier: bool = False

    @property
    def count(self) -> int:
        """Jobs that it stands for."""
        return sum(job.count for job in self.jobs)


def read_phases(table: TableNode, settings: Settings, command: Placed | None, findings: Findings) -> list[PhaseDraft]:
    """All phases in the order of the file; the one of the top comes first."""
    phases: list[PhaseDraft] = []
    if any(table.get(key) for key in ("grid", "template", "jobs")):
        around = Around(MAIN, settings, command)
        phases.append(PhaseDraft(MAIN, "", table.line, settings, _jobs(table, "", around, findings)))
    entry = table.get("phases")
    if entry is not None:
        phases.extend(_phases(entry, settings, command, findings))
    _check_names(phases, findings)
    return phases


def _phases(entry: Entry, settings: Settings, command: Placed | None, findings: Findings) -> list[PhaseDraft]:
    if not isinstance(entry.value, ListNode):
        wrong(entry.value, "phases", "a list of phases", findings)
        return []
    items = entry.value.items
    if not items:
        findings.add("phases", entry.line, "there are no phases: add at least one")
    if len(items) > MAX_NAMES:
        findings.add("phases", entry.line, f"more than {MAX_NAMES:,} phases stand here: write fewer, with grids")
        return []
    read = (_phase(item, index, settings, command, findings) for index, item in enumerate(items))
    return [phase for phase in read if phase is not None]


def _phase(node: Node, index: int, outer: Settings, command: Placed | None, findings: Findings) -> PhaseDraft | None:
    place = f"phases[{index}]"
    if not isinstance(node, TableNode):
        wrong(node, place, "a mapping with `grid` and `template`, or with `jobs`", findings)
        return None
    check_keys(node, PHASE_KEYS, place, findings, SYNONYMS)
    name = _name(node, index, place, findings)
    settings = read_settings(node, place, outer, findings)
    return PhaseDraft(
        name=name,
        place=place,
        line=node.line,
        settings=settings,
        jobs=_jobs(node, place, Around(_in_ids(name, index), settings, command), findings),
        needs=_needs(node.get("depends_on"), inside(place, "depends_on"), findings),
        barrier=_barrier(node.get("barrier"), inside(place, "barrier"), findings),
    )


def _name(table: TableNode, index: int, place: str, findings: Findings) -> str:
    entry = table.get("name")
    if entry is None or is_null(entry.value):
        return f"phase_{index}"
    here = inside(place, "name")
    name = argument_of(entry.value, here, "a name", findings)
    if name is not None and JOB_ID.fullmatch(name) is None:
        findings.add(here, entry.line, f"{quoted(name)} is no name of a phase: {ID_RULE}")
    return name or f"phase_{index}"


def _in_ids(name: str, index: int) -> str:
    """The name of a phase as the beginning of ids that are made; one that is no legal name was noted already."""
    return name if JOB_ID.fullmatch(name) else f"phase_{index}"


def _check_names(phases: Iterable[PhaseDraft], findings: Findings) -> None:
    first: dict[str, PhaseDraft] = {}
    for phase in phases:
        other = first.setdefault(phase.name, phase)
        if other is not phase:
            where = other.place or "what stands at the top"
            findings.add(inside(phase.place, "name"), phase.line, f"{where} is called `{phase.name}` too: rename one")


def _jobs(table: TableNode, place: str, around: Around, findings: Findings) -> tuple[JobDraft, ...]:
    """The jobs of the grid, then the listed ones."""
    drafts: list[JobDraft] = []
    grid, template, jobs = (_given(table.get(key)) for key in ("grid", "template", "jobs"))
    if grid or template:
        drafts.extend(_templated(grid, template, place, around, findings))
    if jobs is not None:
        drafts.extend(_listed(jobs, inside(place, "jobs"), around, findings))
    if grid is None and template is None and (jobs is None or _is_empty(jobs.value)):
        message = f"the phase `{around.phase}` has no jobs: add `jobs`, or `grid` and `template`"
        findings.add(place or "jobs", jobs.line if jobs else table.line, message)
    return tuple(drafts)


def _given(entry: Entry | None) -> Entry | None:
    return None if entry is None or is_null(entry.value) else entry


def _is_empty(node: Node) -> bool:
    return isinstance(node, ListNode) and not node.items


def _templated(
    grid: Entry | None, template: Entry | None, place: str, around: Around, findings: Findings
) -> list[JobDraft]:
    before = len(findings)
    axes: Axes = {} if grid is None else read_grid(grid, inside(place, "grid"), findings)
    sound = len(findings) == before
    here = inside(place, "template")
    node = template.value if template else TableNode(grid.line if grid else 0, ())
    if not isinstance(node, TableNode):
        wrong(node, here, "a mapping such as {id: ..., cmd: ...}", findings)
        return []
    return [read_job(node, here, axes, around, findings, template=True, sound=sound)]


def _listed(entry: Entry, place: str, around: Around, findings: Findings) -> list[JobDraft]:
    if not isinstance(entry.value, ListNode):
        wrong(entry.value, place, "a list of jobs, such as [{id: a, cmd: ...}]", findings)
        return []
    drafts: list[JobDraft] = []
    for index, item in enumerate(entry.value.items):
        here = f"{place}[{index}]"
        if isinstance(item, TableNode):
            drafts.append(read_job(item, here, {}, around, findings, template=False))
        else:
            wrong(item, here, "a mapping such as {id: a, cmd: ...}", findings)
    return drafts


def _needs(entry: Entry | None, place: str, findings: Findings) -> tuple[PlacedNeed, ...]:
    """The dependencies of a phase, unchecked against the other phases."""
    if entry is None or is_null(entry.value):
        return ()
    if not isinstance(entry.value, ListNode):
        found = _need(entry.value, entry.line, place, findings)
        return () if found is None else (found,)
    needs: dict[str, PlacedNeed] = {}
    for index, item in enumerate(entry.value.items):
        need = _need(item, item.line, f"{place}[{index}]", findings)
        if need is not None and needs.setdefault(need.need.sweep, need) is not need:
            findings.add(need.place, need.line, f"`{need.need.sweep}` is named twice: remove one")
    return tuple(needs.values())


def _need(node: Node, line: int, place: str, findings: Findings) -> PlacedNeed | None:
    if not isinstance(node, TableNode):
        name = text_of(node, place, _DEPENDS, findings)
        return None if name is None else PlacedNeed(SweepNeed(name), place, line)
    check_keys(node, ("phase", "match"), place, findings, {"name": "phase", "on": "match", "axes": "match"})
    phase, match = node.get("phase"), _given(node.get("match"))
    if phase is None:
        findings.add(place, line, f"the phase is missing: write {_DEPENDS}")
        return None
    name = text_of(phase.value, inside(place, "phase"), "the name of a phase", findings)
    axes = None if match is None else names_of(match.value, inside(place, "match"), "the name of an axis", findings)
    if match is not None and axes == ():
        findings.add(inside(place, "match"), match.line, "no axis stands here: name one, or remove `match`")
    return None if name is None else PlacedNeed(SweepNeed(name, axes or None), place, line)


def _barrier(entry: Entry | None, place: str, findings: Findings) -> bool:
    if entry is None or is_null(entry.value):
        return False
    if not isinstance(entry.value, ScalarNode) or entry.value.value != SETTLE:
        wrong(entry.value, place, f"`{SETTLE}`, the one kind of barrier", findings)
        return False
    return True
