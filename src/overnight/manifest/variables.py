"""What a file gives names to: variables of runs, secrets by reference, and further names for templates."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass

from overnight.manifest.document import Entry, TableNode, inside
from overnight.manifest.fields import argument_of, parameter_of, table_of
from overnight.manifest.findings import Findings, quoted
from overnight.manifest.scalars import value_text
from overnight.manifest.template import IDENTIFIER, LAUNCH_NAMES

RESERVED = LAUNCH_NAMES | {"needs", "sweep", "campaign"}
"""Names that templates give a meaning of their own; no parameter or variable may take them."""

_REFERENCE = re.compile(r"env:[A-Za-z_][A-Za-z0-9_]*|file:/[^\0]*[^/\0]")


@dataclass(frozen=True, slots=True)
class SourceText:
    """A text that may hold templates, and where it stands."""

    text: str
    place: str
    line: int
    literal: bool = False
    """A block text, whose content starts on the line after `line`."""


def read_env(entry: Entry, place: str, findings: Findings) -> dict[str, SourceText] | None:
    """Values by variable; None with a problem noted."""
    table = table_of(entry, place, "a mapping of variable names to values", findings)
    if table is None:
        return None
    values: dict[str, SourceText] = {}
    for variable in table:
        here = inside(place, variable.key)
        text = argument_of(variable.value, here, 'a single value ("" for an empty one)', findings)
        if is_variable(variable, here, findings) and text is not None:
            values[variable.key] = SourceText(text, here, variable.line)
    return values


def is_variable(variable: Entry, place: str, findings: Findings) -> bool:
    """Whether a run can be given a variable of this name; notes why not."""
    if not IDENTIFIER.fullmatch(variable.key):
        findings.add(
            place, variable.line, f"{quoted(variable.key)} is no name of a variable: use letters, digits and _"
        )
    elif variable.key.startswith("OVERNIGHT_") or variable.key == "CUDA_VISIBLE_DEVICES":
        findings.add(place, variable.line, f"`{variable.key}` is set by Overnight for every run: remove it here")
    else:
        return True
    return False


def read_variables(entry: Entry, place: str, findings: Findings) -> dict[str, SourceText] | None:
    """Further names for templates; None with a problem noted."""
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


def read_secrets(entry: Entry, place: str, findings: Findings) -> dict[str, str] | None:
    """References by variable. A value that is none may be the secret itself, so no message repeats it."""
    table = table_of(entry, place, "a mapping of variable names to env:NAME or file:/PATH", findings)
    if table is None:
        return None
    references: dict[str, str] = {}
    for variable in table:
        here = inside(place, variable.key)
        reference = getattr(variable.value, "value", None)
        if not isinstance(reference, str) or _REFERENCE.fullmatch(reference) is None:
            message = "a secret stands here only by reference: write env:NAME or file:/PATH, never the value itself"
            findings.add(here, variable.line, message)
        elif is_variable(variable, here, findings):
            references[variable.key] = reference
    return references


def check_secrets(
    table: TableNode, place: str, env: Collection[str], secrets: Collection[str], findings: Findings
) -> None:
    """Note names that `env` and `secrets` both have since this table gave one of them."""
    for key, other in (("secrets", env), ("env", secrets)):
        for variable in _entries(table, key):
            if variable.key in other and not (key == "env" and variable.key in map(_key, _entries(table, "secrets"))):
                message = f"`{variable.key}` stands in `env` and in `secrets`: remove it from one of them"
                findings.add(inside(inside(place, key), variable.key), variable.line, message)


def _entries(table: TableNode, key: str) -> tuple[Entry, ...]:
    entry = table.get(key)
    return entry.value.entries if entry is not None and isinstance(entry.value, TableNode) else ()


def _key(entry: Entry) -> str:
    return entry.key
