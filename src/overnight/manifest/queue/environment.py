"""Which environment is activated around the commands: at most one of conda, venv, uv and container."""

from __future__ import annotations

from dataclasses import replace

from overnight.domain.plan import EnvironmentPlan
from overnight.manifest.document import Entry, ScalarNode, TableNode, inside
from overnight.manifest.fields import is_null, text_of
from overnight.manifest.findings import Findings, listing
from overnight.manifest.queue.paths import path_of

KINDS = ("conda", "venv", "uv", "container")
KEYS = (*KINDS, "conda_hook")
NO_CONDA = "none"
"""The word for no activation at all."""


def read_environment(
    table: TableNode, place: str, base: EnvironmentPlan, remote: bool, findings: Findings
) -> EnvironmentPlan:
    """`base` with what a level says instead: a kind replaces the outer one, whichever that was."""
    given = {entry.key: entry for entry in table if entry.key in KINDS and not _is_off(entry)}
    if len(given) > 1:
        lines = [entry.line for entry in given.values()]
        message = f"{listing(given)} are different kinds of environment: keep one of them"
        findings.add(inside(place, next(reversed(given))), max(lines), message)
    hook = _hook(table, place, base, findings)
    for kind, entry in given.items():
        value = _value(kind, entry, inside(place, kind), remote, findings)
        return EnvironmentPlan(**{kind: value}, conda_hook=hook)
    off = any(entry.key in KINDS and not is_null(entry.value) for entry in table)
    return EnvironmentPlan(conda_hook=hook) if off else replace(base, conda_hook=hook)


def _is_off(entry: Entry) -> bool:
    """Whether this says that there is none: `conda: none`, `uv: false`, or nothing."""
    value = entry.value.value if isinstance(entry.value, ScalarNode) else entry
    return value is None or (entry.key == "conda" and value == NO_CONDA) or (entry.key == "uv" and value is False)


def _hook(table: TableNode, place: str, base: EnvironmentPlan, findings: Findings) -> str | None:
    entry = table.get("conda_hook")
    if entry is None or is_null(entry.value):
        return base.conda_hook
    return text_of(entry.value, inside(place, "conda_hook"), "the path of conda, or text beginning with eval", findings)


def _value(kind: str, entry: Entry, place: str, remote: bool, findings: Findings) -> str | None:
    if kind == "container":
        return text_of(entry.value, place, "the name of an image", findings)
    if kind == "uv" and isinstance(entry.value, ScalarNode) and entry.value.value is True:
        return "."
    expected = {"conda": "the name or folder of an environment, or none", "venv": "a folder"}
    return path_of(entry.value, place, expected.get(kind, "a folder, or true for the working folder"), remote, findings)
