"""Whatever text is given, the answer is a plan or a list of problems; and a plan survives being stored."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from overnight.domain.errors import InvalidFile
from overnight.domain.plan import CampaignPlan
from overnight.manifest import dump, load, load_path, plan_from
from overnight.manifest.write import native_text
from overnight.manifest.write.native import without_lines

KEYS = st.sampled_from(
    [
        "campaign",
        "goal",
        "workdir",
        "environment",
        "env",
        "resources",
        "limits",
        "retry",
        "time_limit",
        "grace",
        "priority",
        "replicates",
        "vars",
        "sweeps",
        "command",
        "outputs",
        "name",
        "needs",
        "parallel",
        "grid",
        "zip",
        "cells",
        "exclude",
        "metric",
        "direction",
        "venv",
        "conda",
        "gpus",
        "slots",
        "gpu_memory",
        "attempts",
        "delay",
        "factor",
        "longest",
        "wall",
        "a",
        "b",
        "x",
        "seed",
        "run_dir",
        "GPU",
        "jobs",
        "phases",
        "method",
        "parameters",
        "template",
        "runs",
        "oom",
        "requires",
        "secrets",
        "phase",
        "barrier",
        "target",
        "targets",
        "mirror",
        "lease",
        "on_disconnect",
        "smaller",
        "changed",
        "analyze",
    ]
)
TEXTS = st.sampled_from(
    ["a", "b", "x", "plain", "all", "1,2", "", "${x}", "${a}/../${b}", "${run_dir}/o", "${needs.a}", "a*", "../..",
     "$${x}", "'${x}'", "24GiB", "90s", "maximize", "\0", "é", "a b", "~", "echo ${x} ${seed}", "${GPU}$", "*[${x}"]
)  # fmt: skip
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | TEXTS | st.text(max_size=5)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS | st.text(max_size=3), inner, max_size=4)
)
AXIS = st.lists(SCALARS, min_size=1, max_size=3) | SCALARS
PARAMETERS = st.dictionaries(st.sampled_from(["x", "a", "b", "seed"]), AXIS, min_size=1, max_size=3)
DURATIONS = st.sampled_from([None, 0, 1, 0.1, 90, "45m", "2h", "1.5d"]) | st.floats(0, 1e6)
SETTINGS: dict[str, st.SearchStrategy[Any]] = {
    "workdir": st.sampled_from([".", "/w", "~/w", "a b"]),
    "environment": st.sampled_from(
        ["plain", {"venv": ".venv"}, {"conda": "c", "hook": "eval it"}, {"uv": "."}, {"container": "image:1"}]
    ),
    "resources": st.fixed_dictionaries(
        {"gpus": st.integers(0, 2)},
        optional={
            "slots": st.integers(0, 3),
            "gpu_memory": st.just("1GB"),
            "devices": st.lists(st.integers(0, 3), max_size=2),
            "free_below": st.just("500MB"),
            "share": st.integers(1, 3),
            "or_cpu": st.booleans(),
        },
    ),
    "retry": st.integers(1, 3)
    | st.fixed_dictionaries(
        {"attempts": st.integers(1, 3)},
        optional={
            "delay": DURATIONS,
            "factor": st.floats(1, 9),
            "longest": DURATIONS,
            "only": st.just("memory"),
        },
    ),
    **dict.fromkeys(("time_limit", "grace", "estimate", "stale_after", "hang", "precondition_wait"), DURATIONS),
    "breaker": st.none() | st.integers(1, 9),
    "skip_if_done": st.booleans(),
    "target": st.sampled_from(["here", "box", "me@box"]),
    "targets": st.lists(st.sampled_from(["here", "box", "me@box"]), max_size=3),
    "mirror": st.booleans() | st.fixed_dictionaries({}, optional={"exclude": st.lists(TEXTS, max_size=2)}),
    "on_disconnect": st.sampled_from(["hold", "requeue", "kill", "x"]),
    "lease": DURATIONS,
    "priority": st.integers(-2, 2),
    "secrets": st.dictionaries(
        st.sampled_from(["A", "T"]), st.sampled_from(["env:A", "file:/a b", "oops"]), max_size=2
    ),
}
RUN = st.fixed_dictionaries(
    {"name": st.sampled_from(["r1", "r2", "r3", "r4", "r=5"]), "command": TEXTS | st.lists(TEXTS, max_size=3)},
    optional={
        "outputs": st.lists(TEXTS, max_size=2),
        "parameters": st.dictionaries(st.sampled_from(["x", "a.b", "é"]), SCALARS, max_size=2),
        "env": st.dictionaries(st.sampled_from(["A", "B"]), TEXTS, max_size=2),
        "requires": st.lists(TEXTS, max_size=2),
        "skip_if_done": st.booleans(),
        "time_limit": DURATIONS,
        "estimate": DURATIONS,
        "stale_after": DURATIONS,
        "needs": st.lists(st.sampled_from(["r1", "r2", "r3"]), max_size=2),
        "smaller": st.lists(
            st.fixed_dictionaries(
                {"changed": st.dictionaries(st.just("x"), SCALARS, min_size=1), "command": TEXTS},
                optional={"env": st.dictionaries(st.just("A"), TEXTS)},
            ),
            max_size=2,
        ),
    },
)
PLACE: dict[str, st.SearchStrategy[Any]] = {"phase": st.just("p"), "barrier": st.just("settle"), "parallel": st.just(2)}
LISTED = st.fixed_dictionaries(
    {"runs": st.lists(RUN, min_size=1, max_size=3, unique_by=lambda run: str(run["name"]))},
    optional={
        **SETTINGS,
        **PLACE,
        "env": st.dictionaries(st.sampled_from(["B", "C"]), st.just("v"), max_size=2),
        "needs": st.sampled_from(["a", ["b"], {"a": ["x"]}]),
    },
)
SWEEP = st.fixed_dictionaries(
    {"command": TEXTS | st.lists(TEXTS, max_size=3)},
    optional={
        "grid": PARAMETERS,
        "zip": PARAMETERS,
        "cells": st.lists(st.dictionaries(st.sampled_from(["x", "a", "seed"]), SCALARS, max_size=3), max_size=3),
        "exclude": st.lists(st.dictionaries(st.sampled_from(["x", "a"]), SCALARS, max_size=2), max_size=2),
        "outputs": st.lists(TEXTS, max_size=3),
        "needs": st.sampled_from(["a", "b", ["a"], {"a": ["x"]}, {"b": ["x", "seed"]}, {"a": "all"}]),
        "name": TEXTS,
        "env": st.dictionaries(st.sampled_from(["A", "B"]), TEXTS, max_size=2),
        "vars": st.dictionaries(st.sampled_from(["x", "v"]), TEXTS, max_size=2),
        "replicates": st.lists(st.sampled_from(["x", "seed"]), max_size=2),
        "requires": st.lists(TEXTS, max_size=2),
        "oom": st.fixed_dictionaries(
            {"smaller": st.lists(st.dictionaries(st.sampled_from(["x", "seed"]), SCALARS, min_size=1), max_size=3)}
        ),
        **SETTINGS,
        **PLACE,
    },
)
CAMPAIGN = st.fixed_dictionaries(
    {
        "campaign": st.just("c"),
        "sweeps": st.dictionaries(st.sampled_from(["a", "b", "s", "s~2"]), SWEEP | LISTED, min_size=1),
    },
    optional={
        **SETTINGS,
        "analyze": st.booleans(),
        "limits": st.fixed_dictionaries({}, optional={"parallel": st.integers(1, 3), "wall": DURATIONS}),
        "vars": st.dictionaries(KEYS, SCALARS, max_size=2),
        "env": st.dictionaries(KEYS, TEXTS, max_size=2),
    },
)
FULL = """\
campaign: c
goal: {metric: a, direction: max}
env: {A: "${run_dir}"}
limits: {parallel: 2, attempts: 9, wall: 1h}
retry: {attempts: 2, delay: 0.5}
sweeps:
  a: {grid: {x: [1, 0.1, true, null, "é\\U0001F600"]}, command: "${x} $${x}", time_limit: 1.5, outputs: ["o-${x}*"]}
  b: {grid: {x: [1]}, command: [a, "", "${needs.a}"], needs: {a: [x]}, environment: {venv: v}}
  c: {command: x, needs: [a, b], resources: {gpus: 1, gpu_memory: 1GiB}}
