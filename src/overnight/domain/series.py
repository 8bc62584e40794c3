"""A run's numbers over its steps, from the rows that it sent or wrote: gathered in one pass and in bounded memory.

Source of names and shapes: section 2.2 of the Wild V2 protocol. Rows are hostile: what is no number is passed over.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

MOST_KEYS = 200
"""Metrics of one run that are gathered."""
MOST_POINTS = 400
"""Points of one of them that are shown."""
MOST_HELD = 4 * MOST_POINTS
"""Points of one of them that are held while they are gathered."""
LONGEST_KEY = 256
"""Characters of a metric's name; longer ones are left out."""

LOSS = ("loss", "train/loss", "train_loss", "training_loss")
VALIDATION = ("val/loss", "val_loss", "validation/loss", "eval/loss", "valid/loss")
ACCURACY = ("accuracy", "val/accuracy", "eval/accuracy", "train/accuracy", "acc")
EPOCH = ("epoch", "train/epoch")
STEP = ("step", "_step", "global_step", "trainer/global_step")
"""What these are called, the first one that is there first."""

_WORDS = {"nan": math.nan, "inf": math.inf, "infinity": math.inf, "-inf": -math.inf, "-infinity": -math.inf}
"""How numbers are written that JSON has none for."""

Point = tuple[float, float]
"""Step and value."""


def number_of(value: Any) -> float | None:
    """A value as a number; `"NaN"` and `"Infinity"` are some, as text; None for what is none."""
    if isinstance(value, str):
        return _WORDS.get(value.lower()) if len(value) <= 9 else None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def first_of(row: Mapping[str, Any], names: Sequence[str]) -> tuple[str, float] | None:
    """The first of some names that has a number in a row, with it."""
    for name in names:
        number = number_of(row.get(name))
        if number is not None:
            return name, number
    return None


@dataclass(slots=True)
class Series:
    """The points of one metric: every `stride`-th, so that never more than `MOST_HELD` are held, and the last."""

    stride: int = 1
    count: int = 0
    within_one: bool = True
    """Whether all finite values lie in 0..1."""
    last: Point = (0.0, 0.0)
    _kept: list[Point] = field(default_factory=list)

    def add(self, step: float, value: float) -> None:
        """Take in the next point."""
        self.last = (step, value)
        self.within_one = self.within_one and (not math.isfinite(value) or 0.0 <= value <= 1.0)
        if self.count % self.stride == 0:
            self._kept.append(self.last)
            if len(self._kept) >= MOST_HELD:
                self._kept, self.stride = self._kept[::2], 2 * self.stride
        self.count += 1

    def points(self) -> list[Point]:
        """At most `MOST_POINTS`, evenly from all, the first and the last among them."""
        if self.count <= MOST_POINTS:
            return list(self._kept)
        steps = (self.count - 1) // self.stride
        factor = -(-steps // (MOST_POINTS - 2))
        shown = self._kept[::factor]
        return shown if (self.count - 1) % (self.stride * factor) == 0 else [*shown, self.last]


class Gathering:
    """Takes rows in, one after the other, and says what they amount to."""

    def __init__(self) -> None:
        self.rows = 0
        self._series: dict[str, Series] = {}

    def add(self, row: Mapping[str, Any]) -> None:
        """One row. Without a step of its own its step is its number, from 0."""
        found = first_of(row, STEP)
        step = found[1] if found and math.isfinite(found[1]) else float(self.rows)
        self.rows += 1
        for name, value in row.items():
            number = number_of(value)
            if number is not None and not name.startswith("_") and name not in STEP:
                self._add(name, step, number)

    def _add(self, name: str, step: float, number: float) -> None:
        kept = self._series.get(name)
        if kept is None:
            if len(self._series) >= MOST_KEYS or len(name) > LONGEST_KEY:
                return
            kept = self._series[name] = Series()
        kept.add(step, number)

    def answer(self) -> dict[str, Any]:
        """`{}` without a number, else `{metricSeries, metricKeys, lossHistory, metrics}`; numbers that JSON has not are
        None."""
        if not self._series:
            return {}
        return {
            "metricSeries": {name: [_shown(it) for it in kept.points()] for name, kept in self._series.items()},
            "metricKeys": sorted(self._series),
            "lossHistory": self._losses(),
            "metrics": {"loss": self._last(LOSS), "accuracy": self._accuracy(), "epoch": self._last(EPOCH)},
        }

    def _named(self, names: Sequence[str]) -> Series | None:
        return next((self._series[name] for name in names if name in self._series), None)

    def _last(self, names: Sequence[str]) -> float | None:
        kept = self._named(names)
        return _plain(kept.last[1]) if kept else None

    def _accuracy(self) -> float | None:
        """In percent where all of it lies in 0..1 (decision 14)."""
        kept = self._named(ACCURACY)
        if kept is None:
            return None
        return _plain(kept.last[1] * 100 if kept.within_one else kept.last[1])

    def _losses(self) -> list[dict[str, float | None]]:
        """The losses of training by step, with those of validation; between two of training the one before counts."""
        trained, validated = self._named(LOSS), self._named(VALIDATION)
        return loss_history(trained.points() if trained else (), validated.points() if validated else ())


def loss_history(trained: Sequence[Point], validated: Sequence[Point]) -> list[dict[str, float | None]]:
    """`[{step, trainLoss, valLoss?}]` in the order of steps. A step that was only validated has the training loss of
    the one before; validation before any training is left out."""
    waiting = dict(validated)
    merged = [(step, value, waiting.pop(step, None)) for step, value in trained]
    for step, value in waiting.items():
        before = [it for it in trained if it[0] < step]
        if before:
            merged.append((step, before[-1][1], value))
    if waiting:
        merged.sort(key=lambda it: it[0])
    return [
        {"step": step, "trainLoss": _plain(train), **({} if valid is None else {"valLoss": _plain(valid)})}
        for step, train, valid in merged
    ]


def rows_of(lines: Iterable[str]) -> Iterable[Mapping[str, Any]]:
    """The rows among lines of text: JSON objects of one line each."""
    for line in lines:
        stripped = line.strip()
        if stripped.startswith("{") and stripped.endswith("}"):
            row = decoded(stripped)
            if row is not None:
                yield row


def decoded(text: str) -> Mapping[str, Any] | None:
    """A JSON object; None for all else."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _shown(point: Point) -> dict[str, float | None]:
    return {"step": point[0], "value": _plain(point[1])}


def _plain(value: float) -> float | None:
    return value if math.isfinite(value) else None
