"""One sweep of a native file: read into a draft, then expanded into cells."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from overnight.domain.plan import CellPlan, SweepPlan
from overnight.manifest.axes import AXIS_KEYS, Axes, described, expand_axes, read_axes
from overnight.manifest.cells import CellTemplates, Placed, Room, check_names, placed, write_cells
from overnight.manifest.document import Entry, ListNode, Node, ScalarNode, TableNode, inside
from overnight.manifest.fields import argument_of, check_keys, is_null, is_passable, text_of, whole_of, wrong
from overnight.manifest.findings import Findings, quoted
from overnight.manifest.needs import PlacedNeed, read_needs
from overnight.manifest.outputs import check_places
from overnight.manifest.settings import KEYS, Settings, SourceText, read_settings

SWEEP_KEYS = ("command", "outputs", "name", "needs", "parallel", *AXIS_KEYS, *KEYS)
SWEEP_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")

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


@dataclass(frozen=True)
class SweepDraft:
    """A sweep that was read but not expanded."""

    name: str
    line: int
    settings: Settings
    axes: Axes
    templates: CellTemplates
    needs: tuple[PlacedNeed, ...]
    parallel: int | None
    sound: bool
    """Whether it can be expanded; else problems are noted."""

    @property
    def place(self) -> str:
        """Where the sweep stands in the file."""
        return f"sweeps.{self.name}"

    @property
    def name_source(self) -> SourceText:
        """Where the names of its cells come from."""
        named = self.templates.name
        return named.source if named else SourceText("", self.place, self.line)

    @staticmethod
    def variables_of(settings: Settings) -> dict[str, Placed]:
        """The variables of settings as templates."""
        return {name: placed(source) for name, source in settings.variables.items()}

    def describe(self, cell: CellPlan) -> str:
        """A cell by its sweep and parameters, for a sentence."""
        return f"{self.name}: {described(cell.parameters)}"

    def plan(self, cells: Sequence[CellPlan]) -> SweepPlan:
        """The sweep with its cells."""
        return SweepPlan(
            name=self.name,
            cells=tuple(cells),
            workdir=self.settings.workdir,
            needs=tuple(one.need for one in self.needs),
            need=self.settings.need,
            retry=self.settings.retry,
            environment=self.settings.environment,
            time_limit=self.settings.time_limit,
            grace=self.settings.grace,
            parallel=self.parallel,
            priority=self.settings.priority,
            replicates=self.settings.replicates,
        )


def read_sweep(entry: Entry, campaign: str, base: Settings, directory: str, findings: Findings) -> SweepDraft | None:
    """The draft of a sweep; None when it is no mapping at all."""
    place = inside("sweeps", entry.key)
    named = SWEEP_NAME.fullmatch(entry.key) is not None
    if not named:
        message = (
            f"{quoted(entry.key)} is no name: begin with a letter or digit, then letters, digits, _ . -, 64 at most"
        )
        findings.add(place, entry.line, message)
    if not isinstance(entry.value, TableNode):
        wrong(entry.value, place, "a mapping with at least a `command`", findings)
        return None
    table = entry.value
    check_keys(table, SWEEP_KEYS, place, findings, _SYNONYMS)
    settings = read_settings(table, place, base, directory, findings)
    axes, expandable = read_axes(entry, table, place, findings)
    needs = read_needs(table.get("needs"), inside(place, "needs"), findings)
    parallel = table.get("parallel")
    limit = None
    if parallel is not None and not is_null(parallel.value):
        limit = whole_of(parallel.value, inside(place, "parallel"), findings, least=1)
    templates = _templates(entry, table, campaign, settings, findings)
    _check_replicates(table, settings, axes, place, findings)
    matched = frozenset(one.need.sweep for one in needs if one.need.match is not None)
    before = len(findings)
    check_names(templates, axes, matched, findings)
    sound = named and expandable and len(findings) == before
    check_places(templates.outputs, findings)
    return SweepDraft(entry.key, entry.line, settings, axes, templates, needs, limit, sound)


def expand_sweep(draft: SweepDraft, room: Room, findings: Findings) -> list[CellPlan]:
    """The cells of a draft, not yet linked to those of other sweeps; none when it is not sound."""
    if not draft.sound:
        return []
    return write_cells(draft.templates, draft.axes, expand_axes(draft.axes, draft.place, findings), room, findings)


def _templates(entry: Entry, table: TableNode, campaign: str, settings: Settings, findings: Findings) -> CellTemplates:
    place = inside("sweeps", entry.key)
    command = _command(table.get("command"), inside(place, "command"), entry.line, findings)
    named = table.get("name")
    name = None
    if named is not None:
        here = inside(place, "name")
        text = text_of(named.value, here, "a text such as run-${seed}", findings)
        name = None if text is None else placed(SourceText(text, here, named.line))
    shell = isinstance(command, SourceText)
    return CellTemplates(
        sweep=entry.key,
        campaign=campaign,
        name=name,
        command=tuple(
            placed(part, shell=shell) for part in ((command,) if isinstance(command, SourceText) else command)
        ),
        in_shell=shell,
        outputs=tuple(placed(part) for part in _outputs(table.get("outputs"), inside(place, "outputs"), findings)),
        env={key: placed(source) for key, source in settings.env.items()},
        variables=SweepDraft.variables_of(settings),
    )


def _command(entry: Entry | None, place: str, line: int, findings: Findings) -> SourceText | tuple[SourceText, ...]:
    """A text for the shell, or arguments; no arguments with a problem noted."""
    if entry is None:
        findings.add(place, line, "the command is missing: add `command`")
        return ()
    node = entry.value
    if isinstance(node, ListNode):
        return _arguments(node, entry.line, place, findings)
    text = text_of(node, place, "text for the shell, or a list of arguments", findings)
    return () if text is None else _source(text, node, place)


def _arguments(node: ListNode, line: int, place: str, findings: Findings) -> tuple[SourceText, ...]:
    if not node.items:
        findings.add(place, line, "the list of arguments is empty: name a program")
    arguments: list[SourceText] = []
    for index, item in enumerate(node.items):
        here = f"{place}[{index}]"
        text = argument_of(item, here, 'a single value ("" for an empty argument)', findings)
        if text == "" and index == 0:
            findings.add(here, item.line, "the first argument is empty: name a program")
        elif text is not None:
            arguments.append(_source(text, item, here))
    return tuple(arguments)


def _outputs(entry: Entry | None, place: str, findings: Findings) -> list[SourceText]:
    """Paths of outputs; whether they are well placed is known only after expansion."""
    if entry is None:
        return []
    items = entry.value.items if isinstance(entry.value, ListNode) else (entry.value,)
    outputs: list[SourceText] = []
    for index, item in enumerate(items):
        here = f"{place}[{index}]" if isinstance(entry.value, ListNode) else place
        if not isinstance(item, ScalarNode) or not isinstance(item.value, str):
            wrong(item, here, "the path of a file", findings)
        elif is_passable(item.value, item.line, here, findings):
            outputs.append(_source(item.value, item, here))
    return outputs


def _source(text: str, node: Node, place: str) -> SourceText:
    return SourceText(text, place, node.line, isinstance(node, ScalarNode) and node.literal)


def _check_replicates(table: TableNode, settings: Settings, axes: Axes, place: str, findings: Findings) -> None:
    """A sweep that names its own replicates must have them; those of the whole file need not fit every sweep."""
    entry = table.get("replicates")
    if entry is None:
        return
    for name in settings.replicates:
        if name not in axes.names:
            message = f"`{name}` is not a parameter of this sweep: name one of its parameters"
            findings.add(inside(place, "replicates"), entry.line, message)
