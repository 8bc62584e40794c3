"""A plan that is written as a native file is read back as the same plan."""

from __future__ import annotations

import json
from dataclasses import MISSING, fields, is_dataclass, replace
from textwrap import dedent
from typing import Any

import pytest
from hypothesis import given, settings
from ruamel.yaml import YAML

from overnight.domain.errors import Refused
from overnight.domain.plan import CampaignPlan, CellPlan, SweepPlan
from overnight.manifest import dump, load, plan_from
from overnight.manifest.write import native_text
from overnight.manifest.write.native import without_lines
from tests.manifest.plans import complete, plans


def without_all_lines(plan: CampaignPlan) -> CampaignPlan:
    return replace(plan, sweeps=tuple(without_lines(sweep) for sweep in plan.sweeps))


def converted(text: str) -> dict[str, Any]:
    """What the native form of a file holds, after it was compared with the file."""
    plan = load(dedent(text), "f", "/base")
    written = native_text(plan)
    assert without_all_lines(load(written, "g", "/elsewhere")) == without_all_lines(plan)
    found = YAML(typ="safe", pure=True).load(written)
    assert isinstance(found, dict)
    return found


def sweep_of(keys: str) -> dict[str, Any]:
    lines = "\n".join(f"    {line}" for line in dedent(keys).strip().splitlines())
    found = converted(f"campaign: c\nsweeps:\n  s:\n{lines}\n")["sweeps"]["s"]
    assert isinstance(found, dict)
    return found


@given(plans())
@settings(max_examples=120, deadline=None)
def test_any_plan_is_read_back_unchanged_from_a_native_file_and_from_the_store(plan: CampaignPlan) -> None:
    assert plan_from(json.loads(json.dumps(dump(plan)))) == plan
    text = native_text(plan)
    assert without_all_lines(load(text, "g", "/elsewhere")) == plan
    assert text.isprintable() or all(line.isprintable() for line in text.split("\n"))


def left_at_default(thing: Any, path: str) -> list[str]:
    """Fields, however deep, that are as they would be if nobody had said anything."""
    if isinstance(thing, tuple):
        return left_at_default(thing[-1], path) if thing and is_dataclass(thing[-1]) else []
    found: list[str] = []
    for field in fields(thing) if is_dataclass(thing) else ():
        value = getattr(thing, field.name)
        usual = field.default if field.default_factory is MISSING else field.default_factory()
        here = f"{path}.{field.name}"
        found += [here] if value == usual else left_at_default(value, here)
    return found


def test_no_field_of_a_plan_is_forgotten() -> None:
    plan = complete()
    kinds = {f"plan.sweeps.environment.{kind}" for kind in ("venv", "uv", "container")}
    protocol = {f"plan.sweeps.{name}" for name in ("capacity", "shell", "retry.only_gpu_memory", "code")}
    assert set(left_at_default(plan, "plan")) == {"plan.sweeps.cells.line", *kinds, *protocol}
    assert plan_from(json.loads(json.dumps(dump(plan)))) == plan
    assert without_all_lines(load(native_text(plan), "g", "/elsewhere")) == plan


def test_a_full_grid_with_one_template_is_written_as_a_grid() -> None:
    sweep = sweep_of("""
        grid: {n: [64, 640], kind: [a b, c], seed: [0, 1]}
        name: run-${seed}-${kind}-n${n}
        command: train --n ${n} --seed ${seed} --kind ${kind} --out ${run_dir} $${x} $HOME
        outputs: ["out/${n}/${seed}/${kind}.json"]
        requires: ["in/n${n}.pt"]
        env: {SEED: "${seed}"}
        oom: {smaller: [{n: 32}]}
        """)
    assert sweep == {
        "grid": {"n": [64, 640], "kind": ["a b", "c"], "seed": [0, 1]},
        "name": "run-${seed}-${kind}-n${n}",
        "command": "train --n ${n} --seed ${seed} --kind ${kind} --out ${run_dir} $${x} $HOME",
        "outputs": ["out/${n}/${seed}/${kind}.json"],
        "requires": ["in/n${n}.pt"],
        "oom": {"smaller": [{"n": 32}]},
    }


def test_parameters_that_are_no_product_are_written_as_cells() -> None:
    sweep = sweep_of("grid: {a: [1, 2], b: [1, 2]}\nexclude: [{a: 1, b: 2}]\ncommand: x ${a} ${b}")
    assert sweep["cells"] == [{"a": 1, "b": 1}, {"a": 2, "b": 1}, {"a": 2, "b": 2}]
    assert sweep["command"] == "x ${a} ${b}"


@pytest.mark.parametrize(
    "keys",
    [
        "grid: {x: [1, 1.5]}\nvars: {v: 'a${x}'}\nname: n-${x}\ncommand: sh -c '${v}' \"${x}\"",
        "grid: {x: [0, 1], y: [0, 1]}\ncommand: 'a 00 ${y}${x}0'",
        "grid: {x: [10, 100], y: [0, 1]}\ncommand: ['${x}${y}', '${y}0${x}']",
        "grid: {x: ['', a]}\nname: 'n${x}'\ncommand: ['e', '${x}', '-${x}-']",
        "grid: {x: [null, true, 'true ']}\nname: 'n${x}'\ncommand: [e, '${x}']",
        "grid: {x: [1, true, '1 ']}\nname: 'n${x}-${sweep}'\ncells: [{x: 3}]\ncommand: [e, '${x}']",
    ],
)
def test_texts_that_many_templates_could_give_are_still_the_same(keys: str) -> None:
    sweep_of(keys)


