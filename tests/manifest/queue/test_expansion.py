"""What jobs a manifest stands for: dialects, grids, templates, arguments (checks Q1–Q4, Q6, Q7 of the queue)."""

from __future__ import annotations

import itertools
from textwrap import dedent

import pytest

from overnight.domain.plan import Scalar
from overnight.manifest.document import Entry, ScalarNode
from overnight.manifest.findings import Findings
from overnight.manifest.queue.grid import read_grid
from overnight.manifest.template import launch_text
from tests.manifest.queue.reading import Manifest, cells_of, job_of, only_cell, plan_of, without_lines

FLAT = """\
project: distill
default_cmd: >
  python run.py --backbone softmax
  --steps 30000
jobs:
  - id: s200_N64
    args: {seed: 200, n_hidden: 64, lr: 1e-4}
  - {id: s201_N64, cmd: "python other.py", expected_output: out/s201.json}
"""


def test_a_flat_manifest_is_one_job_per_entry_with_its_arguments_appended() -> None:
    """Q1."""
    plan = plan_of(FLAT)
    assert (plan.name, [sweep.name for sweep in plan.sweeps], plan.sweeps[0].phase) == ("distill", ["main"], "main")
    first, second = plan.sweeps[0].cells
    command = "python run.py --backbone softmax --steps 30000 --seed 200 --n_hidden 64 --lr 0.0001"
    assert (first.name, first.command, first.outputs) == ("s200_N64", command, ())
    assert first.parameters == {"seed": 200, "n_hidden": 64, "lr": 0.0001}
    assert (second.command, second.outputs, second.parameters) == ("python other.py", ("out/s201.json",), {})
    assert (first.line, second.line) == (6, 8)


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (3, " --k 3"),
        (0.5, " --k 0.5"),
        (1e-05, " --k 1e-05"),
        ("text", " --k text"),
        ("a b", " --k 'a b'"),
        ("it's", " --k 'it'\"'\"'s'"),
        ("$(rm -rf ~)", " --k '$(rm -rf ~)'"),
        ("", " --k ''"),
        (True, " --k"),
        (False, ""),
        (None, ""),
        ([1, "b c", True, None], " --k 1 'b c' true null"),
        ([], " --k"),
    ],
)
def test_how_an_argument_is_appended(value: object, written: str) -> None:
    assert job_of(args={"k": value}).command == "true" + written


def test_arguments_keep_the_order_of_the_file_and_their_names_are_quoted() -> None:
    assert job_of(args={"b": 1, "a": 2, "x; rm": 3}).command == "true --b 1 --a 2 '--x; rm' 3"


def test_the_three_dialects_make_the_same_jobs() -> None:
    """Q3."""
    axes: dict[str, list[Scalar]] = {"N": [64, 128, 256], "n": [1, 2, 3, 4], "seed": [42, 200, 201]}
    template = {"id": "s${seed}_N${N}_n${n}", "cmd": "run", "args": {"seed": "${seed}", "N": "${N}"}}
    product = [dict(zip(axes, values, strict=True)) for values in itertools.product(*axes.values())]
    jobs = [
        {"id": "s{seed}_N{N}_n{n}".format(**one), "cmd": "run", "args": {"seed": one["seed"], "N": one["N"]}}
        for one in product
    ]
    top = cells_of({"grid": axes, "template": template})
    phase = cells_of({"phases": [{"name": "main", "grid": axes, "template": template}]})
    flat = cells_of({"jobs": jobs})
    assert len(top) == 36
    assert top == phase
    assert [(cell.name, cell.command) for cell in top] == [(cell.name, cell.command) for cell in flat]
    assert [cell.parameters for cell in top] == product


def test_the_json_of_the_builder_is_a_manifest() -> None:
    built = {
        "project": "grid", "cwd": "/p", "conda": "base", "gpus": [0, 1], "max_parallel": 8,
        "oom_retry": {"delay": 120, "max_attempts": 3},
        "phases": [
            {"name": "t", "depends_on": [], "jobs": [{"id": "t1", "cmd": "run --N 1", "expected_output": None}]},
            {"name": "s", "depends_on": ["t"], "jobs": [{"id": "s1", "cmd": "run", "expected_output": "o_*.json"}]},
        ],
    }  # fmt: skip
    plan = plan_of(built)
    assert [(sweep.name, sweep.environment.conda, sweep.workdir) for sweep in plan.sweeps] == [
        ("t", "base", "/p"),
        ("s", "base", "/p"),
    ]
    assert [cell.outputs for sweep in plan.sweeps for cell in sweep.cells] == [(), ("o_*.json",)]
    assert plan.parallel == 8


