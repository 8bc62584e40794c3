"""What a host says, brought into a form that the record takes: a database refuses some texts and numbers, and one host
must not be able to end the server by them. Pure; nothing is refused, what makes no sense is left out."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice
from typing import Any

LONGEST_TEXT = 64 * 1024
"""Characters of one text that are kept."""
MOST_MEMBERS = 100
"""Members of a list or of an object that are kept."""
DEEPEST = 4
"""How far lists and objects may lie in each other."""
LARGEST = 2**62
"""Of whole numbers; databases hold 63 bits."""
LARGEST_CODE = 2**31 - 1
"""Of exit codes, signals and process ids."""
LATEST = 1e11
"""Of wall seconds: far beyond the year 4000."""


def text(value: object) -> str:
    """Anything as a text that every database takes: no NUL, no lone surrogate, bounded."""
    return str(value)[:LONGEST_TEXT].replace("\0", "?").encode("utf-8", "replace").decode()


def code(value: object) -> int | None:
    """A whole number as exit codes, signals and process ids are; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    return value if abs(value) <= LARGEST_CODE else None


def moment(value: object) -> float | None:
    """Wall seconds; None for what are none."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return float(value) if 0 <= value <= LATEST else None


def record(told: Mapping[str, Any]) -> dict[str, Any]:
    """An exit record whose known fields have their kinds: those of another kind are None, as of a host that cannot
    tell. Without code and signal it is no success."""
    kept = value(dict(told), 0)
    usage = kept.get("usage")
    log = kept.get("log")
    return {
        **kept,
        "reason": text(told.get("reason")),
        "detail": text(told.get("detail") or ""),
        **{name: code(told.get(name)) for name in ("code", "signal", "pid")},
        **{name: moment(told.get(name)) for name in ("started_at", "ended_at")},
        "usage": _numbers(usage) if isinstance(usage, dict) else {},
        "log": log if isinstance(log, dict) else {},
    }


def value(told: object, depth: int) -> Any:
    """Anything of JSON, cut down to what can be kept as JSON."""
    if told is None or isinstance(told, bool):
        return told
    if isinstance(told, str):
        return text(told)
    if isinstance(told, (int, float)):
        return told if abs(told) <= LARGEST else None  # what is no number is not smaller either
    if depth >= DEEPEST:
        return None
    if isinstance(told, list):
        return [value(it, depth + 1) for it in told[:MOST_MEMBERS]]
    if isinstance(told, dict):
        return {text(name): value(it, depth + 1) for name, it in islice(told.items(), MOST_MEMBERS)}
    return None


def _numbers(told: Mapping[str, Any]) -> dict[str, float | None]:
    numbers = {name: it for name, it in told.items() if isinstance(it, (int, float)) and not isinstance(it, bool)}
    return {name: numbers.get(name) for name in told}
