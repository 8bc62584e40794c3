"""What every section returns, and how repeated timings become one figure."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Figure:
    """One measured figure, beside the bound or peer that it is read against."""

    name: str
    value: float
    unit: str
    beside: str = ""
    """What it is compared with."""
    ratio: float | None = None
    """value / the other figure; None where there is nothing to compare."""
    aim: str = ""
    met: bool | None = None


def median_of(repeats: int, measure: Callable[[], float]) -> float:
    """The median of several measurements."""
    return statistics.median(measure() for _ in range(repeats))


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which `share` of the values lie (nearest rank)."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]