def test_a_phase_may_have_a_grid_and_jobs() -> None:
    phase = {"grid": {"N": [1, 2]}, "template": {"cmd": "a"}, "jobs": [{"id": "x", "cmd": "b"}]}
    assert [cell.name for cell in cells_of({"phases": [phase]})] == ["phase_0_N1", "phase_0_N2", "x"]
    assert [cell.name for cell in cells_of(phase)] == ["main_N1", "main_N2", "x"]


def test_a_grid_at_the_top_stands_before_the_phases() -> None:
    manifest = {
        "grid": {"N": [1]},
        "template": {"cmd": "a"},
        "phases": [{"name": "p", "jobs": [{"id": "x", "cmd": "b"}]}],
    }
    assert [(sweep.name, sweep.needs) for sweep in plan_of(manifest).sweeps] == [("main", ()), ("p", ())]


def test_a_template_without_a_grid_is_one_job_called_like_its_phase() -> None:
    assert [cell.name for cell in cells_of({"phases": [{"name": "p", "template": {"cmd": "a"}}]})] == ["p"]


def test_a_grid_without_a_template_runs_the_default_command() -> None:
    cells = cells_of({"default_cmd": "run ${N}", "grid": {"N": [1, 2]}})
    assert [(cell.name, cell.command) for cell in cells] == [("main_N1", "run 1"), ("main_N2", "run 2")]


@pytest.mark.parametrize("key", ["output_check", "expected_output"])
def test_both_names_of_an_output_mean_the_same(key: str) -> None:
    """Q4."""
    assert job_of(**{key: "a_*.pt"}).outputs == ("a_*.pt",)
    assert cells_of({"grid": {"N": [1]}, "template": {"cmd": "x", key: "o{N}"}})[0].outputs == ("o1",)


def test_names_are_replaced_in_every_field_in_both_forms() -> None:
    """Q6."""
    cell = only_cell(
        {
            "grid": {"N": [64]},
            "vars": {"root": "/data", "both": "{root}/${N}"},
            "template": {
                "id": "t{N}_${N}",
                "cmd": "run {N} ${N} {both} ${k}",
                "args": {"k": "v${N}", "l": ["{N}", "x"]},
                "expected_output": "o_{N}_${k}.pt",
                "preconditions": [{"type": "file_exists", "path": "{root}/in${N}"}],
            },
        }
    )
    assert cell.name == "t64_64"
    assert cell.command == "run 64 64 /data/64 v64 --k v64 --l 64 x"
    assert (cell.outputs, cell.requires) == (("o_64_v64.pt",), ("/data/in64",))


def test_other_braces_are_left_alone_and_doubled_ones_are_literal() -> None:
    text = "awk '{print $1}' {} {a,b} ${VAR:-x} $HOME ${1} {\"a\": 1} {{N}} $${N} ${{N}} { N }"
    assert launched(job_of(cmd=text, args={"M": 1}).command) == (
        "awk '{print $1}' {} {a,b} ${VAR:-x} $HOME ${1} {\"a\": 1} {N} ${N} ${N} { N } --M 1"
    )


def launched(command: object) -> str:
    """The text that the shell gets when no GPU is named."""
    assert isinstance(command, str)
    return launch_text(command, {}, shell=True)


def test_the_names_of_our_own_files_mean_nothing_here() -> None:
    cell = job_of(cmd="x ${needs.a} ${run_dir}", args={"run_dir": "r"}, expected_output="$${run_dir}")
    assert launched(cell.command) == "x ${needs.a} r --run_dir r"
    assert launch_text(cell.outputs[0], {}, shell=False) == "${run_dir}"


def test_the_gpu_stays_until_launch_in_commands_arguments_and_outputs() -> None:
    cell = job_of(cmd="a ${GPU} {GPU}", args={"g": "${GPU}", "t": "c d/${GPU}"}, expected_output="o_${GPU}")
    assert cell.command == "a ${GPU} ${GPU} --g ${GPU} --t 'c d/'${GPU}"
    assert (cell.outputs, cell.parameters) == (("o_${GPU}",), {})
    assert launch_text(str(cell.command), {"GPU": "0,1"}, shell=True) == "a 0,1 0,1 --g 0,1 --t 'c d/'0,1"


def test_a_placeholder_alone_keeps_the_type_of_its_value() -> None:
    template = {"id": "i${n}", "cmd": "x", "args": {"f": "${flag}", "g": "{no}", "h": "_${flag}", "l": ["${flag}"]}}
    (cell,) = cells_of({"grid": {"n": [1], "flag": [True], "no": [None]}, "template": template})
    assert cell.command == "x --f --h _true --l true"


