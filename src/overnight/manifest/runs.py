"""`runs`: a sweep whose runs are written out one by one, exactly as they stand in the plan.

Nothing is replaced in their texts but, at launch, the launch names; `$${name}` is the literal `${name}`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from overnight.domain.plan import CellPlan, Scalar, Smaller
from overnight.manifest.cells import CELL_NAME, placed
from overnight.manifest.document import Entry, ListNode, Node, TableNode, inside
from overnight.manifest.fields import (
    check_keys,
    flag_of,
    is_null,
    is_passable,
    parameter_of,
    seconds_of,
    table_of,
    text_of,
    wrong,
)
from overnight.manifest.findings import Findings, quoted
from overnight.manifest.names import launch_problem
from overnight.manifest.outputs import check_places
from overnight.manifest.settings import Settings
from overnight.manifest.texts import read_command, read_paths
from overnight.manifest.variables import SourceText, check_secrets, read_env

RUN_KEYS = (
    "name", "command", "outputs", "parameters", "env", "requires", "skip_if_done", "time_limit", "estimate",
    "stale_after", "needs", "smaller",
)  # fmt: skip
RUNG_KEYS = ("changed", "command", "env")

_SYNONYMS = {"cmd": "command", "id": "name", "output": "outputs", "depends_on": "needs", "timeout": "time_limit"}
_EXAMPLE = "a list of runs, such as [{name: first, command: ./first}]"


@dataclass(frozen=True, slots=True)
class WrittenRun:
    """A run and where its parts stand; the needs of `cell` are names that nobody has checked yet."""

    cell: CellPlan
    place: str
    line: int
    outputs: tuple[SourceText, ...]
    needs: tuple[SourceText, ...]


def read_runs(
    entry: Entry | None, place: str, settings: Settings, env: Mapping[str, str], findings: Findings
) -> tuple[WrittenRun, ...]:
    """Every run that could be read; `env` are the variables that all of them have."""
    if entry is None:
        return ()
    if not isinstance(entry.value, ListNode):
        wrong(entry.value, place, _EXAMPLE, findings)
        return ()
    if not entry.value.items:
        findings.add(place, entry.line, "this list is empty: add a run")
    read = [_run(item, f"{place}[{index}]", settings, env, findings) for index, item in enumerate(entry.value.items)]
    return tuple(run for run in read if run is not None)


def _run(
    node: Node, place: str, settings: Settings, shared: Mapping[str, str], findings: Findings
) -> WrittenRun | None:
    if not isinstance(node, TableNode):
        wrong(node, place, "a mapping with at least `name` and `command`", findings)
        return None
    check_keys(node, RUN_KEYS, place, findings, _SYNONYMS)
    outputs = tuple(read_paths(node.get("outputs"), inside(place, "outputs"), findings))
    _check_outputs(outputs, findings)
    needs = tuple(read_paths(node.get("needs"), inside(place, "needs"), findings))
    parameters = _parameters(node.get("parameters"), inside(place, "parameters"), findings)
    env = _env(node, place, settings, shared, findings)
    skip = node.get("skip_if_done")
    cell = CellPlan(
        name=_name(node, place, findings),
        parameters=parameters,
        command=_command(node, place, findings),
        outputs=tuple([one.text for one in outputs]),
        env=env,
        needs=tuple([one.text for one in needs]),
        line=node.line,
        requires=_requires(node, place, findings),
        skip_if_done=settings.skip_if_done
        if skip is None
        else flag_of(skip.value, inside(place, "skip_if_done"), findings) is True,
        time_limit=_seconds(node, "time_limit", place, findings),
        estimate=_seconds(node, "estimate", place, findings),
        stale_after=_seconds(node, "stale_after", place, findings),
        smaller=_smaller(node.get("smaller"), inside(place, "smaller"), parameters, env, findings),
    )
    return WrittenRun(cell, place, node.line, outputs, needs)


def _name(table: TableNode, place: str, findings: Findings) -> str:
    entry, here = table.get("name"), inside(place, "name")
    if entry is None:
        findings.add(here, table.line, "the name of the run is missing: add `name`")
        return ""
    name = text_of(entry.value, here, "a name", findings)
    if name is not None and CELL_NAME.fullmatch(name) is None:
        message = "begin with a letter or digit, then letters, digits, _ . = -, 128 at most"
        findings.add(here, entry.line, f"{quoted(name)} is no name: {message}")
    return name or ""


def _command(table: TableNode, place: str, findings: Findings) -> str | tuple[str, ...]:
    found = read_command(table.get("command"), inside(place, "command"), table.line, findings)
    return found.text if isinstance(found, SourceText) else tuple([word.text for word in found])


def _check_outputs(outputs: tuple[SourceText, ...], findings: Findings) -> None:
    """Note outputs that lie where they must not, or with a launch name that they cannot have."""
    parts = [placed(one) for one in outputs]
    check_places(parts, findings)
    for part in parts:
        for reference in part.template.references if "${" in part.source.text else ():
            message = launch_problem(reference.name, "output", frozenset()) if reference.at_launch else ""
            if message:
                findings.add(part.source.place, part.line_of(reference), message)


def _requires(table: TableNode, place: str, findings: Findings) -> tuple[str, ...]:
    paths = read_paths(table.get("requires"), inside(place, "requires"), findings)
    for path in paths:
        if not path.text.strip():
            findings.add(path.place, path.line, "a required path is empty: name a file")
    return tuple([path.text for path in paths])


def _env(
    table: TableNode, place: str, settings: Settings, shared: Mapping[str, str], findings: Findings
) -> Mapping[str, str]:
    """The variables of a run: those of all runs, and its own instead."""
    entry = table.get("env")
    own = None if entry is None else read_env(entry, inside(place, "env"), findings)
    if not own:
        return shared
    check_secrets(table, place, own, settings.secrets, findings)
    return {**shared, **{name: source.text for name, source in own.items()}}


def _seconds(table: TableNode, key: str, place: str, findings: Findings) -> float | None:
    entry = table.get(key)
    if entry is None or is_null(entry.value):
        return None
    return seconds_of(entry.value, inside(place, key), findings, positive=True)


def _parameters(entry: Entry | None, place: str, findings: Findings) -> dict[str, Scalar]:
    """Parameters by name; since no template uses them, any text is a name."""
    table = None if entry is None else table_of(entry, place, "a mapping of parameters to single values", findings)
    parameters: dict[str, Scalar] = {}
    for found in table or ():
        here = inside(place, found.key)
        value = parameter_of(found.value, here, findings)
        if not is_passable(found.key, found.line, here, findings):
            continue
        parameters[found.key] = None if value is None else value[0]
    return parameters


def _smaller(
    entry: Entry | None, place: str, own: Mapping[str, Scalar], env: Mapping[str, str], findings: Findings
) -> tuple[Smaller, ...]:
    if entry is None:
        return ()
    if not isinstance(entry.value, ListNode):
        wrong(entry.value, place, "a list of mappings with `changed` and `command`", findings)
        return ()
    read = [_rung(item, f"{place}[{index}]", own, env, findings) for index, item in enumerate(entry.value.items)]
    return tuple(one for one in read if one is not None)


def _rung(
    node: Node, place: str, own: Mapping[str, Scalar], env: Mapping[str, str], findings: Findings
) -> Smaller | None:
    if not isinstance(node, TableNode):
        wrong(node, place, "a mapping with `changed` and `command`", findings)
        return None
    check_keys(node, RUNG_KEYS, place, findings)
    changed = _parameters(node.get("changed"), inside(place, "changed"), findings)
    if not changed or not changed.keys() <= own.keys():
        message = "`changed` names some of the parameters of this run with other values: add them"
        findings.add(inside(place, "changed"), node.line, message)
    entry = node.get("env")
    written = None if entry is None else read_env(entry, inside(place, "env"), findings)
    values = env if written is None else {name: source.text for name, source in written.items()}
    return Smaller(changed, _command(node, place, findings), values)
