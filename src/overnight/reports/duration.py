"""Lengths of time for people: `850 ms`, `12.4 s`, `3 min 20 s`, `1 h 04 min`, `2 d 03 h`."""

from __future__ import annotations

import math

MINUTE = 60
HOUR = 3_600
DAY = 86_400


def duration(seconds: float | None) -> str:
    """Two units at most, the smaller one padded; a dash where there is no length. Negative lengths count as 0."""
    if seconds is None or not math.isfinite(seconds):
        return "–"
    length = max(seconds, 0.0)
    return _short(length) if length < 59.5 else _long(round(length))


def _short(length: float) -> str:
    if length == 0:
        return "0 s"
    if length < 0.0005:
        return "< 1 ms"
    if length < 0.9995:
        return f"{round(length * 1000)} ms"
    return f"{length:.1f} s" if length < 9.95 else f"{round(length)} s"


def _long(length: int) -> str:
    if length < HOUR:
        return f"{length // MINUTE} min {length % MINUTE:02d} s"
    minutes = round(length / MINUTE)
    if minutes < DAY // MINUTE:
        return f"{minutes // 60} h {minutes % 60:02d} min"
    hours = round(length / HOUR)
    return f"{hours // 24} d {hours % 24:02d} h"
