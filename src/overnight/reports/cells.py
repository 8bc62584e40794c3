"""Results over replicates: the runs of a sweep that differ only in a replicates axis (the seed) make one cell.

Only runs that succeeded count. What is not a finite number is kept beside the mean, never in it. Runs that took a
declared smaller setting are another configuration: they make a cell of their own, next to that of the others.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from overnight.domain.plan import Scalar
from overnight.reports.changed import Swap, changes, in_words
from overnight.reports.material import RunMaterial, SweepMaterial
from overnight.reports.visible import visible


@dataclass(frozen=True, slots=True)
class Point:
    """What one run reported of one metric."""

    run: str
    value: float


@dataclass(frozen=True, slots=True)
class Spread:
    """One metric over the replicates of a cell."""

    points: tuple[Point, ...]
    """Everything that was reported, NaN and the infinities too."""
    silent: tuple[str, ...]
    """Names of runs that succeeded without reporting this metric."""
    n: int
    """Finite values; the following are over these."""
    mean: float | None
    """None when n is 0, like `least` and `most`."""
    deviation: float | None
    """Sample standard deviation (n - 1); None when n is below 2."""
    least: float | None
    most: float | None

    @property
    def not_finite(self) -> tuple[Point, ...]:
        """NaN and the infinities."""
        return tuple(point for point in self.points if not math.isfinite(point.value))

    @property
    def sound(self) -> bool:
        """Whether the mean stands for all that was reported: there is a value, and every one is finite."""
        return self.n > 0 and self.n == len(self.points)


@dataclass(frozen=True, slots=True)
class Missing:
    """A replicate without accepted results, and why."""

    run: str
    state: str
    reason: str | None


@dataclass(frozen=True, slots=True)
class Cell:
    """One configuration."""

    sweep: str
    label: str
    """What tells it from the other cells of its sweep, for people; empty when the sweep has no other."""
    by_parameters: bool
    """Whether the label is made of parameters; else it is a run's name."""
    parameters: Mapping[str, Scalar]
    """As they were written, without the replicates axes."""
    changed: Mapping[str, Swap]
    """Parameters that its runs took another value of; empty for most cells."""
    elsewhere: tuple[str, ...]
    """What became of further replicates that took other values, each in a few words; their numbers are not here."""
    packed: tuple[str, ...]
    """Names of runs that shared their GPU with others: times among their numbers are not comparable."""
    runs: tuple[str, ...]
    ids: tuple[str, ...]
    missing: tuple[Missing, ...]
    spreads: Mapping[str, Spread]

    @property
    def title(self) -> str:
        """Sweep and label in one line, safe to print."""
        return " ".join(filter(None, (visible(self.sweep), self.label)))

    def spread(self, metric: str) -> Spread:
        """Of that metric; one of no values where no run reported it."""
        return self.spreads.get(metric) or spread((), ())


@dataclass(frozen=True, slots=True)
class SweepResults:
    """The cells of a sweep in the order of the plan."""

    sweep: str
    varied: tuple[str, ...]
    """Parameters in which cells differ."""
    replicates: tuple[str, ...]
    metrics: tuple[str, ...]
    """All that were reported, in order of first appearance."""
    cells: tuple[Cell, ...]


def spread(points: Sequence[Point], silent: Sequence[str]) -> Spread:
    """Mean, deviation and range of the finite ones among `points`."""
    values = [point.value for point in points if math.isfinite(point.value)]
    if not values:
        return Spread(tuple(points), tuple(silent), 0, None, None, None, None)
    mean = _mean(values)
    deviation = None
    if len(values) > 1:
        # hypot neither overflows nor loses small values on its way, as a sum of squares would
        deviation = math.hypot(*(value - mean for value in values)) / math.sqrt(len(values) - 1)
    return Spread(tuple(points), tuple(silent), len(values), mean, deviation, min(values), max(values))


def _mean(values: Sequence[float]) -> float:
    if min(values) == max(values):
        return values[0]
    try:
        return math.fsum(values) / len(values)
    except OverflowError:
        return math.fsum(value / len(values) for value in values)


