"""What is strange about the loss that a run sends: no number any more, diverged, or a spike. Pure.

Only a curve's own past decides; there is no loss that is too high as such, since language models begin at 11.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from statistics import median
from typing import Any

from overnight.domain.series import LOSS, first_of, number_of

YOUNG = 10
"""Points before which a curve is not judged."""
LEVEL = 5
"""Points whose median is the level of a curve, so that one lucky batch is not its best; and points running that make it
diverged."""
DIVERGED = 3.0
"""Times its best level from which on a loss counts as diverged."""
RECENT = 50
"""Points that a spike stands out of."""
SPIKE, DEVIATIONS = 3.0, 10.0
"""Times their median, and median absolute deviations above it, that a spike exceeds."""


class Rule(StrEnum):
    """What is asked about once per attempt."""

    NOT_FINITE = "not_finite"
    DIVERGED = "diverged"
    SPIKE = "spike"
    SILENT = "silent"
    """Neither log nor files move: noticed by the watch, not here."""


@dataclass(frozen=True, slots=True)
class Curve:
    """What is remembered of the loss of one attempt."""

    key: str | None = None
    """The name of the loss that it sends: the first that came; what else it calls a loss may have another scale."""
    count: int = 0
    best: float = math.inf
    """Lowest level."""
    high: int = 0
    """Newest points running that are far above the best level."""
    recent: tuple[float, ...] = ()
    said: frozenset[str] = frozenset()
    """Rules that were broken already."""


@dataclass(frozen=True, slots=True)
class Finding:
    """A rule that is broken, and a sentence about it."""

    rule: Rule
    detail: str


def follow(curve: Curve, rows: Iterable[Mapping[str, Any]]) -> tuple[Curve, list[Finding]]:
    """Take in the rows that came; answers what is to be said of them, each rule once."""
    found: list[Finding] = []
    for row in rows:
        value = number_of(row.get(curve.key)) if curve.key is not None else None
        if curve.key is None and (first := first_of(row, LOSS)):
            curve, value = replace(curve, key=first[0]), first[1]
        if value is not None:
            curve, new = _step(curve, value)
            found += new
    return curve, found


def _step(curve: Curve, value: float) -> tuple[Curve, list[Finding]]:
    if not math.isfinite(value):
        return _say(curve, Rule.NOT_FINITE, f"{curve.key} is {value} after {curve.count} points")
    high = curve.high + 1 if _is_high(curve, value) else 0
    curve = replace(curve, high=high)
    found: list[Finding] = []
    if high >= LEVEL:
        level = f"for {high} points running, at least {DIVERGED:g} times its best level of {curve.best:.4g}"
        curve, found = _say(curve, Rule.DIVERGED, f"{curve.key} is {value:.4g}, {level}")
    if _is_spike(curve, value):
        curve, spike = _say(curve, Rule.SPIKE, f"{curve.key} rose to {value:.4g}; before it was {_level(curve):.4g}")
        found += spike
    return _remember(curve, value), found


def _is_high(curve: Curve, value: float) -> bool:
    return curve.count >= YOUNG and curve.best > 0 and value >= DIVERGED * curve.best


def _is_spike(curve: Curve, value: float) -> bool:
    """The first question is cheap and answers nearly all points: a median is not below the smallest."""
    if curve.count < YOUNG or Rule.SPIKE in curve.said or value <= SPIKE * min(curve.recent):
        return False
    middle = _level(curve)
    deviation = median(abs(it - middle) for it in curve.recent)
    return middle > 0 and value > SPIKE * middle and value > middle + DEVIATIONS * deviation


def _level(curve: Curve) -> float:
    return median(curve.recent)


def _remember(curve: Curve, value: float) -> Curve:
    recent = (*curve.recent, value)[-RECENT:]
    best = min(curve.best, median(recent[-LEVEL:])) if len(recent) >= LEVEL else curve.best
    return replace(curve, count=curve.count + 1, best=best, recent=recent)


def _say(curve: Curve, rule: Rule, detail: str) -> tuple[Curve, list[Finding]]:
    if rule in curve.said:
        return curve, []
    return replace(curve, said=curve.said | {rule}), [Finding(rule, detail)]


def to_json(curve: Curve) -> dict[str, Any]:
    """A curve as plain values; a best level that is not known yet is None."""
    best = curve.best if math.isfinite(curve.best) else None
    return {
        "key": curve.key,
        "count": curve.count,
        "best": best,
        "high": curve.high,
        "recent": list(curve.recent),
        "said": sorted(curve.said),
    }


def from_json(kept: Mapping[str, Any] | None) -> Curve:
    """The other direction; None = nothing has come yet."""
    if kept is None:
        return Curve()
    best: float | None = kept["best"]
    recent: Sequence[float] = kept["recent"]
    known = math.inf if best is None else best
    return Curve(kept["key"], kept["count"], known, kept["high"], tuple(recent), frozenset(kept["said"]))