"""


def without_all_lines(plan: CampaignPlan) -> CampaignPlan:
    return replace(plan, sweeps=tuple(without_lines(sweep) for sweep in plan.sweeps))


def judged(text: str) -> CampaignPlan | None:
    """The plan, or None when the text is refused with reasons; a plan survives being stored and written."""
    try:
        plan = load(text, "f", "/base")
    except InvalidFile as error:
        refusal = error
    else:
        assert plan_from(json.loads(json.dumps(dump(plan)))) == plan
        assert without_all_lines(load(native_text(plan), "g", "/elsewhere")) == without_all_lines(plan)
        names = [cell.name for sweep in plan.sweeps for cell in sweep.cells]
        assert len(names) == len(set(names)) == plan.cells > 0
        return plan
    assert refusal.problems
    assert all(problem.message and problem.place for problem in refusal.problems)
    assert len({(problem.place, problem.message) for problem in refusal.problems}) == len(refusal.problems)
    return None


@given(st.text(max_size=200) | st.text(alphabet="[]{}:,-&*!|>'\"%@` \n\t?#ab1", max_size=60))
@settings(max_examples=600, deadline=None)
@example("%YAML 9.9\n--- a")
@example("&a : *a")
@example("? &a [*a]\n: 1")
@example("a: !!int x")
@example("\ud800")
@example("<<: 1")
@example("{<<: [*a]}")
@example('"\\x"')
@example("a: |9\n  b")
def test_any_text_is_read_or_refused(text: str) -> None:
    judged(text)


@given(VALUES)
@settings(max_examples=300, deadline=None)
def test_any_document_is_read_or_refused(value: Any) -> None:
    judged(json.dumps({"campaign": "c", "sweeps": {"s": value}}))
    judged(json.dumps(value))


@given(CAMPAIGN)
@settings(max_examples=600, deadline=None)
def test_any_campaign_is_read_or_refused(campaign: dict[str, Any]) -> None:
    judged(json.dumps(campaign))


@given(CAMPAIGN, st.sampled_from([None, 1, "\t"]))
@settings(max_examples=100, deadline=None)
def test_json_and_yaml_readers_see_the_same_file(campaign: dict[str, Any], step: Any) -> None:
    """A comment makes the same text YAML only; lines and all stay where they are."""
    text = json.dumps(campaign, indent=step, allow_nan=False) if finite(campaign) else "{}"
    assert judged(text) == judged(text + " # YAML")


def finite(value: Any) -> bool:
    """Whether JSON itself can write the value."""
    return not any(word in json.dumps(value) for word in ("NaN", "Infinity"))


@given(st.data())
@settings(max_examples=300, deadline=None)
def test_a_damaged_campaign_is_read_or_refused(data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(FULL)))
    end = data.draw(st.integers(start, min(len(FULL), start + 12)))
    judged(FULL[:start] + data.draw(st.text(alphabet="[]{}:,-&*\"'$ \nax1~", max_size=4)) + FULL[end:])


def test_a_stored_plan_is_read_back_unchanged() -> None:
    plan = judged(FULL)
    assert plan is not None
    assert plan.cells == 7


def test_a_stored_plan_of_another_format_is_refused() -> None:
    with pytest.raises(ValueError, match="format 2"):
        plan_from({"format": 2})


def test_a_file_is_read_with_its_text_and_its_own_folder(tmp_path: Path) -> None:
    file = tmp_path / "deep" / "c.yaml"
    file.parent.mkdir()
    file.write_text("campaign: c\r\nworkdir: sub\r\nsweeps: {s: {command: é}}\r\n", encoding="utf-8", newline="")
    plan, text = load_path(file)
    assert plan.sweeps[0].workdir == str(tmp_path / "deep" / "sub")
    assert text.encode() == file.read_bytes()
    assert load_path(str(file)) == (plan, text)


def test_a_relative_path_starts_from_the_current_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "c.yaml").write_text("campaign: c\nsweeps: {s: {command: x}}\n")
    monkeypatch.chdir(tmp_path)
    assert load_path("c.yaml")[0].sweeps[0].workdir == os.getcwd()


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("nothing.yaml", "no such file"),
        ("folder", "this is a folder"),
        ("latin.yaml", "is no UTF-8"),
        ("nul\0.yaml", "cannot be read"),
        ("latin.yaml/x", "cannot be read"),
        ("l" * 300, "cannot be read"),
        ("large.yaml", "larger than 4 MiB"),
    ],
)
def test_a_file_that_cannot_be_read_is_one_problem(tmp_path: Path, name: str, says: str) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "latin.yaml").write_bytes(b"a: 1\nb: caf\xe9\n")
    (tmp_path / "large.yaml").write_bytes(b"#" * 5_000_000)
    path = str(tmp_path / name)
    with pytest.raises(InvalidFile) as refusal:
        load_path(path)
    (problem,) = refusal.value.problems
    assert (refusal.value.path, says in problem.message) == (path, True), problem
    assert problem.line == (2 if name == "latin.yaml" else None)
