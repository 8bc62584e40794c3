"""A horizontal axis: which part of the values it shows, where its ticks stand, how they are written."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from overnight.reports.figures import number

PADDING = 0.04
"""Free space at both ends, as a part of the length."""
FARTHEST = 1e300
"""Values beyond this stand off the scale: a length made of them would be infinite."""


@dataclass(frozen=True, slots=True)
class Axis:
    """Values from `low` to `high`, drawn from `left` to `right` (pixels)."""

    low: float
    high: float
    left: float
    right: float

    def x(self, value: float) -> float:
        """Place of a value, in pixels; the end of the axis for what is off the scale."""
        part = (min(max(value, self.low), self.high) - self.low) / (self.high - self.low)
        return self.left + part * (self.right - self.left)

    def off(self, value: float) -> int:
        """-1 and 1 for values left and right of the scale, 0 for those on it."""
        return (value > self.high) - (value < self.low)

    def ticks(self, most: int = 6) -> list[tuple[float, str]]:
        """Round values on the axis, at most `most` of them, and their text."""
        step = _nice((self.high - self.low) / most)
        first, last = math.ceil(self.low / step), math.floor(self.high / step)
        decimals = max(0, -math.floor(math.log10(step) + 1e-9))
        plain = decimals <= 6 and max(abs(self.low), abs(self.high)) < 1e6
        values = [count * step for count in range(first, min(last, first + most) + 1)]
        return [(value, f"{value:.{decimals}f}" if plain else number(value, digits=3)) for value in values]


def _nice(step: float) -> float:
    """The next 1, 2 or 5 times a power of ten."""
    power = 10.0 ** math.floor(math.log10(step))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= step * (1 - 1e-9))


def fit(values: Sequence[float], *, left: float, right: float) -> Axis:
    """An axis with room for all values (at least one) and some air; never of length 0."""
    low, high = ends(values)
    least = max(abs(low), abs(high)) * 1e-6 or 1e-6
    if high - low < least:
        middle, half = (low + high) / 2, (abs(high) * 0.05 or 1.0)
        low, high = middle - half, middle + half
    padding = (high - low) * PADDING
    return Axis(low - padding, high + padding, left, right)


def ends(values: Sequence[float]) -> tuple[float, float]:
    """Least and greatest of the values, those that are too far away brought to where they can be drawn."""
    near = [min(max(value, -FARTHEST), FARTHEST) for value in values]
    return min(near), max(near)