def test_values_that_look_like_templates_are_written_run_by_run() -> None:
    sweep = sweep_of("grid: {x: ['${x}', '$${run_dir}']}\nname: 'n-${x}'\ncommand: [echo, '${x}']")
    assert [run["command"] for run in sweep["runs"]] == [["echo", "$${x}"], ["echo", "$$${run_dir}"]]


def test_what_all_sweeps_share_is_said_once_at_the_top() -> None:
    found = converted("""\
        campaign: c
        priority: 2
        sweeps:
          a: {command: x, time_limit: 90s, env: {A: 1}, grace: 1}
          b: {command: y, time_limit: 90s, env: {A: 1}, grace: 2, priority: 0}
        """)
    assert (found["time_limit"], found["env"], found["priority"]) == ("90s", {"A": "1"}, 2)
    assert found["sweeps"] == {
        "a": {"grace": "1s", "command": "x"},
        "b": {"grace": "2s", "priority": 0, "command": "y"},
    }


def test_a_plan_that_no_native_file_can_say_is_refused_with_the_reason() -> None:
    plan = CampaignPlan("c", (SweepPlan("s", (CellPlan("-", {}, "x"),), "/"),))
    with pytest.raises(Refused, match=r"sweeps\.s\.runs\[0\]\.name: '-' is no name"):
        native_text(plan)
    with pytest.raises(Refused, match="would not mean the same"):
        native_text(replace(plan, sweeps=(SweepPlan("s", (CellPlan("a", {}, "x"),), "relative"),)))


def test_a_large_grid_is_written_in_a_few_lines() -> None:
    grid = "{a: [1, 2, 3, 4], b: [1, 2, 3], seed: [0, 1, 2]}"
    plan = load(f"campaign: c\nsweeps: {{s: {{grid: {grid}, command: 'x ${{a}} ${{b}} ${{seed}}'}}}}", "f", "/")
    assert len(native_text(plan).splitlines()) == 6


def test_a_list_of_many_runs_is_written_as_json_with_a_line_for_each() -> None:
    cells = tuple(CellPlan(f"r{number}", {"e\u202e é": number}, "x \U0001f600\x07") for number in range(1001))
    plan = CampaignPlan("c", (SweepPlan("s", cells, "/"),))
    text = native_text(plan)
    assert json.loads(text)["sweeps"]["s"]["runs"][1000]["command"] == "x \U0001f600\x07"
    assert sum(line.lstrip().startswith('{"name": "r') for line in text.split("\n")) == 1001
    assert all(line.isprintable() for line in text.split("\n"))
    assert without_all_lines(load(text, "g", "/elsewhere")) == plan


QUEUES = {
    "flat": """\
        {"project": "x y/z", "gpus": [], "conda": "exp", "conda_hook": "eval it", "default_cmd": "python x.py",
         "jobs": [{"id": "a", "cmd": "echo ${GPU} {{x}}"},
                  {"id": "b", "args": {"lr": 0.1, "on": true, "l": [1, "a b"]}, "timeout": "3m",
                   "expected_output": "*.pt", "preconditions": [{"type": "file_exists", "path": "in/$${x}"}]}],
         "analyze_on_complete": true}
        """,
    "grid": """\
        project: q
        ssh: box
        gpus: [0, 1]
        oom_retry: {delay: 60, max_attempts: 2}
        grid: {N: [64, 128], seed: [0, 1]}
        template: {id: "s${seed}_N${N}", cmd: "run --seed ${seed} --N ${N}", expected_output: "s${seed}_N${N}.json"}
        """,
    "phases": """\
        project: q
        phases:
          - name: t
            jobs: [{id: t1, cmd: x, args: {N: 1}}, {id: t2, cmd: x, args: {N: 2}, gpus_per_job: 2}]
          - name: s
            barrier: settle
            depends_on: {phase: t, match: [N]}
            grid: {N: [1, 2]}
            template: {id: "s${N}", cmd: "y ${N}"}
            replicates: [fold]
        """,
    "random": """\
        program: train.py
        method: random
        run_cap: 5
        metric: {name: loss, goal: minimize}
        parameters: {lr: {distribution: uniform, min: 0.001, max: 0.1}, opt: {values: [adam, sgd]}}
        """,
}


@pytest.mark.parametrize("text", QUEUES.values(), ids=list(QUEUES))
def test_manifests_of_other_dialects_become_native_files_of_the_same_plan(text: str) -> None:
    assert "sweeps" in converted(text)


def test_the_grid_of_a_queue_manifest_stays_a_grid() -> None:
    sweep = converted(QUEUES["grid"])["sweeps"]["main"]
    assert sweep["grid"] == {"N": [64, 128], "seed": [0, 1]}
    assert sweep["command"] == "run --seed ${seed} --N ${N}"
