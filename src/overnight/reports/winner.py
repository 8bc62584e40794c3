"""Which configuration won, by how much, and whether the replicates' own scatter allows to say so."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from overnight.domain.plan import Direction, Goal
from overnight.reports.cells import Cell, Spread, SweepResults
from overnight.reports.figures import measured, not_finite, number
from overnight.reports.visible import visible

ENOUGH = 2.0
"""Standard errors of the difference from which on a difference counts as above the noise."""
MOST_BESIDE = 4
"""Sentences about other sweeps."""


class Noise(StrEnum):
    """How a difference of two means stands to the scatter of the replicates."""

    ABOVE = "above"
    WITHIN = "within"
    UNKNOWN = "unknown"
    """One of the two has a single replicate, which says nothing about scatter."""
    TIE = "tie"


@dataclass(frozen=True, slots=True)
class Contrast:
    """A cell against the best one; from the best one's side."""

    cell: Cell
    spread: Spread
    advantage: float
    """How much better the best one is, in the direction of the goal; negative when it is worse."""
    pooled: float | None
    """Pooled standard deviation of the two; None when the noise is unknown."""
    error: float | None
    """Standard error of the difference after Welch (the variances need not be equal)."""
    ratio: float | None
    """Size of the difference in standard errors; infinite when the replicates do not vary at all."""
    noise: Noise


@dataclass(frozen=True, slots=True)
class Best:
    """The best cell of a sweep by the goal metric."""

    goal: Goal
    cell: Cell
    spread: Spread
    candidates: int
    """Cells that could be compared."""
    runner_up: Contrast | None
    """None when there is no other candidate in the sweep."""
    tied: int
    """Other cells with the same mean."""
    others: tuple[Contrast, ...]
    """The best cells of the other sweeps that have the metric, in the order of the plan."""
    left_out: tuple[Cell, ...]
    """Cells of the sweep with NaN or an infinity among the values: their means would hide it."""
    sentence: str
    """Who won, by how much, and how that stands to the noise."""
    beside: tuple[str, ...]
    """Sentences that belong to it: against the strongest of other sweeps, and what could not be ranked."""


def contrast(best: Spread, cell: Cell, goal: Goal) -> Contrast:
    """The best cell's values against those of `cell`; both have a mean."""
    other = cell.spread(goal.metric)
    difference = _mean(best) - _mean(other)
    advantage = difference if goal.direction is Direction.MAXIMIZE else -difference
    pooled, error = _pooled(best, other), _error(best, other)
    ratio = None if error is None else abs(difference) / error if error else math.inf
    return Contrast(cell, other, advantage, pooled, error, ratio, _noise(_mean(best), _mean(other), ratio))


def _mean(spread: Spread) -> float:
    if spread.mean is None:
        raise ValueError("only cells with values can be compared")
    return spread.mean


def _pooled(a: Spread, b: Spread) -> float | None:
    if a.deviation is None or b.deviation is None:
        return None
    parts = a.deviation * math.sqrt(a.n - 1), b.deviation * math.sqrt(b.n - 1)
    return math.hypot(*parts) / math.sqrt(a.n + b.n - 2)


def _error(a: Spread, b: Spread) -> float | None:
    if a.deviation is None or b.deviation is None:
        return None
    return math.hypot(a.deviation / math.sqrt(a.n), b.deviation / math.sqrt(b.n))


def _noise(a: float, b: float, ratio: float | None) -> Noise:
    if math.isclose(a, b, rel_tol=1e-12):  # sums of other orders differ in the last digit
        return Noise.TIE
    if ratio is None:
        return Noise.UNKNOWN
    return Noise.ABOVE if ratio >= ENOUGH else Noise.WITHIN


def ranked(results: SweepResults, goal: Goal) -> list[Cell]:
    """Cells whose mean of the goal metric can be trusted, best first, equal ones in the order of the plan."""
    sign = -1 if goal.direction is Direction.MAXIMIZE else 1
    sound = [cell for cell in results.cells if cell.spread(goal.metric).sound]
    return sorted(sound, key=lambda cell: sign * _mean(cell.spread(goal.metric)))


