"""What a manifest becomes before anything runs: the checks Q1–Q10, Q15 of the experiment queue, through the command."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.queue.harness import Queue

FLAT = """\
project: flat
gpus: []
default_cmd: python train.py
jobs:
  - {id: s1, args: {seed: 1, fast: true, slow: false}}
  - {id: s2, args: {seed: 2, layers: [1, 2, 3], name: "it's"}}
"""
GRID = """\
project: grid
gpus: []
default_cmd: python train.py
grid: {N: [64, 128, 256], n: [1, 2, 3, 4], seed: [7, 8, 9]}
template:
  {id: "s${seed}_N${N}_n${n}", args: {seed: ${seed}, N: ${N}, n: ${n}}, expected_output: "s${seed}_N${N}_n${n}.json"}
"""
PHASES = """\
project: phases
gpus: []
phases:
  - name: teachers
    grid: {N: [64, 128, 256], n: [1, 2, 3, 4], seed: [7, 8, 9]}
    template: {id: "t${seed}_N${N}_n${n}", cmd: "train --N ${N} --n ${n} --seed ${seed}"}
  - name: students
    depends_on: teachers
    jobs: [{id: last, cmd: echo}]
"""


def commands(plan: dict[str, Any]) -> list[str]:
    return [cell["command"] for cell in plan["cells"]]


def test_a_flat_manifest_appends_its_arguments_to_the_default_command(queue: Queue) -> None:
    """Q1."""
    assert commands(queue.plan(FLAT)) == [
        "python train.py --seed 1 --fast",
        "python train.py --seed 2 --layers 1 2 3 --name 'it'\"'\"'s'",
    ]


def test_yaml_and_json_make_the_same_plan(queue: Queue) -> None:
    """Q2."""
    as_json = {
        "project": "flat",
        "gpus": [],
        "default_cmd": "python train.py",
        "jobs": [
            {"id": "s1", "args": {"seed": 1, "fast": True, "slow": False}},
            {"id": "s2", "args": {"seed": 2, "layers": [1, 2, 3], "name": "it's"}},
        ],
    }
    assert queue.plan(FLAT) == queue.plan(as_json)


@pytest.mark.parametrize("manifest", [GRID, PHASES])
def test_a_grid_is_the_product_of_its_axes(queue: Queue, manifest: str) -> None:
    """Q3."""
    cells = [cell for cell in queue.plan(manifest)["cells"] if cell["id"] != "last"]
    assert len(cells) == len({cell["id"] for cell in cells}) == 36


@pytest.mark.parametrize("key", ["expected_output", "output_check"])
def test_both_names_of_an_output_mean_the_same(queue: Queue, key: str) -> None:
    """Q4."""
    plan = queue.plan({"project": "p", "gpus": [], "jobs": [{"id": "a", "cmd": "true", key: "a_*.json"}]})
    assert plan["cells"][0]["outputs"] == ["a_*.json"]


@pytest.mark.parametrize("depends", ["teachers", ["teachers"]])
def test_a_dependency_is_a_name_or_a_list(queue: Queue, depends: object) -> None:
    """Q5."""
    phases = [
        {"name": "teachers", "jobs": [{"id": "t", "cmd": "true"}]},
        {"name": "students", "depends_on": depends, "jobs": [{"id": "s", "cmd": "true"}]},
    ]
    assert queue.plan({"gpus": [], "phases": phases})["cells"][1]["depends_on"] == ["teachers"]


def test_unknown_and_cyclic_dependencies_are_refused_together_with_everything_else(queue: Queue) -> None:
    """Q5, 2.4: all errors at once, each with its place."""
    phases = [
        {"name": "a", "depends_on": "b", "jobs": [{"id": "x", "cmd": "true", "oops": 1}]},
        {"name": "b", "depends_on": ["a", "nobody"], "jobs": [{"id": "x/y", "cmd": "echo ${nothing}"}]},
    ]
    errors = "\n".join(queue.refused({"gpus": [], "phases": phases}))
    for part in ("nobody", "oops", "x/y", "nothing", "phases[1].jobs[0].id", "phases[0].jobs[0]"):
        assert part in errors


def test_names_are_replaced_in_every_field_and_the_gpu_stays(queue: Queue) -> None:
    """Q6."""
    job = {
        "id": "j{N}",
        "cmd": "echo ${N} {N} {{N}} $${N} ${GPU} {} {a,b} '{print $1}'",
        "args": {"N": 7},
        "expected_output": "o_{N}_${N}",
        "preconditions": [{"type": "file_exists", "path": "in_${N}"}],
    }
    (cell,) = queue.plan({"gpus": [], "jobs": [job]})["cells"]
    assert cell["id"] == "j7"
    assert cell["outputs"] == ["o_7_7"]
    assert cell["blocked"]["code"] == "precondition_missing"
    assert "in_7" in cell["blocked"]["detail"]
    assert "${GPU}" in cell["command"]


def test_the_text_of_a_command_arrives_in_the_shell_as_it_was_meant(queue: Queue) -> None:
    cmd = "printf '%s|' ${N} {N} '{{N}}' {} {a,b} > out; echo x y | awk '{print $2}' >> out; :"
    assert queue.settle({"project": "p", "gpus": [], "jobs": [{"id": "a", "cmd": cmd, "args": {"N": 7}}]}).code == 0
    assert (queue.folder / "out").read_text().startswith("7|7|{N}|{}|{a,b}|")


def test_an_inline_grid_knows_thousands_and_millions(queue: Queue) -> None:
    """Q7."""
    manifest = {"gpus": [], "grid": "N=[64,128] x n=[50K,1M]", "template": {"id": "N${N}_n${n}", "cmd": "t ${n}"}}
    assert commands(queue.plan(manifest)) == ["t 50000", "t 1000000", "t 50000", "t 1000000"]


def test_every_key_at_the_top_reaches_the_plan(queue: Queue) -> None:
    """Q8: also by what the native file says that it converts to."""
    (queue.folder / "work").mkdir()
    manifest = {
        "project": "all",
        "cwd": "work",
        "default_cmd": "echo ${who}",
        "vars": {"who": "me"},
        "preconditions": [{"type": "file_exists", "path": "there"}],
        "precondition_wait": "5m",
        "gpus": [],
        "gpus_per_job": 1,
        "max_parallel": 3,
        "gpu_free_threshold_mib": 321,
        "oom_retry": {"delay": 17, "max_attempts": 4},
        "analyze_on_complete": True,
        "replicates": ["seed"],
        "estimate": "90s",
        "timeout": "45m",
        "stale_after": "2h",
        "skip_if_done": True,
        "conda": "none",
        "jobs": [{"id": "a", "expected_output": "a.json"}],
    }
    name = queue.file(manifest)
    found = queue.run("convert", name)
    assert found.code == 0, found
    for part in ("analyze: true", "only: memory", "17", "5m", "skip_if_done: true", "parallel: 3", "work", "45m", "2h"):
        assert part in found.out.replace("300", "5m").replace("2700", "45m").replace("7200", "2h"), (part, found.out)


def test_planning_shows_every_setting(queue: Queue) -> None:
    """Q8."""
    manifest = {
        "cwd": str(queue.folder),
        "conda": "exp",
        "conda_hook": "eval true",
        "gpus": [0, 1],
        "gpus_per_job": 2,
        "max_parallel": 3,
        "gpu_free_threshold_mib": 321,
        "oom_retry": {"delay": 17, "max_attempts": 4},
        "analyze_on_complete": True,
        "replicates": ["fold"],
        "precondition_wait": "5m",
        "timeout": "45m",
        "jobs": [{"id": "a", "cmd": "true", "estimate": "90s", "stale_after": "2h", "skip_if_done": True}],
    }
    plan = queue.plan(manifest)
    (sweep,), (cell,) = plan["sweeps"], plan["cells"]
    assert (plan["parallel"], plan["analyze"]) == (3, True)
    assert (sweep["workdir"], sweep["environment"]["conda"]) == (str(queue.folder), "exp")
    assert sweep["environment"]["conda_hook"] == "eval true"
    assert (sweep["resources"]["gpus"], sweep["resources"]["devices"]) == (2, [0, 1])
    assert sweep["resources"]["free_below_mib"] == 321
    assert (sweep["retry"]["delay"], sweep["retry"]["attempts"]) == (17, 4)
    assert (sweep["replicates"], sweep["precondition_wait"]) == (["fold"], 300)
    assert (cell["time_limit"], cell["estimate"], cell["stale_after"]) == (2700, 90, 7200)
    assert cell["skip_if_done"]
    told = queue.run("plan", queue.file(manifest)).out
    assert str(queue.folder) in told
    assert "conda exp" in told


def test_a_converted_manifest_is_the_same_plan(queue: Queue) -> None:
    for number, manifest in enumerate((FLAT, GRID, PHASES)):
        converted = queue.run("convert", queue.file(manifest))
        assert converted.code == 0
        plan = queue.plan(manifest)
        name = queue.campaign(converted.out, f"native{number}.yaml")
        assert queue.run("plan", name, "--json").json == plan


def test_planning_changes_nothing(queue: Queue) -> None:
    """Q9."""
    queue.plan(GRID)
    assert queue.run("ls", "--json").json["campaigns"] == []


@pytest.mark.parametrize(
    ("keys", "code"),
    [
        ({"ssh": "nowhere.example"}, "ssh_unreachable"),
        ({"venv": "no/venv"}, "env_missing"),
        ({"cwd": "no/folder"}, "cwd_missing"),
        ({"gpus": [97]}, "gpu_missing"),
    ],
)
def test_what_cannot_start_has_a_code_of_its_own_and_launches_nothing(
    queue: Queue, keys: dict[str, Any], code: str
) -> None:
    """Q10."""
    manifest = {"project": "p", "gpus": [], "jobs": [{"id": "a", "cmd": "touch ran"}], **keys}
    plan = queue.run("plan", queue.file(manifest), "--json")
    assert plan.code == 1
    assert plan.json["cells"][0]["blocked"]["code"] == code
    assert queue.settle(manifest).code == 1
    assert queue.run("ls", "--json").json["campaigns"] == []
    assert not (queue.folder / "ran").exists()


@pytest.mark.parametrize(("first", "second"), [("a_*.json", "a_1.json"), ("a_*.json", "a_*.json"), ("x", "./x")])
def test_two_jobs_cannot_claim_one_output(queue: Queue, first: str, second: str) -> None:
    """Q15: both places are named."""
    jobs = [
        {"id": "a", "cmd": "true", "expected_output": first},
        {"id": "b", "cmd": "true", "expected_output": second},
    ]
    errors = "\n".join(queue.refused({"gpus": [], "jobs": jobs}))
    assert "jobs[0]" in errors or "`a`" in errors
    assert "jobs[1]" in errors


def test_a_manifest_without_jobs_is_refused_not_done(queue: Queue) -> None:
    for manifest in ({"project": "p", "jobs": []}, {"project": "p"}, {"phases": [{"name": "a", "jobs": []}]}):
        assert queue.run("run", queue.file(json.dumps(manifest))).code == 2