def test_an_axis_wins_over_an_argument_and_that_over_a_variable() -> None:
    template = {"id": "i", "cmd": "${a} ${b} ${c}", "args": {"a": 2, "b": 2}}
    (cell,) = cells_of({"vars": {"a": 3, "b": 3, "c": 3}, "grid": {"a": [1]}, "template": template})
    assert cell.command == "1 2 3 --a 2 --b 2"
    assert cell.parameters == {"a": 1, "b": 2}


def test_parameters_are_what_tells_configurations_apart() -> None:
    """An argument that follows from axes or other arguments is none: replicates differ in it."""
    template = {
        "cmd": "x",
        "args": {"seed": "${seed}", "width": 8, "random_state": "${seed}", "results": "o${tag}.json"},
    }
    manifest = {"vars": {"tag": "_${seed}"}, "grid": {"seed": [1]}, "template": template}
    assert cells_of(manifest)[0].parameters == {"seed": 1, "width": 8}
    cell = job_of(vars={"root": "/d"}, args={"seed": 1, "layers": [1, 2], "data": "${root}/x", "out": "${seed}.json"})
    assert cell.parameters == {"seed": 1, "layers": "1 2", "data": "/d/x"}
    assert cell.command == "true --seed 1 --layers 1 2 --data /d/x --out 1.json"


@pytest.mark.parametrize(
    "text",
    [
        "N=[64,128] x n=[50K,150K]",
        "N=[64, 128] × n=[50K, 150K]",
        " N = [ 64 ,128 ]×n=[50K,0.15M] ",
        "N=[64,128]x n=[50K,150K]",
    ],
)
def test_an_inline_grid_has_thousands_and_millions(text: str) -> None:
    """Q7."""
    cells = cells_of({"grid": text, "template": {"cmd": "x"}})
    assert [cell.parameters for cell in cells] == [
        {"N": 64, "n": 50000}, {"N": 64, "n": 150000}, {"N": 128, "n": 50000}, {"N": 128, "n": 150000},
    ]  # fmt: skip
    assert all(type(value) is int for cell in cells for value in cell.parameters.values())


def test_values_of_an_inline_grid() -> None:
    assert cells_of({"grid": "a=[1.5K,2M,1e-3,-2,true]", "template": {"cmd": "x"}})[2].parameters == {"a": 0.001}
    values = "a=[1.5K,2M,0.00001M,k,true,\"7\",'x, y',7,K]"
    found = read_grid(Entry("grid", 1, ScalarNode(1, values, values)), "grid", Findings())
    assert found == {"a": (1500, 2000000, 10, "k", True, "7", "x, y", 7, "K")}


def test_scalars_are_axes_of_one_value() -> None:
    cells = cells_of("grid: {N: 64, lr: 0.1, on: true, seed: [1, 2]}\ntemplate: {cmd: x}\n")
    assert [cell.parameters for cell in cells] == [
        {"N": 64, "lr": 0.1, "on": True, "seed": 1},
        {"N": 64, "lr": 0.1, "on": True, "seed": 2},
    ]


def test_yaml_and_json_make_the_same_plan() -> None:
    """Q2."""
    as_yaml = dedent("""\
        project: p
        default_cmd: run
        vars: {v: 1}
        phases:
          - name: a
            grid: {N: [1, 2.5, true, "x"]}
            template: {id: "i${N}", args: {N: ${N}, l: [1, 2]}, output_check: o${N}}
          - depends_on: {phase: a, match: [N]}
            grid: "N=[1,2.5]"
            template: {id: j${N}, cmd: "b {N}"}
    """)
    as_json: Manifest = {
        "project": "p",
        "default_cmd": "run",
        "vars": {"v": 1},
        "phases": [
            {
                "name": "a",
                "grid": {"N": [1, 2.5, True, "x"]},
                "template": {"id": "i${N}", "args": {"N": "${N}", "l": [1, 2]}, "output_check": "o${N}"},
            },
            {
                "depends_on": {"phase": "a", "match": ["N"]},
                "grid": "N=[1,2.5]",
                "template": {"id": "j${N}", "cmd": "b {N}"},
            },
        ],
    }
    assert without_lines(plan_of(as_yaml)) == without_lines(plan_of(as_json))


def test_ten_thousand_jobs() -> None:
    axis = list(range(100))
    cells = cells_of({"grid": {"a": axis, "b": axis}, "template": {"cmd": "x ${a}", "expected_output": "o_${a}_${b}"}})
    assert len({cell.name for cell in cells}) == len({cell.outputs for cell in cells}) == 10_000
    jobs = [{"id": f"j{number}", "cmd": "x", "expected_output": f"o{number}"} for number in range(10_000)]
    assert len(cells_of({"jobs": jobs})) == 10_000