def best_of_each(sweeps: Sequence[SweepResults], goal: Goal) -> dict[str, Best]:
    """By sweep's name, for the sweeps that have a comparable value of the goal metric; the last one is the winner.

    Only the winner is held against the best of the other sweeps.
    """
    order = {results.sweep: ranked(results, goal) for results in sweeps}
    having = [results for results in sweeps if order[results.sweep]]
    found = {}
    for place, results in enumerate(having, start=1):
        rivals = [order[it.sweep][0] for it in having if it is not results] if place == len(having) else None
        found[results.sweep] = _best(results, order[results.sweep], rivals, goal)
    return found


def _best(results: SweepResults, order: Sequence[Cell], rivals: Sequence[Cell] | None, goal: Goal) -> Best:
    top = order[0]
    spread = top.spread(goal.metric)
    left_out = tuple(cell for cell in results.cells if cell.spread(goal.metric).not_finite)
    contrasts = [contrast(spread, cell, goal) for cell in order[1:]]
    tied = sum(it.noise is Noise.TIE for it in contrasts)
    others = tuple(contrast(spread, cell, goal) for cell in rivals or ())
    nearest = sorted(others, key=lambda it: it.advantage)[:MOST_BESIDE]
    won = rivals is not None and all(it.advantage >= 0 or it.noise is Noise.TIE for it in others)
    return Best(
        goal=goal,
        cell=top,
        spread=spread,
        candidates=len(order),
        runner_up=contrasts[0] if contrasts else None,
        tied=tied,
        others=others,
        left_out=left_out,
        sentence=f"{_claim(top, tied, won)}: {_what(top, spread, goal)}{_lead(contrasts, tied, goal)}.",
        beside=(*(_beside(it, goal) for it in nearest), *_left_out(left_out, goal)),
    )


def _claim(top: Cell, tied: int, won: bool) -> str:
    if tied:
        return f"{top.title} shares the first place{'' if won else f' of {visible(top.sweep)}'}"
    return f"{top.title} won" if won else f"{top.title} is the best of {visible(top.sweep)}"


def _lead(contrasts: Sequence[Contrast], tied: int, goal: Goal) -> str:
    if not contrasts:
        return ", the only configuration of its sweep with a value"
    if tied:
        more = f" and {tied - 1} more" if tied > 1 else ""
        return f", a tie with {contrasts[0].cell.title}{more}"
    candidates = f", best of {len(contrasts) + 1}" if len(contrasts) > 1 else ""
    return f"{candidates}, {_against(contrasts[0], goal)}"


def _what(cell: Cell, spread: Spread, goal: Goal) -> str:
    return f"{visible(goal.metric)} {measured(spread.mean, spread.deviation)} ({_count(cell, spread)})"


def _inside(it: Contrast) -> str:
    return f"{measured(it.spread.mean, it.spread.deviation)}, {_count(it.cell, it.spread)}"


def _count(cell: Cell, spread: Spread) -> str:
    expected = len(cell.runs) + len(cell.elsewhere)
    return f"n={spread.n}" if spread.n == expected else f"n={spread.n} of {expected}"


def _against(it: Contrast, goal: Goal) -> str:
    upwards = (it.advantage > 0) is (goal.direction is Direction.MAXIMIZE)
    size = f"{number(abs(it.advantage), digits=2)} {'above' if upwards else 'below'}"
    return f"{size} {it.cell.title} ({_inside(it)}), {_judgement(it)}"


def _judgement(it: Contrast) -> str:
    if it.ratio is None:
        return "with a single replicate the noise is unknown"
    if it.error == 0:
        return "and neither varies over its replicates: above the noise"
    errors = f"{number(it.ratio, digits=2)} standard error{'' if number(it.ratio, digits=2) == '1' else 's'}"
    return f"{errors}: {it.noise} the noise"


def _beside(it: Contrast, goal: Goal) -> str:
    if it.noise is Noise.TIE:
        return f"It ties with {it.cell.title} ({_inside(it)})."
    return f"It is {_against(it, goal)}."


def _left_out(cells: Sequence[Cell], goal: Goal) -> list[str]:
    if not cells:
        return []
    shown = [f"{cell.title} ({_bad(cell.spread(goal.metric))})" for cell in cells[:3]]
    more = f" and {len(cells) - 3} more" if len(cells) > 3 else ""
    return [f"Not ranked: {', '.join(shown)}{more}."]


def _bad(spread: Spread) -> str:
    kinds = dict.fromkeys(not_finite(point.value) for point in spread.not_finite)
    return f"{len(spread.not_finite)} of {len(spread.points)} values {' or '.join(kinds)}"
