"""What a server asks to be started."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from . import lockfile


class LaunchError(ValueError):
    """A launch misses something or has the wrong type; the message names the field."""


@dataclass(frozen=True)
class Launch:
    """One attempt: what to run, where, and its limits. Seconds and bytes; None is no limit."""

    attempt: str
    run: str
    number: int
    fence: int
    argv: tuple[str, ...]
    env: Mapping[str, str | None] = field(repr=False)  # may hold secrets: it is written nowhere
    cwd: str
    folder: str
    time_limit: float | None
    grace: float
    log_cap: int | None
    check: tuple[str, ...] | None = None  # must end well before argv is started
    code: str | None = None  # folder of the frozen copy that it works in
    devices: tuple[str, ...] = ()  # are locked while anything of it may live
    shared: bool = False  # other attempts of this runner may hold the devices too
    lease: float | None = None  # without a word of the server for so long it is ended


class _Field(NamedTuple):
    kinds: tuple[type, ...]
    what: str


_FIELDS = {
    "attempt": _Field((str,), "a text"),
    "run": _Field((str,), "a text"),
    "number": _Field((int,), "an integer"),
    "fence": _Field((int,), "an integer"),
    "argv": _Field((list,), "a list of texts"),
    "env": _Field((dict,), "an object"),
    "cwd": _Field((str,), "a text"),
    "folder": _Field((str,), "a text"),
    "time_limit": _Field((int, float, type(None)), "seconds or null"),
    "grace": _Field((int, float), "seconds"),
    "log_cap": _Field((int, type(None)), "bytes or null"),
    "check": _Field((list, type(None)), "a list of texts or null"),
    "code": _Field((str, type(None)), "a text or null"),
    "devices": _Field((list,), "a list of names"),
    "shared": _Field((bool,), "true or false"),
    "lease": _Field((int, float, type(None)), "seconds or null"),
}
_ADDED: dict[str, Any] = {"check": None, "code": None, "devices": [], "shared": False, "lease": None}
"""Fields that servers of earlier versions do not send, and what they mean by that."""


def from_wire(wire: Any) -> Launch:
    """Return the launch in a decoded JSON value. Raises LaunchError; unknown keys are left alone."""
    if not isinstance(wire, dict):
        raise LaunchError("A launch must be an object.")
    wire = {**_ADDED, **wire}
    values = {name: _value(wire, name, field) for name, field in _FIELDS.items()}
    for name in ("argv", "check"):
        values[name] = _words(name, values[name])
    values["devices"] = _devices(values["devices"])
    if not all(isinstance(value, (str, type(None))) for value in values["env"].values()):
        raise LaunchError("env must map names to texts or null.")
    _check_places(values)
    _check_limits(values)
    return Launch(**values)


def _value(wire: dict[str, Any], name: str, field: _Field) -> Any:
    try:
        value = wire[name]
    except KeyError:
        raise LaunchError(f"{name} is missing; it must be {field.what}.") from None
    if not isinstance(value, field.kinds) or (isinstance(value, bool) and bool not in field.kinds):
        raise LaunchError(f"{name} must be {field.what}.")
    return value


def _words(name: str, words: list[Any] | None) -> tuple[str, ...] | None:
    if words is None:
        return None
    if not words or not all(isinstance(word, str) for word in words):
        raise LaunchError(f"{name} must be a list of at least one text.")
    return tuple(words)


def _devices(names: list[Any]) -> tuple[str, ...]:
    if not all(isinstance(name, str) and lockfile.NAME.fullmatch(name) for name in names):
        raise LaunchError("devices must be a list of UUIDs: letters, digits and dashes.")
    return tuple(names)


def _check_places(values: dict[str, Any]) -> None:
    if not values["attempt"] or "\0" in values["attempt"]:
        raise LaunchError("attempt must be a text without NUL that is not empty.")
    for name in ("cwd", "folder") if values["code"] is None else ("cwd", "folder", "code"):
        if not values[name].startswith("/") or "\0" in values[name]:
            raise LaunchError(f"{name} must be an absolute path.")
        try:
            os.fsencode(values[name])
        except UnicodeEncodeError:
            raise LaunchError(f"{name} cannot be the name of a file.") from None


def _check_limits(values: dict[str, Any]) -> None:
    for name in ("time_limit", "grace", "log_cap", "lease"):
        value = values[name]
        if value is not None and not (math.isfinite(value) and value >= 0):
            raise LaunchError(f"{name} must be finite and not negative.")
