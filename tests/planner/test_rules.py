"""What is said of a loss, and what is not."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Iterable
from typing import Any

import pytest

from overnight.planner.rules import Curve, Rule, follow, from_json, to_json


def rows(values: Iterable[Any], key: str = "loss") -> list[dict[str, Any]]:
    return [{"step": step, key: value} for step, value in enumerate(values)]


def broken(values: Iterable[Any], key: str = "loss") -> list[Rule]:
    return [it.rule for it in follow(Curve(), rows(values, key))[1]]


def language_model(rng: random.Random) -> list[float]:
    """A loss as training gives it: from 11 down to about 3, each batch off by some percent, restarts of the rate."""
    floor, pace, noise = rng.uniform(1.5, 4.0), rng.uniform(20, 800), rng.uniform(0.005, 0.08)
    return [
        (floor + (11 - floor) * math.exp(-step / pace) + (0.15 if step % 300 > 280 else 0.0)) * rng.gauss(1.0, noise)
        for step in range(rng.randrange(20, 1500))
    ]


@pytest.mark.parametrize("seed", range(200))
def test_the_healthy_loss_of_a_language_model_raises_nothing(seed: int) -> None:
    assert broken(language_model(random.Random(seed))) == []


@pytest.mark.parametrize("seed", range(20))
def test_one_that_diverges_at_any_time_is_noticed(seed: int) -> None:
    rng = random.Random(seed)
    healthy = language_model(rng)
    worse = [healthy[-1] * 1.5**step for step in range(1, 20)]
    assert Rule.DIVERGED in broken(healthy + worse)


STEADY = [2.0 + 0.01 * (step % 3) for step in range(12)]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([], []),
        ([2.0, float("nan")], [Rule.NOT_FINITE]),
        ([2.0, "NaN", "nan"], [Rule.NOT_FINITE]),
        ([2.0, "Infinity"], [Rule.NOT_FINITE]),
        ([10**400], [Rule.NOT_FINITE]),
        ([1e9, 1e8, 1e7], []),
        (["a lot", None, True, [], {}], []),
        ([*STEADY, 7.0], [Rule.SPIKE]),
        ([*STEADY, 7.0, 2.0, 7.0], [Rule.SPIKE]),
        ([*STEADY, 5.9], []),
        ([*STEADY[:9], 7.0, 2.0], []),
        ([*STEADY, 6.1, 6.1, 6.1, 6.1], [Rule.SPIKE]),
        ([*STEADY, 6.1, 6.1, 6.1, 6.1, 6.1], [Rule.SPIKE, Rule.DIVERGED]),
        ([*STEADY, 6.1, 6.1, 6.1, 6.1, 2.0, 6.1], [Rule.SPIKE]),
        ([*STEADY, *[6.1] * 20], [Rule.SPIKE, Rule.DIVERGED]),
        ([-5.0] * 12 + [-1.0] * 12, []),
        ([-5.0] * 12 + [50.0] * 12, []),
        ([0.0] * 12 + [1.0] * 12, []),
        ([1.0, 5.0, 9.0] * 5 + [44.0], []),
        ([1.0, 5.0, 9.0] * 5 + [46.0], [Rule.SPIKE]),
    ],
)
def test_what_counts_as_strange(values: list[Any], expected: list[Rule]) -> None:
    assert broken(values) == expected


def test_one_lucky_batch_is_not_the_best_level() -> None:
    assert broken([*STEADY, 0.1, *STEADY]) == []


@pytest.mark.parametrize("key", ["loss", "train/loss", "train_loss", "training_loss"])
def test_every_name_of_a_loss_is_followed(key: str) -> None:
    assert broken([2.0, "NaN"], key) == [Rule.NOT_FINITE]


def test_what_is_no_loss_is_not_judged() -> None:
    assert broken([2.0, "NaN"], "accuracy") == []


def test_the_first_name_that_came_is_the_loss_for_good() -> None:
    curve, found = follow(Curve(), [*rows(STEADY, "train/loss"), *rows([90.0] * 9, "train_loss")])
    assert (curve.key, curve.count, found) == ("train/loss", len(STEADY), [])


@pytest.mark.parametrize("cut", [0, 1, 5, 11, 13, 16])
def test_it_does_not_matter_in_how_many_pieces_the_rows_come(cut: int) -> None:
    values = [*STEADY, *[6.1] * 8, "NaN"]
    curve, first = follow(Curve(), rows(values[:cut]))
    kept = from_json(json.loads(json.dumps(to_json(curve), allow_nan=False)))
    whole, second = follow(kept, rows(values[cut:]))
    assert (whole, [*first, *second]) == follow(Curve(), rows(values))


def test_nothing_is_remembered_before_anything_came() -> None:
    assert from_json(None) == Curve()