def gather(material: SweepMaterial) -> SweepResults:
    """The runs of a sweep as cells. Two runs with the very same parameters are not replicates of each other."""
    axes = material.sweep.settings.replicates
    groups = _groups(material.runs, axes)
    varied = _varied([_without(group[0], axes) for group in groups.values()])
    crowded = {key for key, occurrence in groups if occurrence > 0}
    cells = []
    for (key, _), group in groups.items():
        label = None if key in crowded else _label(_without(group[0], axes), varied)
        for alike in _alike(group):
            cells.append(_cell(material.sweep.name, label, group, alike, axes))
    metrics = dict.fromkeys(metric for cell in cells for metric in cell.spreads)
    used = tuple(axis for axis in axes if any(axis in _parameters(it) for it in material.runs))
    return SweepResults(material.sweep.name, varied, used, tuple(metrics), tuple(cells))


Key = tuple[tuple[str, str], ...]


def _groups(runs: Iterable[RunMaterial], axes: Sequence[str]) -> dict[tuple[Key, int], list[RunMaterial]]:
    """Runs by their parameters without the axes; the k-th of several equal runs belongs to the k-th such cell."""
    groups: dict[tuple[Key, int], list[RunMaterial]] = defaultdict(list)
    seen: dict[Key, int] = defaultdict(int)
    for it in runs:
        whole = _key(_parameters(it))
        groups[_key(_without(it, axes)), seen[whole]].append(it)
        seen[whole] += 1
    return groups


def _alike(group: Sequence[RunMaterial]) -> list[list[RunMaterial]]:
    """The runs of a cell by the values that they really took; one that has no results counts as it was written."""
    kinds: dict[str, list[RunMaterial]] = {}
    for it in sorted(group, key=lambda it: bool(_swaps(it))):
        kinds.setdefault(repr(_swaps(it)), []).append(it)
    return list(kinds.values())


def _swaps(it: RunMaterial) -> dict[str, Swap]:
    return changes(it.run) if it.run.state == "succeeded" else {}


def _key(parameters: Mapping[str, Any]) -> Key:
    # by repr: 1, 1.0, True and "1" are four values, and NaN is the same as NaN
    return tuple(sorted((name, repr(value)) for name, value in parameters.items()))


def _parameters(it: RunMaterial) -> Mapping[str, Any]:
    parameters: Mapping[str, Any] = it.run.config.get("parameters") or {}
    return parameters


def _without(it: RunMaterial, axes: Sequence[str]) -> dict[str, Any]:
    return {name: value for name, value in _parameters(it).items() if name not in axes}


def _varied(configurations: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    found: dict[str, set[str]] = {}
    present: dict[str, int] = defaultdict(int)
    for configuration in configurations:
        for name, value in configuration.items():
            found.setdefault(name, set()).add(repr(value))
            present[name] += 1
    return tuple(name for name in found if len(found[name]) > 1 or present[name] < len(configurations))


def _label(parameters: Mapping[str, Any], varied: Sequence[str]) -> str:
    return visible(" ".join(f"{name}={parameters[name]}" for name in varied if name in parameters))


def _cell(
    sweep: str, label: str | None, group: Sequence[RunMaterial], alike: Sequence[RunMaterial], axes: Sequence[str]
) -> Cell:
    """Of those runs of the group that are alike."""
    done = [it for it in alike if it.run.state == "succeeded"]
    metrics = dict.fromkeys(metric for it in done for metric in it.results)
    named = visible(group[0].run.name) if len(group) == 1 or label is None else ""
    swaps = _swaps(alike[0])
    ids = tuple(it.run.id for it in alike)
    ours = frozenset(ids)
    others = [it for it in group if it.run.state == "succeeded" and it.run.id not in ours]
    return Cell(
        sweep=sweep,
        label=" ".join(filter(None, (label or named, f"({in_words(swaps)})" if swaps else ""))),
        by_parameters=bool(label) or not named,
        parameters=_without(group[0], axes),
        changed=swaps,
        elsewhere=tuple(f"{visible(it.run.name)} ran {in_words(_swaps(it))}" for it in others),
        packed=tuple(it.run.name for it in done if it.packed),
        runs=tuple(it.run.name for it in alike),
        ids=ids,
        missing=tuple(Missing(it.run.name, it.run.state, it.run.reason) for it in alike if it.run.state != "succeeded"),
        spreads={metric: _spread_of(metric, done) for metric in metrics},
    )


def _spread_of(metric: str, done: Sequence[RunMaterial]) -> Spread:
    points = [Point(it.run.name, it.results[metric]) for it in done if metric in it.results]
    return spread(points, [it.run.name for it in done if metric not in it.results])
