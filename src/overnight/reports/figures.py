"""Numbers and moments as text: as many digits as they deserve and no more."""

from __future__ import annotations

import math
from datetime import UTC, datetime

LARGEST_PLAIN = 1e7
"""From here on numbers are written with an exponent."""
SMALLEST_PLAIN = 1e-4
"""Below this numbers are written with an exponent."""
MOST_DECIMALS = 9
"""Decimals that a plain number has at most."""


def not_finite(value: float) -> str:
    """`NaN`, `Infinity` or `-Infinity`."""
    if math.isnan(value):
        return "NaN"
    return "Infinity" if value > 0 else "-Infinity"


def number(value: float | None, digits: int = 4) -> str:
    """A number with that many significant digits, whole numbers whole; a dash for None."""
    if value is None:
        return "–"
    if not math.isfinite(value):
        return not_finite(value)
    size = abs(value)
    if value == int(value) and size < LARGEST_PLAIN:
        return str(int(value))
    if not SMALLEST_PLAIN <= size < LARGEST_PLAIN:
        return f"{value:.{digits - 1}e}"
    return f"{value:.{max(0, digits - 1 - math.floor(math.log10(size)))}f}"


def measured(mean: float | None, deviation: float | None) -> str:
    """`0.9541 ± 0.0031`: the mean as far as the standard deviation (two digits of it) lets it be read."""
    if mean is None or deviation is None or not math.isfinite(deviation) or deviation == 0:
        return number(mean) if deviation is None else f"{number(mean)} ± {number(deviation)}"
    decimals = max(0, 1 - math.floor(math.log10(deviation)))
    if max(abs(mean), deviation) >= LARGEST_PLAIN or decimals > MOST_DECIMALS:
        return f"{mean:.3e} ± {deviation:.1e}"
    return f"{mean:.{decimals}f} ± {deviation:.{decimals}f}"


def moment(seconds: float | None) -> str:
    """`2026-03-01 22:15 UTC` for wall seconds; a dash for None or what no calendar has."""
    if seconds is None:
        return "–"
    try:
        return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M UTC")
    except (ValueError, OverflowError, OSError):
        return "–"
