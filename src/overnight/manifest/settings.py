"""Settings that a file gives for all sweeps and that each sweep may give anew."""

from __future__ import annotations

import os.path
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from overnight.domain.plan import EnvironmentPlan, Need, Retry
from overnight.manifest.document import Entry, Node, ScalarNode, TableNode, inside
from overnight.manifest.fields import (
    argument_of,
    check_keys,
    is_null,
    mebibytes_of,
    names_of,
    number_of,
    parameter_of,
    seconds_of,
    table_of,
    text_of,
    whole_of,
    wrong,
)
from overnight.manifest.findings import Findings, quoted
from overnight.manifest.scalars import value_text
from overnight.manifest.template import IDENTIFIER, LAUNCH_NAMES

RESERVED = LAUNCH_NAMES | {"needs", "sweep", "campaign"}
"""Names that templates give a meaning of their own; no parameter or variable may take them."""

Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class SourceText:
    """A text that may hold templates, and where it stands."""

    text: str
    place: str
    line: int
    literal: bool = False
    """A block text, whose content starts on the line after `line`."""


@dataclass(frozen=True)
class Settings:
    """What holds for a sweep; the defaults are those of a file that says nothing."""

    workdir: str
    need: Need = field(default_factory=Need)
    retry: Retry = field(default_factory=Retry)
    environment: EnvironmentPlan = field(default_factory=EnvironmentPlan)
    time_limit: float | None = None
    grace: float = 10.0
    priority: int = 0
    replicates: tuple[str, ...] = ("seed",)
    env: Mapping[str, SourceText] = field(default_factory=dict)
    variables: Mapping[str, SourceText] = field(default_factory=dict)


KEYS = (
    "workdir",
    "environment",
    "env",
    "resources",
    "retry",
    "time_limit",
    "grace",
    "priority",
    "replicates",
    "vars",
)
"""Keys of these settings, legal at the top of a file and in a sweep."""


def read_settings(table: TableNode, place: str, base: Settings, directory: str, findings: Findings) -> Settings:
    """`base` with what `table` says instead; `env` and `vars` are merged, everything else is replaced as a whole."""
    changes: dict[str, Any] = {}
    for entry in table:
        if entry.key in _READERS:
            name, reader = _READERS[entry.key]
            read = reader(entry, inside(place, entry.key), findings)
            if read is not None:
                changes[name] = read
    if "workdir" in changes:
        changes["workdir"] = os.path.normpath(os.path.join(directory, changes["workdir"]))
    for merged, before in (("env", base.env), ("variables", base.variables)):
        if merged in changes:
            changes[merged] = {**before, **changes[merged]}
    if changes.get("time_limit") == _UNLIMITED:
        changes["time_limit"] = None
    return replace(base, **changes)


_UNLIMITED = -1.0
"""Stands for `time_limit: null` until the settings are put together, since None means a problem there."""


def _workdir(entry: Entry, place: str, findings: Findings) -> str | None:
    return _folder(entry.value, place, "a folder, relative to this file", findings)


def _folder(node: Node, place: str, expected: str, findings: Findings) -> str | None:
    """A path in which nothing is replaced."""
    path = text_of(node, place, expected, findings)
    if path is not None and (path.startswith("~") or "${" in path):
        findings.add(place, node.line, f"{quoted(path)} is taken as it is, without ~ or ${{...}}: write the path out")
        return None
    return path


def _environment(entry: Entry, place: str, findings: Findings) -> EnvironmentPlan | None:
    node = entry.value
    if isinstance(node, ScalarNode) and node.value == "plain":
        return EnvironmentPlan()
    if not isinstance(node, TableNode):
        wrong(node, place, "plain, {venv: PATH} or {conda: NAME}", findings)
        return None
    check_keys(node, ("venv", "conda"), place, findings)
    kinds = [found for found in node if found.key in ("venv", "conda")]
    if len(kinds) != 1:
        message = "two kinds of environment" if kinds else "no kind of environment"
        findings.add(place, entry.line, f"{message}: write either {{venv: PATH}} or {{conda: NAME}}")
        return None
    value = _folder(kinds[0].value, inside(place, kinds[0].key), "a path or a name", findings)
    return None if value is None else EnvironmentPlan(**{kinds[0].key: value})


def _env(entry: Entry, place: str, findings: Findings) -> dict[str, SourceText] | None:
    table = table_of(entry, place, "a mapping of variable names to values", findings)
    if table is None:
        return None
    values: dict[str, SourceText] = {}
    for variable in table:
        here = inside(place, variable.key)
        text = argument_of(variable.value, here, 'a single value ("" for an empty one)', findings)
        if _is_variable(variable, here, findings) and text is not None:
            values[variable.key] = SourceText(text, here, variable.line)
    return values


def _is_variable(variable: Entry, place: str, findings: Findings) -> bool:
    if not IDENTIFIER.fullmatch(variable.key):
        findings.add(
            place, variable.line, f"{quoted(variable.key)} is no name of a variable: use letters, digits and _"
        )
    elif variable.key.startswith("OVERNIGHT_") or variable.key == "CUDA_VISIBLE_DEVICES":
        findings.add(place, variable.line, f"`{variable.key}` is set by Overnight for every run: remove it here")
    else:
        return True
    return False


