"""Two runs side by side."""

from __future__ import annotations

import json
import math

from overnight.reports.compare import Change, Pair, compare, tables, to_json
from tests.reports.worlds import HOSTILE, run


def test_only_parameters_that_differ_are_told() -> None:
    a = run("a", parameters={"lr": 0.1, "width": 8, "flag": 1, "only": None, "odd": math.nan})
    b = run("b", parameters={"lr": 0.2, "width": 8, "flag": True, "odd": math.nan})
    assert compare(a, b).parameters == (Pair("lr", 0.1, 0.2), Pair("flag", 1, True), Pair("only", None, None))


def test_commands_are_compared_word_by_word() -> None:
    a = run("a", command="python train.py --lr 0.1 --fast")
    b = run("b", command=["python", "train.py", "--lr", "0.2"])
    assert compare(a, b).command == (Change(("0.1", "--fast"), ("0.2",)),)
    assert compare(a, a).command == ()


def test_a_giant_command_is_told_as_a_whole() -> None:
    a, b = run("a", command="x " * 50_000), run("b", command="y " * 50_000)
    assert len(compare(a, b).command) == 1


def test_results_have_differences_where_both_are_finite() -> None:
    a = run("a", {"accuracy": 0.75, "loss": math.nan, "steps": 10.0})
    b = run("b", {"accuracy": 0.5, "loss": 1.0, "memory": 3.0})
    found = {pair.name: (pair.first, pair.second, pair.difference) for pair in compare(a, b).results}
    assert found["accuracy"] == (0.75, 0.5, -0.25)
    assert found["loss"][1:] == (1.0, None)
    assert found["steps"] == (10.0, None, None)
    assert found["memory"] == (None, 3.0, None)
    assert list(found) == ["accuracy", "loss", "steps", "memory"]


def test_values_of_the_environment_are_never_told() -> None:
    a, b = run("a", env={"KEY": "secret-one", "SAME": "x"}), run("b", env={"KEY": "secret-two", "SAME": "x"})
    comparison = compare(a, b)
    assert comparison.environment == ("KEY",)
    assert "secret" not in json.dumps(to_json(comparison)) + str(tables(comparison))


def test_json_is_strict_and_has_what_the_caller_said_of_the_code() -> None:
    a, b = run("a", {"loss": math.inf}), run("b", {"loss": -math.inf})
    told = json.loads(json.dumps(to_json(compare(a, b, same_code=False)), allow_nan=False))
    assert told["same_code"] is False
    assert told["results"]["loss"] == {"first": "Infinity", "second": "-Infinity", "difference": None}
    assert told["first"]["name"] == "a"
    assert told["first"]["seconds"] == 10.0


def test_tables_are_safe_to_print_and_as_wide_as_their_headers() -> None:
    a = run(HOSTILE, {HOSTILE: 1.0}, parameters={HOSTILE: HOSTILE}, command=HOSTILE, env={HOSTILE: HOSTILE})
    found = tables(compare(a, run("b", {"x": 1.0}), same_code=None))
    assert [table.title for table in found] == ["Runs", "Differences", "Results"]
    for table in found:
        assert all(len(row) == len(table.header) for row in table.rows)
        assert all(text.isprintable() for row in [table.header, *table.rows] for text in row)
    assert ("code", "not known", "not known") in found[0].rows
