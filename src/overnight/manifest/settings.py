"""Settings that a file gives for all sweeps and that each sweep may give anew."""

from __future__ import annotations

import os.path
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from overnight.domain.plan import EnvironmentPlan, Need, Retry
from overnight.manifest.document import Entry, TableNode, inside
from overnight.manifest.fields import flag_of, is_null, names_of, seconds_of, text_of, whole_of
from overnight.manifest.findings import Findings, quoted
from overnight.manifest.resources import is_home, read_environment, read_folder, read_resources, read_retry
from overnight.manifest.variables import SourceText, check_secrets, read_env, read_secrets, read_variables

__all__ = ["KEYS", "Settings", "SourceText", "read_settings"]

HERE = "here"
"""The target that is this machine."""
LONGEST_TARGET = 200
"""Characters of the longest name of a target."""


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
    target: str = HERE
    estimate: float | None = None
    stale_after: float | None = 1800.0
    hang: float | None = None
    breaker: int | None = 5
    precondition_wait: float = 0.0
    skip_if_done: bool = False
    secrets: Mapping[str, str] = field(default_factory=dict)
    env: Mapping[str, SourceText] = field(default_factory=dict)
    variables: Mapping[str, SourceText] = field(default_factory=dict)


KEYS = (
    "workdir",
    "environment",
    "env",
    "secrets",
    "resources",
    "retry",
    "time_limit",
    "grace",
    "estimate",
    "stale_after",
    "hang",
    "breaker",
    "precondition_wait",
    "skip_if_done",
    "target",
    "priority",
    "replicates",
    "vars",
)
"""Keys of these settings, legal at the top of a file and in a sweep."""


class _Never:
    """Stands for `null` until the settings are put together, since None means a problem there."""


_NEVER = _Never()
_MERGED = ("env", "secrets", "variables")
"""Settings of which a sweep says only what differs."""


def read_settings(table: TableNode, place: str, base: Settings, directory: str, findings: Findings) -> Settings:
    """`base` with what `table` says instead; `env`, `secrets` and `vars` are merged, everything else is replaced as a
    whole."""
    changes: dict[str, Any] = {}
    remote = _is_remote(table, base)
    for entry in table:
        if entry.key in _READERS or entry.key in _PLACED_READERS:
            name, read = _READERS.get(entry.key) or _placed_reader(entry.key, remote=remote)
            value = read(entry, inside(place, entry.key), findings)
            if value is not None:
                changes[name] = None if value is _NEVER else value
    if "workdir" in changes and not is_home(changes["workdir"]):
        changes["workdir"] = os.path.normpath(os.path.join(directory, changes["workdir"]))
    for name in _MERGED:
        if name in changes:
            changes[name] = {**getattr(base, name), **changes[name]}
    settings = replace(base, **changes)
    check_secrets(table, place, settings.env, settings.secrets, findings)
    _check_home(table, place, settings, findings)
    return settings


def _is_remote(table: TableNode, base: Settings) -> bool:
    entry = table.get("target")
    return (base.target if entry is None else getattr(entry.value, "value", HERE)) != HERE


def _check_home(table: TableNode, place: str, settings: Settings, findings: Findings) -> None:
    """Note a home folder of another machine that a sweep on this one would inherit."""
    entry = table.get("target")
    if entry is not None and settings.target == HERE and is_home(settings.workdir):
        message = f"{quoted(settings.workdir)} is a folder of another machine: add a `workdir` for this one"
        findings.add(inside(place, "target"), entry.line, message)


def _workdir(entry: Entry, place: str, findings: Findings, *, remote: bool) -> str | None:
    return read_folder(entry.value, place, "a folder, relative to this file", findings, remote=remote)


def _or_never(entry: Entry, place: str, findings: Findings) -> float | _Never | None:
    if is_null(entry.value):
        return _NEVER
    return seconds_of(entry.value, place, findings, positive=True)


def _pause(entry: Entry, place: str, findings: Findings) -> float | None:
    return seconds_of(entry.value, place, findings, positive=False)


def _breaker(entry: Entry, place: str, findings: Findings) -> int | _Never | None:
    return _NEVER if is_null(entry.value) else whole_of(entry.value, place, findings, least=1)


def _flag(entry: Entry, place: str, findings: Findings) -> bool | None:
    return flag_of(entry.value, place, findings)


def _target(entry: Entry, place: str, findings: Findings) -> str | None:
    name = text_of(entry.value, place, "the name of a target", findings)
    if name is not None and len(name) > LONGEST_TARGET:
        findings.add(place, entry.line, f"this name is longer than {LONGEST_TARGET} characters: shorten it")
    return name


def _priority(entry: Entry, place: str, findings: Findings) -> int | None:
    return whole_of(entry.value, place, findings, least=-(2**31), most=2**31 - 1)


def _replicates(entry: Entry, place: str, findings: Findings) -> tuple[str, ...] | None:
    return names_of(entry.value, place, "a list of parameter names, such as [seed]", findings)


_Reader = Callable[[Entry, str, Findings], Any]

_READERS: dict[str, tuple[str, _Reader]] = {
    "env": ("env", read_env),
    "secrets": ("secrets", read_secrets),
    "resources": ("need", read_resources),
    "retry": ("retry", read_retry),
    "time_limit": ("time_limit", _or_never),
    "grace": ("grace", _pause),
    "estimate": ("estimate", _or_never),
    "stale_after": ("stale_after", _or_never),
    "hang": ("hang", _or_never),
    "breaker": ("breaker", _breaker),
    "precondition_wait": ("precondition_wait", _pause),
    "skip_if_done": ("skip_if_done", _flag),
    "target": ("target", _target),
    "priority": ("priority", _priority),
    "replicates": ("replicates", _replicates),
    "vars": ("variables", read_variables),
}
_PLACED_READERS = {"workdir": _workdir, "environment": read_environment}
"""Readers of paths, which may begin with `~` on another machine."""


def _placed_reader(key: str, *, remote: bool) -> tuple[str, _Reader]:
    return key, partial(_PLACED_READERS[key], remote=remote)
