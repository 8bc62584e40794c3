"""Sweep configurations of W&B become a sweep of ours, or a list of everything that is wrong with them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from overnight.domain.errors import InvalidFile, Problem
from overnight.domain.plan import CampaignPlan, CellPlan, Direction, Goal, Need
from overnight.manifest import dump, load, plan_from
from overnight.manifest.template import launch_text

GRID = """\
program: train.py
method: grid
project: digits
name: first sweep
metric: {name: val/loss, goal: maximize}
parameters:
  optimizer: {values: [adam, sgd]}
  lr: {value: 0.01}
  nested:
    parameters:
      depth: {min: 1, max: 3}
      deeper: {parameters: {p: {distribution: q_uniform, min: 0, max: 1, q: 0.5}}}
"""


def sweep_of(**keys: Any) -> CampaignPlan:
    """The plan of a configuration with these keys."""
    return load(
        json.dumps({"program": "t.py", "method": "grid", "parameters": {"a": {"value": 1}}, **keys}), "f", "/base"
    )


def cells_of(**keys: Any) -> tuple[CellPlan, ...]:
    return sweep_of(**keys).sweeps[0].cells


def drawn(parameter: Mapping[str, Any], count: int = 400) -> list[Any]:
    """Values that are drawn for one parameter."""
    return [cell.parameters["a"] for cell in cells_of(method="random", run_cap=count, parameters={"a": parameter})]


def problems(**keys: Any) -> tuple[Problem, ...]:
    with pytest.raises(InvalidFile) as refusal:
        sweep_of(**keys)
    return refusal.value.problems


def test_a_grid_is_one_sweep_of_every_combination() -> None:
    plan = load(GRID, "f", "/base")
    assert (plan.name, plan.goal) == ("digits", Goal("val/loss", Direction.MAXIMIZE))
    (sweep,) = plan.sweeps
    assert (sweep.name, sweep.workdir, sweep.need) == ("first_sweep", "/base", Need(gpus=1, or_cpu=True))
    assert len(sweep.cells) == 2 * 3 * 2
    first, last = sweep.cells[0], sweep.cells[-1]
    assert first.parameters == {"optimizer": "adam", "lr": 0.01, "nested.depth": 1, "nested.deeper.p": 0.0}
    assert last.parameters == {"optimizer": "sgd", "lr": 0.01, "nested.depth": 3, "nested.deeper.p": 0.5}
    assert (first.name, last.name) == ("first_sweep-01", "first_sweep-12")
    assert first.command == (
        "/usr/bin/env", "python", "train.py",
        "--optimizer=adam", "--lr=0.01", "--nested.depth=1", "--nested.deeper.p=0.0",
    )  # fmt: skip


def test_a_cap_takes_the_first_runs_of_a_grid() -> None:
    parameters = {"a": {"min": 0, "max": 99_999}, "b": {"values": list(range(1000))}}
    assert [cell.parameters["b"] for cell in cells_of(parameters=parameters, run_cap=3)] == [0, 1, 2]


def test_goals_are_minimized_unless_they_say_otherwise() -> None:
    assert sweep_of(metric={"name": "loss"}).goal == Goal("loss", Direction.MINIMIZE)
    assert sweep_of().goal is None


def test_labels_are_made_legal_and_those_of_the_service_are_ignored() -> None:
    plan = sweep_of(
        name="a/b: c", entity="me", description="x", apiVersion="1", kind="sweep", controller={"type": "cloud"}
    )
    assert (plan.name, plan.sweeps[0].name) == ("a_b_ c", "a_b__c")
    assert (sweep_of().name, sweep_of().sweeps[0].name) == ("unknown", "sweep")


@pytest.mark.parametrize(
    ("parameter", "kind", "low", "high"),
    [
        ({"min": 1, "max": 5}, int, 1, 5),
        ({"min": 0.5, "max": 5}, float, 0.5, 5),
        ({"min": 1, "max": 5, "distribution": "uniform"}, float, 1, 5),
        ({"min": 1, "max": 5, "distribution": "int_uniform"}, int, 1, 5),
        ({"min": -3, "max": 3, "distribution": "log_uniform"}, float, 0.0497, 20.09),
        ({"min": 1e-5, "max": 1e-1, "distribution": "log_uniform_values"}, float, 1e-5, 1e-1),
        ({"min": -3, "max": 3, "distribution": "inv_log_uniform"}, float, 0.0497, 20.09),
        ({"min": 1e-5, "max": 1e-1, "distribution": "inv_log_uniform_values"}, float, 1e-5, 1e-1),
        ({"min": 0, "max": 10, "distribution": "q_uniform"}, int, 0, 10),
        ({"min": 0, "max": 1, "q": 0.25, "distribution": "q_uniform"}, float, 0, 1),
        ({"min": 0, "max": 5, "q": 2, "distribution": "q_log_uniform"}, int, 0, 148),
        ({"min": 16, "max": 256, "q": 8, "distribution": "q_log_uniform_values"}, int, 16, 256),
        ({"distribution": "beta"}, float, 0, 1),
        ({"distribution": "q_beta", "a": 2, "b": 3, "q": 0.1}, float, 0, 1),
        ({"distribution": "log_normal"}, float, 0, 1e9),
        ({"distribution": "q_log_normal", "mu": 3}, int, 0, 1_000_000_000),
    ],
)
def test_what_is_drawn_lies_in_its_bounds_and_has_its_kind(
    parameter: dict[str, Any], kind: type, low: float, high: float
) -> None:
    values = drawn(parameter)
    assert {type(value) for value in values} == {kind}
    assert all(low <= value <= high for value in values)
    assert len(set(values)) > 3


def test_the_middle_of_what_is_drawn_is_where_the_distribution_has_it() -> None:
    def middle(parameter: dict[str, Any]) -> float:
        return sorted(drawn(parameter, 2001))[1000]

    assert middle({"min": 0.0, "max": 10.0}) == pytest.approx(5, abs=0.5)
    assert middle({"min": 1e-4, "max": 1.0, "distribution": "log_uniform_values"}) == pytest.approx(1e-2, rel=0.5)
    assert middle({"min": -4, "max": 2, "distribution": "inv_log_uniform"}) == pytest.approx(2.718, rel=0.3)
    assert middle({"distribution": "normal", "mu": 3, "sigma": 2}) == pytest.approx(3, abs=0.3)
    assert middle({"distribution": "q_normal", "mu": 30, "sigma": 2, "q": 10}) == 30


def test_steps_are_multiples_without_dust() -> None:
    assert set(drawn({"min": 0, "max": 1, "q": 0.1, "distribution": "q_uniform"})) <= {n / 10 for n in range(11)}


def test_probabilities_weigh_the_values() -> None:
    values = drawn({"values": ["a", "b", "c"], "probabilities": [0, 0.1, 0.9]})
    assert set(values) == {"b", "c"}
    assert values.count("c") > values.count("b")


def test_the_text_of_a_file_decides_what_it_draws() -> None:
    text = "method: random\nrun_cap: 5\nprogram: t.py\nparameters: {a: {min: 0.0, max: 1.0}}\n"
    first = load(text, "f", "/base")
    assert first == load(text, "g", "/base")
    assert len({cell.parameters["a"] for cell in first.sweeps[0].cells}) == 5
    other = load(text + "# another\n", "f", "/base")
    assert first.sweeps[0].cells[0].parameters != other.sweeps[0].cells[0].parameters


def test_the_words_of_a_command() -> None:
    parameters = {"x": {"value": True}, "y": {"value": False}, "z": {"value": None}, "l": {"value": "a b"}}
    words = ["${env}", "${interpreter}", "-m", "${program}", 3, "${args_no_boolean_flags}", "--", "${args_no_hyphens}"]
    assert cells_of(command=words, parameters=parameters)[0].command == (
        "/usr/bin/env", "python", "-m", "t.py", "3",
        "--x", "--z=None", "--l=a b", "--", "x=True", "y=False", "z=None", "l=a b",
    )  # fmt: skip
    command = cells_of(command=["run", "${args_json}"], parameters=parameters)[0].command
    assert json.loads(command[1]) == {"x": True, "y": False, "z": None, "l": "a b"}


def test_a_command_without_the_script_needs_none() -> None:
    text = json.dumps({"method": "grid", "command": ["make", "${args}"], "parameters": {"a": {"value": 1}}})
    assert load(text, "f", "/base").sweeps[0].cells[0].command == ("make", "--a=1")


def test_a_variable_of_the_environment_is_read_when_a_run_starts() -> None:
    show = "import sys; print(sys.argv[1:])"
    words = [sys.executable, "-c", show, "x ${envvar:WHERE}/y", "${args}", "$HOME"]
    (cell,) = cells_of(command=words, parameters={"a": {"value": "${envvar:WHERE} '$(id)"}})
    assert isinstance(cell.command, str)
    shell = ["/bin/sh", "-c", launch_text(cell.command, {}, shell=True)]
    done = subprocess.run(shell, check=True, capture_output=True, text=True, env={**os.environ, "WHERE": "a b; $(id)"})
    assert done.stdout == f"{['x a b; $(id)/y', '--a=${envvar:WHERE} ' + chr(39) + '$(id)', '$HOME']}\n"
    unset = subprocess.run(shell, check=False, capture_output=True, text=True, env={"PATH": os.environ["PATH"]})
    assert unset.returncode != 0
    assert "WHERE: is not set" in unset.stderr


@given(
    st.text(
        st.characters(exclude_characters="\0", exclude_categories=("Cs",)) | st.sampled_from("${}GPUrun_dir"),
        max_size=20,
    )
)
@settings(max_examples=100, deadline=None)
def test_any_value_reaches_the_argument_vector_as_it_is(value: str) -> None:
    (cell,) = cells_of(parameters={"a": {"value": value}}, command=["x", "${args}"])
    assert [launch_text(word, {"GPU": "0", "run_dir": "/r"}, shell=False) for word in cell.command] == [
        "x",
        f"--a={value}",
    ]


@pytest.mark.parametrize(
    ("keys", "place", "says"),
    [
        ({"run_cup": 3}, "run_cup", "did you mean `run_cap`"),
        ({"method": "bayes"}, "method", "not supported yet"),
        ({"method": "custom"}, "method", "no method"),
        ({"method": None}, "method", "this is nothing"),
        ({"early_terminate": {"type": "hyperband", "min_iter": 3}}, "early_terminate", "remove `early_terminate`"),
        ({"method": "random"}, "run_cap", "how many runs"),
        ({"method": "random", "run_cap": 0}, "run_cap", "out of range"),
        ({"method": "random", "run_cap": 100_001}, "parameters", "more than 100,000 runs"),
        ({"parameters": {"a": {"min": 1, "max": 10**9}}}, "parameters", "more than 100,000 runs"),
        ({"parameters": {"a": {"min": 1, "max": 10**9}}, "run_cap": 2}, "parameters", "more than 100,000 runs"),
        ({"parameters": [1]}, "parameters", "a mapping of parameters"),
        ({"parameters": {}}, "parameters", "no parameters"),
        ({"parameters": {"a": 3}}, "parameters.a", "{value: ...}"),
        ({"parameters": {"a": {}}}, "parameters.a", "nothing says which values"),
        ({"parameters": {"a b": {"value": 1}}}, "parameters.a b", "no name of a parameter"),
        ({"parameters": {"a": {"value": [1]}}}, "parameters.a.value", "a single value"),
        ({"parameters": {"a": {"values": []}}}, "parameters.a.values", "at least one"),
        ({"parameters": {"a": {"values": 3}}}, "parameters.a.values", "a list of values"),
        ({"parameters": {"a": {"distribution": "constant"}}}, "parameters.a", "needs a `value`"),
        ({"parameters": {"a": {"distribution": "categorical"}}}, "parameters.a.values", "at least one"),
        ({"parameters": {"a": {"values": [1], "min": 1}}}, "parameters.a.min", "unknown key"),
        ({"parameters": {"a": {"values": [1], "probabilities": [1]}}}, "parameters.a", "value by value"),
        ({"parameters": {"a": {"values": [1, 2], "probabilities": [1]}}}, "parameters.a.probabilities", "write 2"),
        ({"parameters": {"a": {"values": [1], "probabilities": [0]}}}, "parameters.a.probabilities", "not all of them"),
        ({"parameters": {"a": {"min": 0.0, "max": 1}}}, "parameters.a", "value by value"),
        ({"parameters": {"a": {"distribution": "normal"}}}, "parameters.a", "value by value"),
        ({"parameters": {"a": {"min": 1}}}, "parameters.a", "`max` is missing"),
        ({"parameters": {"a": {"min": 2, "max": 2}}}, "parameters.a", "`min` must be below `max`"),
        ({"parameters": {"a": {"min": "1", "max": 2}}}, "parameters.a.min", "a finite number"),
        ({"parameters": {"a": {"min": 1, "max": 2, "distribution": "unifrm"}}}, "parameters.a.distribution",
         "did you mean `uniform`"),
        ({"parameters": {"a": {"min": 1, "max": 2, "q": 0, "distribution": "q_uniform"}}}, "parameters.a.q", "above 0"),
        ({"parameters": {"a": {"sigma": -1, "distribution": "normal"}}}, "parameters.a.sigma", "at least 0"),
        ({"parameters": {"a": {"min": 0, "max": 2, "distribution": "log_uniform_values"}}}, "parameters.a.min",
         "no logarithm"),
        ({"parameters": {"a": {"min": 1, "max": 1000, "distribution": "log_uniform"}}}, "parameters.a.max", "exponent"),
        ({"parameters": {"a": {"min": 0.5, "max": 2, "distribution": "int_uniform"}}}, "parameters.a.min", "no whole"),
        ({"parameters": {"a": {"parameters": 3}}}, "parameters.a.parameters", "a mapping"),
        ({"parameters": {"a": {"parameters": {"b": {"value": 1}}}, "a.b": {"value": 2}}}, "parameters.a.b", "twice"),
        ({"program": None}, "program", "this is nothing"),
        ({"command": "python x"}, "command", "a list of words"),
        ({"command": []}, "command", "empty"),
        ({"command": ["x", "${arg}"]}, "command[1]", "not known here"),
        ({"command": ["x", "${args_json_file}"]}, "command[1]", "not known here"),
        ({"command": ["x", "a=${program}"]}, "command[1]", "stands alone"),
        ({"command": ["x", None]}, "command[1]", "this is nothing"),
        ({"metric": "loss"}, "metric", "{name: accuracy"),
        ({"metric": {"goal": "minimize"}}, "metric", "the name of the metric"),
        ({"metric": {"name": "a", "goal": "max"}}, "metric.goal", "minimize or maximize"),
        ({"metric": {"name": "a", "target": 1}}, "metric.target", "unknown key"),
        ({"name": 3}, "name", "a whole number"),
    ],
)  # fmt: skip
def test_a_mistake_is_told_in_its_place(keys: dict[str, Any], place: str, says: str) -> None:
    found = problems(**keys)
    assert any(problem.place == place and says in problem.message for problem in found), found
    assert len(found) <= 2, "one mistake is no list of consequences"


def test_everything_wrong_is_told_at_once() -> None:
    text = "method: bayes\nmetrik: {}\nparameters:\n  a: {min: 3, max: 1}\n  b: 3\ncommand: [x, '${y}']\n"
    with pytest.raises(InvalidFile) as refusal:
        load(text, "f", "/base")
    found = [(problem.line, problem.place) for problem in refusal.value.problems]
    assert found == [(1, "method"), (2, "metrik"), (4, "parameters.a"), (5, "parameters.b"), (6, "command[1]")]


WORDS = st.sampled_from(["uniform", "q_uniform", "normal", "q_log_normal", "log_uniform", "inv_log_uniform", "beta",
                         "q_beta", "log_uniform_values", "q_log_uniform_values", "int_uniform", "x"])  # fmt: skip
NUMBERS = (
    st.integers(-(10**20), 10**20) | st.floats(allow_nan=False) | st.sampled_from([0, 1, -1, 1e300, 1e-300, 2**63])
)
PARAMETER = st.dictionaries(
    st.sampled_from(["min", "max", "q", "mu", "sigma", "a", "b"]), NUMBERS
) | st.fixed_dictionaries(
    {},
    optional={
        "value": NUMBERS,
        "values": st.lists(NUMBERS, max_size=3),
        "probabilities": st.lists(NUMBERS, max_size=3),
    },
)


@given(PARAMETER, WORDS | st.none(), st.sampled_from(["grid", "random"]))
@settings(max_examples=600, deadline=None)
def test_any_parameter_is_drawn_or_refused(parameter: dict[str, Any], word: str | None, method: str) -> None:
    if word is not None:
        parameter["distribution"] = word
    text = json.dumps({"program": "t", "method": method, "run_cap": 20, "parameters": {"a": parameter}}, allow_nan=True)
    try:
        plan = load(text, "f", "/base")
    except InvalidFile as refusal:
        found = refusal.problems
    else:
        assert plan_from(json.loads(json.dumps(dump(plan), allow_nan=False))) == plan
        values = [cell.parameters["a"] for cell in plan.sweeps[0].cells]
        assert all(not isinstance(value, int) or -(2**63) <= value < 2**63 for value in values)
        return
    assert found
