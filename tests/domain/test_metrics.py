"""Numbers from logs and results, without an SDK, out of hostile text."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from overnight.domain import metrics
from overnight.domain.metrics import LONGEST_NAME, MOST_METRICS, from_csv, from_log, from_results, series


def test_the_final_block_is_read() -> None:
    assert from_log("epoch 1\n---\naccuracy: 0.5\nloss:1e-3\nname: x\nnot a pair\n") == {"accuracy": 0.5, "loss": 0.001}


def test_the_last_block_and_the_last_json_line_win() -> None:
    assert from_log('{"loss": 3}\n---\na: 1\n{"loss": 2}\n---\nb: 2\n') == {"loss": 2.0, "b": 2.0}
    assert from_log('{"a": 1}\n---\na: 2\n') == {"a": 2.0}


def test_nan_and_infinity_are_numbers() -> None:
    found = from_log('{"loss": NaN, "x": Infinity}\n---\ny: -inf\nz: nan\n')
    assert math.isnan(found["loss"])
    assert math.isnan(found["z"])
    assert (found["x"], found["y"]) == (math.inf, -math.inf)


def test_numbers_too_large_for_a_float_become_infinity() -> None:
    assert from_results('{"a": 1e400, "b": ' + "9" * 400 + ', "c": -' + "9" * 400 + "}") == {
        "a": math.inf,
        "b": math.inf,
        "c": -math.inf,
    }


def test_what_is_no_number_is_left_out() -> None:
    assert from_results('{"a": true, "b": "1", "c": null, "d": [1], "e": {"f": 1}, "g": 2}') == {"g": 2.0}
    assert from_results("[1]") == from_results("") == from_results("{") == {}
    assert from_results("[" * 100_000) == {}


def test_names_are_bounded() -> None:
    assert from_results('{"' + "x" * (LONGEST_NAME + 1) + '": 1, "<b>": 1, "": 1, "1a": 1, "val/loss": 1}') == {
        "val/loss": 1.0
    }
    many = "{" + ", ".join(f'"m{n}": {n}' for n in range(MOST_METRICS + 50)) + "}"
    assert len(from_results(many)) == MOST_METRICS


def test_a_series_has_steps() -> None:
    lines = ['{"step": 10, "loss": 2.0}', "noise", '{"epoch": 2, "loss": 1.0}', '{"loss": 0.5}']
    assert series(lines) == {"loss": [(10.0, 2.0), (2.0, 1.0), (3.0, 0.5)], "epoch": [(2.0, 2.0)]}


def test_a_series_keeps_known_metrics_when_too_many_appear() -> None:
    lines = [f'{{"step": {n}, "m{n}": {n}}}' for n in range(MOST_METRICS + 5)] + ['{"step": 1, "m0": 7}']
    found = series(lines)
    assert len(found) == MOST_METRICS
    assert found["m0"] == [(0.0, 0.0), (1.0, 7.0)]


@given(st.text())
def test_no_text_breaks_the_parser(text: str) -> None:
    assert all(isinstance(value, float) for value in from_log(text).values())
    assert all(isinstance(value, float) for value in from_results(text).values())
    metrics.series(text.splitlines())


def test_the_last_row_of_a_csv_is_read_by_its_header() -> None:
    text = 'epoch,"val, loss",val_acc,note\n1,0.9,0.5,a\n2,0.7,nan,b\n\n'
    found = from_csv(text, text)
    assert found["epoch"] == 2.0
    assert math.isnan(found["val_acc"])
    assert set(found) == {"epoch", "val_acc"}
    assert from_csv("a,b\n1,2\n", "cut,off\n3,4\n") == {"a": 3.0, "b": 4.0}


def test_a_csv_without_rows_or_with_other_columns_gives_nothing() -> None:
    for head, tail in (
        ("", ""),
        ("a,b\n", "a,b\n"),
        ("a,b\n", "1,2,3\n"),
        ("a,b\n", "1"),
        ("\0\n", "\0\n"),
        ("a" * 200_000, "1"),
    ):
        assert from_csv(head, tail) == {}


@given(st.text(), st.text())
def test_no_text_breaks_the_csv_parser(head: str, tail: str) -> None:
    assert all(isinstance(value, float) for value in from_csv(head, tail).values())
