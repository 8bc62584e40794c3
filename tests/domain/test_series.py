"""Rows become series: the names of the protocol, even strides, bounded memory."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest

from overnight.domain.series import MOST_HELD, MOST_KEYS, MOST_POINTS, Gathering, Series, loss_history, rows_of


def gathered(*rows: dict[str, Any]) -> dict[str, Any]:
    gathering = Gathering()
    for row in rows:
        gathering.add(row)
    answer = gathering.answer()
    json.dumps(answer, allow_nan=False)
    return answer


@pytest.mark.parametrize("count", [1, 2, 399, 400, 401, 402, 797, 799, 800, 801, 1599, 1600, 1601, 5000, 99_999])
def test_points_are_evenly_spaced_and_end_with_the_last_one(count: int) -> None:
    series = Series()
    for step in range(count):
        series.add(float(step), 1.0)
    steps = [step for step, _ in series.points()]
    assert len(steps) <= MOST_POINTS
    assert len(steps) > min(count, MOST_POINTS) // 2
    assert (steps[0], steps[-1]) == (0.0, count - 1.0)
    assert len({after - before for before, after in itertools.pairwise(steps[:-1])}) <= 1
    assert len(series._kept) <= MOST_HELD


def test_a_run_that_reported_nothing_has_nothing() -> None:
    assert gathered() == {}
    assert gathered({"note": "a", "step": 3, "_runtime": 4, "ok": True}) == {}


def test_rows_become_series_keys_history_and_last_values() -> None:
    found = gathered(
        {"step": 1, "loss": 2.0, "val/loss": 2.5, "accuracy": 0.25, "epoch": 0},
        {"step": 2, "loss": 1.0, "accuracy": 0.5, "epoch": 1},
    )
    assert found["metricSeries"]["loss"] == [{"step": 1.0, "value": 2.0}, {"step": 2.0, "value": 1.0}]
    assert found["metricKeys"] == ["accuracy", "epoch", "loss", "val/loss"]
    assert found["lossHistory"] == [{"step": 1.0, "trainLoss": 2.0, "valLoss": 2.5}, {"step": 2.0, "trainLoss": 1.0}]
    assert found["metrics"] == {"loss": 1.0, "accuracy": 50.0, "epoch": 1.0}


@pytest.mark.parametrize("step", ["step", "_step", "global_step", "trainer/global_step"])
def test_every_name_of_a_step_is_known_and_is_no_metric(step: str) -> None:
    assert gathered({step: 7, "loss": 1})["metricSeries"] == {"loss": [{"step": 7.0, "value": 1.0}]}


@pytest.mark.parametrize("row", [{"loss": 1}, {"loss": 1, "step": "NaN"}, {"loss": 1, "step": "seven"}])
def test_a_row_without_a_step_has_its_number(row: dict[str, Any]) -> None:
    assert [it["step"] for it in gathered({"lr": 1}, row)["metricSeries"]["loss"]] == [1.0]


@pytest.mark.parametrize("name", ["val/loss", "val_loss", "validation/loss", "eval/loss", "valid/loss"])
def test_every_name_of_a_validation_loss_is_known(name: str) -> None:
    assert gathered({"step": 1, "train_loss": 2, name: 3})["lossHistory"][0]["valLoss"] == 3.0


@pytest.mark.parametrize("name", ["accuracy", "val/accuracy", "eval/accuracy", "train/accuracy", "acc"])
def test_accuracy_is_percent_only_where_all_of_it_lies_within_one(name: str) -> None:
    assert gathered({name: 0.5}, {name: 0.9})["metrics"]["accuracy"] == 90.0
    assert gathered({name: 55}, {name: 0.9})["metrics"]["accuracy"] == 0.9
    assert gathered({name: 0.5}, {name: "NaN"}, {name: 1})["metrics"]["accuracy"] == 100.0


def test_numbers_that_json_has_not_are_gaps() -> None:
    found = gathered({"loss": "NaN", "a": float("inf"), "b": -(10**400), "c": 10**400, "epoch": 10**400})
    assert {name: points[0]["value"] for name, points in found["metricSeries"].items()} == dict.fromkeys(
        ("loss", "a", "b", "c", "epoch")
    )
    assert found["metrics"] == {"loss": None, "accuracy": None, "epoch": None}


def test_only_so_many_metrics_of_bearable_names_are_gathered() -> None:
    found = gathered({"x" * 257: 1, **{f"m{place}": place for place in range(MOST_KEYS + 50)}})
    assert found["metricKeys"] == sorted(f"m{place}" for place in range(MOST_KEYS))


def test_validation_between_two_steps_of_training_keeps_its_own_step() -> None:
    trained, validated = [(10.0, 3.0), (20.0, 2.0)], [(5.0, 9.0), (10.0, 3.5), (15.0, 2.5), (30.0, 2.2)]
    assert loss_history(trained, validated) == [
        {"step": 10.0, "trainLoss": 3.0, "valLoss": 3.5},
        {"step": 15.0, "trainLoss": 3.0, "valLoss": 2.5},
        {"step": 20.0, "trainLoss": 2.0},
        {"step": 30.0, "trainLoss": 2.0, "valLoss": 2.2},
    ]


def test_rows_are_found_among_other_lines() -> None:
    lines = ["epoch 1", ' {"loss": 1}\n', "{}", "[1]", "{broken}", '{"a": ' + "[" * 100_000 + "}", "{1}"]
    assert list(rows_of(lines)) == [{"loss": 1}, {}]
