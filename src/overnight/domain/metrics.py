"""Numbers that a run reports without any SDK: JSON lines, a final `---` block of `key: value` lines, a `results.json`,
outputs that are JSON or CSV.

Everything here is hostile text: it is parsed within bounds, never executed, and what is not a number is left out.
NaN and
the infinities are numbers.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

MOST_METRICS = 200
"""Metrics kept of one run."""
LONGEST_NAME = 128
"""Characters of a metric's name; longer ones are left out."""

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_./@ -]*")
_NUMBER = re.compile(r"[+-]?(?:nan|inf(?:inity)?|(?:\d+(?:\.\d*)?|\.\d+)(?:e[+-]?\d+)?)", re.IGNORECASE)


def from_log(text: str) -> dict[str, float]:
    """Final numbers in the end of a log: the last value of every key in JSON lines, overridden by the last `---`
    block."""
    lines = text.splitlines()
    found: dict[str, float] = {}
    for line in lines:
        found.update(_json_line(line))
    found.update(_final_block(lines))
    return _bounded(found)


def from_results(text: str) -> dict[str, float]:
    """Numeric top-level keys of a `results.json`; nothing when it is not a JSON object."""
    return _bounded(_numbers(_parsed(text)))


def from_csv(head: str, tail: str) -> dict[str, float]:
    """Numeric columns of the last row of a CSV, of which the beginning and the end are given (they may overlap)."""
    names = _row(next((line for line in head.splitlines() if line.strip()), ""))
    values = _row(next((line for line in reversed(tail.splitlines()) if line.strip()), ""))
    if len(names) != len(values):
        return {}
    pairs = ((name.strip(), value.strip()) for name, value in zip(names, values))
    return _bounded({name: float(value) for name, value in pairs if _acceptable(name) and _NUMBER.fullmatch(value)})


def _row(line: str) -> list[str]:
    try:
        return next(csv.reader([line]), [])
    except csv.Error:
        return []


def series(lines: Iterable[str]) -> dict[str, list[tuple[float, float]]]:
    """Per metric the (step, value) points in JSON lines; the step is `step`, else `epoch`, else the number of the
    line."""
    points: dict[str, list[tuple[float, float]]] = {}
    for place, line in enumerate(lines):
        row = _json_line(line)
        step = row.pop("step", row.get("epoch", float(place)))
        for name, value in row.items():
            if name in points or len(points) < MOST_METRICS:
                points.setdefault(name, []).append((step, value))
    return points


def _json_line(line: str) -> dict[str, float]:
    stripped = line.strip()
    if not (stripped.startswith("{") and stripped.endswith("}")):
        return {}
    return _numbers(_parsed(stripped))


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _numbers(document: Any) -> dict[str, float]:
    if not isinstance(document, dict):
        return {}
    found: dict[str, float] = {}
    for name, value in document.items():
        if isinstance(value, (int, float)) and not isinstance(value, bool) and _acceptable(name):
            found[name] = _float(value)
    return found


def _float(value: float) -> float:
    try:
        return float(value)
    except OverflowError:
        return float("inf") if value > 0 else float("-inf")


def _final_block(lines: list[str]) -> dict[str, float]:
    start = max((place for place, line in enumerate(lines) if line.strip() == "---"), default=None)
    if start is None:
        return {}
    found: dict[str, float] = {}
    for line in lines[start + 1 :]:
        name, colon, value = line.partition(":")
        if colon and _acceptable(name.strip()) and _NUMBER.fullmatch(value.strip()):
            found[name.strip()] = float(value.strip())
    return found


def _acceptable(name: str) -> bool:
    return len(name) <= LONGEST_NAME and _NAME.fullmatch(name) is not None


def _bounded(found: Mapping[str, float]) -> dict[str, float]:
    return dict(list(found.items())[:MOST_METRICS])