def _variables(entry: Entry, place: str, findings: Findings) -> dict[str, SourceText] | None:
    table = table_of(entry, place, "a mapping of names to values", findings)
    if table is None:
        return None
    values: dict[str, SourceText] = {}
    for variable in table:
        here = inside(place, variable.key)
        value = parameter_of(variable.value, here, findings)
        if is_template_name(variable.key, variable.line, here, findings):
            # A value that could not be read still has a name: templates that use it are not wrong as well.
            text = "" if value is None else value_text(value[0])
            values[variable.key] = SourceText(text, here, variable.line)
    return values


def is_template_name(name: str, line: int, place: str, findings: Findings) -> bool:
    """Whether `${name}` can stand in a template; notes why not."""
    if name in RESERVED:
        findings.add(place, line, f"the name `{name}` has a meaning of its own in templates: choose another")
        return False
    if IDENTIFIER.fullmatch(name) is None:
        findings.add(place, line, f"{quoted(name)} cannot be written as ${{name}}: use letters, digits and _ only")
        return False
    return True


def _resources(entry: Entry, place: str, findings: Findings) -> Need | None:
    table = table_of(entry, place, "a mapping such as {gpus: 1} or {slots: 2}", findings)
    if table is None:
        return None
    check_keys(
        table, ("gpus", "slots", "gpu_memory"), place, findings, {"gpu": "gpus", "cpus": "slots", "cores": "slots"}
    )
    gpus = _optional(table, "gpus", 0, lambda node, here: whole_of(node, here, findings, least=0), place)
    slots = _optional(table, "slots", 1, lambda node, here: whole_of(node, here, findings, least=1), place)
    memory = _optional(table, "gpu_memory", 0, lambda node, here: mebibytes_of(node, here, findings), place)
    if memory and gpus == 0:
        line = next(found.line for found in table if found.key == "gpu_memory")
        findings.add(inside(place, "gpu_memory"), line, "memory of a GPU is asked for, but no GPU: add `gpus: 1`")
    if gpus is None or slots is None or memory is None:
        return None
    return Need(gpus=gpus, slots=slots, gpu_memory_mib=memory)


def _optional(
    table: TableNode, key: str, default: Value, read: Callable[[Node, str], Value | None], place: str
) -> Value | None:
    entry = table.get(key)
    return default if entry is None else read(entry.value, inside(place, key))


def _retry(entry: Entry, place: str, findings: Findings) -> Retry | None:
    if isinstance(entry.value, ScalarNode):
        attempts = whole_of(entry.value, place, findings, least=1)
        return None if attempts is None else Retry(attempts=attempts)
    table = table_of(
        entry, place, "a number of attempts, or {attempts: 3, delay: 10s, factor: 2, longest: 10m}", findings
    )
    if table is None:
        return None
    check_keys(table, ("attempts", "delay", "factor", "longest"), place, findings)
    if table.get("attempts") is None:
        findings.add(place, entry.line, "the number of attempts is missing: add `attempts: 3`")
        return None
    usual = Retry()
    attempts = _optional(table, "attempts", 1, lambda node, here: whole_of(node, here, findings, least=1), place)
    delay = _optional(table, "delay", usual.delay, lambda node, here: _pause(node, here, findings), place)
    factor = _optional(
        table, "factor", usual.factor, lambda node, here: number_of(node, here, findings, least=1, most=1000), place
    )
    longest = _optional(table, "longest", usual.longest, lambda node, here: _pause(node, here, findings), place)
    if attempts is None or delay is None or factor is None or longest is None:
        return None
    return Retry(attempts=attempts, delay=delay, factor=factor, longest=longest)


def _pause(node: Node, place: str, findings: Findings) -> float | None:
    return seconds_of(node, place, findings, positive=False)


def _time_limit(entry: Entry, place: str, findings: Findings) -> float | None:
    if is_null(entry.value):
        return _UNLIMITED
    return seconds_of(entry.value, place, findings, positive=True)


def _grace(entry: Entry, place: str, findings: Findings) -> float | None:
    return _pause(entry.value, place, findings)


def _priority(entry: Entry, place: str, findings: Findings) -> int | None:
    return whole_of(entry.value, place, findings, least=-(2**31), most=2**31 - 1)


def _replicates(entry: Entry, place: str, findings: Findings) -> tuple[str, ...] | None:
    return names_of(entry.value, place, "a list of parameter names, such as [seed]", findings)


_READERS: dict[str, tuple[str, Callable[[Entry, str, Findings], Any]]] = {
    "workdir": ("workdir", _workdir),
    "environment": ("environment", _environment),
    "env": ("env", _env),
    "resources": ("need", _resources),
    "retry": ("retry", _retry),
    "time_limit": ("time_limit", _time_limit),
    "grace": ("grace", _grace),
    "priority": ("priority", _priority),
    "replicates": ("replicates", _replicates),
    "vars": ("variables", _variables),
}
