"""Settings that a file gives for all sweeps and that each sweep may give anew."""

from __future__ import annotations

import os.path
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from overnight.domain.cluster import HERE
from overnight.domain.homes import is_home
from overnight.domain.plan import EnvironmentPlan, Need, Retry
from overnight.manifest.document import Entry, TableNode, inside
from overnight.manifest.fields import flag_of, is_null, names_of, seconds_of, whole_of
from overnight.manifest.findings import Findings, quoted
from overnight.manifest.places import (
    TARGET_KEYS,
    Mirror,
    is_far,
    read_lease,
    read_mirror,
    read_on_disconnect,
    read_targets,
)
from overnight.manifest.resources import read_environment, read_folder, read_resources, read_retry
from overnight.manifest.variables import SourceText, check_secrets, read_env, read_secrets, read_variables

__all__ = ["KEYS", "Settings", "SourceText", "read_settings"]


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
    targets: tuple[str, ...] = (HERE,)
    mirror: Mirror | None = None
    """None = a copy where any target is another machine."""
    on_disconnect: str = "hold"
    lease: float = 900.0
    estimate: float | None = None
    stale_after: float | None = 1800.0
    hang: float | None = None
    breaker: int | None = 5
    precondition_wait: float = 0.0
    skip_if_done: bool = False
    secrets: Mapping[str, str] = field(default_factory=dict)
    env: Mapping[str, SourceText] = field(default_factory=dict)
    variables: Mapping[str, SourceText] = field(default_factory=dict)

    @property
    def mirrors(self) -> bool:
        """Whether runs work in a frozen copy of `workdir`."""
        return is_far(self.targets) if self.mirror is None else self.mirror[0]

    @property
    def exclude(self) -> tuple[str, ...]:
        """What is left out of that copy."""
        return self.mirror[1] if self.mirror is not None and self.mirrors else ()

    @property
    def at_home_there(self) -> bool:
        """Whether paths may begin with `~`, the home folder on another machine: there is one, and only one."""
        return len(self.targets) == 1 and is_far(self.targets)


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
    *TARGET_KEYS,
    "mirror",
    "on_disconnect",
    "lease",
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
    where = _placed(table, place, base, findings)
    changes: dict[str, Any] = {}
    for entry in table:
        if entry.key in _READERS or entry.key in _PLACED_READERS:
            name, read = _READERS.get(entry.key) or _placed_reader(entry.key, where)
            value = read(entry, inside(place, entry.key), findings)
            if value is not None:
                changes[name] = None if value is _NEVER else value
    if "workdir" in changes and not is_home(changes["workdir"]):
        changes["workdir"] = os.path.normpath(os.path.join(directory, changes["workdir"]))
    for name in _MERGED:
        if name in changes:
            changes[name] = {**getattr(base, name), **changes[name]}
    settings = replace(where, **changes)
    check_secrets(table, place, settings.env, settings.secrets, findings)
    _check_home(table, place, settings, findings)
    return settings


def _placed(table: TableNode, place: str, base: Settings, findings: Findings) -> Settings:
    """`base` with what the table says of targets and of the copy: the meaning of its paths depends on it."""
    targets = read_targets(table, place, findings)
    entry = table.get("mirror")
    mirror = None if entry is None else read_mirror(entry, inside(place, "mirror"), findings)
    return replace(base, targets=targets or base.targets, mirror=mirror or base.mirror)


def _check_home(table: TableNode, place: str, settings: Settings, findings: Findings) -> None:
    """Note a home folder of another machine that a sweep which works elsewhere would inherit."""
    entry = next((it for key in (*TARGET_KEYS, "mirror") if (it := table.get(key)) is not None), None)
    inherited = table.get("workdir") is None and is_home(settings.workdir)
    if entry is not None and inherited and not _folder_is_there(settings):
        message = f"{quoted(settings.workdir)} is a folder of another machine: add a `workdir` for this one"
        findings.add(inside(place, entry.key), entry.line, message)


def _folder_is_there(settings: Settings) -> bool:
    """Whether `workdir` is a folder of the one other machine that is named, and not of this one."""
    return settings.at_home_there and not settings.mirrors


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
    "on_disconnect": ("on_disconnect", read_on_disconnect),
    "lease": ("lease", read_lease),
    "priority": ("priority", _priority),
    "replicates": ("replicates", _replicates),
    "vars": ("variables", read_variables),
}
_PLACED_READERS = {"workdir": _workdir, "environment": read_environment}
"""Readers of paths, which may begin with `~` on another machine."""


def _placed_reader(key: str, where: Settings) -> tuple[str, _Reader]:
    remote = _folder_is_there(where) if key == "workdir" else where.at_home_there
    return key, partial(_PLACED_READERS[key], remote=remote)
