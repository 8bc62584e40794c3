"""What a campaign file can say, and the plan that it becomes."""

from __future__ import annotations

from textwrap import dedent, indent
from typing import Any

import pytest

from overnight.domain.plan import (
    Budget,
    CampaignPlan,
    Direction,
    EnvironmentPlan,
    Goal,
    Need,
    Retry,
    Smaller,
    SweepNeed,
    SweepPlan,
)
from overnight.manifest import load


def plan_of(text: str) -> CampaignPlan:
    return load(dedent(text), "file.yaml", "/base")


def sweep_of(keys: str, top: str = "") -> SweepPlan:
    body = dedent(keys).strip("\n")
    if "command:" not in body:
        body += "\ncommand: 'true'"
    (sweep,) = load(f"campaign: c\n{dedent(top)}\nsweeps:\n  s:\n{indent(body, '    ')}\n", "f", "/base").sweeps
    return sweep


def parameters(keys: str) -> list[dict[str, Any]]:
    return [dict(cell.parameters) for cell in sweep_of(keys).cells]


def test_a_file_that_says_little_has_the_usual_settings() -> None:
    plan = plan_of("campaign: c\nsweeps: {s: {command: run me}}\n")
    assert (plan.name, plan.goal, plan.budget, plan.parallel, plan.priority) == ("c", None, Budget(), None, 0)
    (sweep,) = plan.sweeps
    assert (sweep.workdir, sweep.need, sweep.retry) == ("/base", Need(), Retry())
    assert (sweep.environment, sweep.time_limit, sweep.grace) == (EnvironmentPlan(), None, 10.0)
    assert (sweep.parallel, sweep.priority, sweep.replicates) == (None, 0, ("seed",))
    (cell,) = sweep.cells
    assert (cell.name, dict(cell.parameters), cell.command) == ("s", {}, "run me")
    assert (cell.outputs, dict(cell.env), cell.needs, cell.line) == ((), {}, (), 2)


def test_everything_that_can_be_said_for_the_whole_campaign() -> None:
    plan = plan_of("""\
        campaign: My digits 2.0
        goal: {metric: val loss, direction: min}
        workdir: ../work
        environment: {conda: torch}
        env: {OMP_NUM_THREADS: 1, VERSION: 1.10, EMPTY: "", FLAG: true}
        resources: {gpus: 2, gpu_memory: 24GB}
        limits: {parallel: 4, attempts: 100, wall: 8h}
        retry: {attempts: 3, delay: 5s, factor: 1.5, longest: 2m}
        time_limit: 1.5h
        grace: 0
        priority: -3
        replicates: [seed, fold]
        sweeps: {s: {command: x}}
        """)
    assert plan.goal == Goal("val loss", Direction.MINIMIZE)
    assert plan.budget == Budget(attempts=100, wall=28800.0)
    assert (plan.parallel, plan.priority) == (4, -3)
    (sweep,) = plan.sweeps
    assert sweep.workdir == "/work"
    assert sweep.environment == EnvironmentPlan(conda="torch")
    assert sweep.need == Need(gpus=2, slots=1, gpu_memory_mib=22889)
    assert sweep.retry == Retry(attempts=3, delay=5.0, factor=1.5, longest=120.0)
    assert (sweep.time_limit, sweep.grace, sweep.priority, sweep.parallel) == (5400.0, 0.0, -3, None)
    assert sweep.replicates == ("seed", "fold")
    assert sweep.cells[0].env == {"OMP_NUM_THREADS": "1", "VERSION": "1.10", "EMPTY": "", "FLAG": "true"}


def test_a_sweep_overrides_what_holds_for_all() -> None:
    sweep = sweep_of(
        """
        workdir: /elsewhere
        environment: {venv: .venv}
        env: {A: 2, C: 3}
        resources: {slots: 3}
        retry: 5
        time_limit: null
        grace: 2m
        priority: 7
        replicates: []
        parallel: 2
        vars: {v: own}
        command: echo ${v} ${w}
        """,
        top="""
        env: {A: 1, B: 1}
        resources: {gpus: 1}
        environment: plain
        retry: {attempts: 2, delay: 1}
        time_limit: 90s
        vars: {v: all, w: 1}
        """,
    )
    assert (sweep.workdir, sweep.environment) == ("/elsewhere", EnvironmentPlan(venv=".venv"))
    assert (sweep.need, sweep.retry) == (Need(slots=3), Retry(attempts=5))
    assert (sweep.time_limit, sweep.grace, sweep.priority, sweep.parallel) == (None, 120.0, 7, 2)
    assert sweep.replicates == ()
    assert sweep.cells[0].env == {"A": "2", "B": "1", "C": "3"}
    assert sweep.cells[0].command == "echo own 1"


@pytest.mark.parametrize(
    ("written", "seconds"),
    [("90", 90.0), ("0.5", 0.5), ("90s", 90.0), ("45m", 2700.0), ("2h", 7200.0), ("1d", 86400.0), ("1.5 h", 5400.0)],
)
def test_durations(written: str, seconds: float) -> None:
    assert sweep_of(f"time_limit: {written}").time_limit == seconds


@pytest.mark.parametrize(
    ("written", "mebibytes"), [("24GiB", 24576), ("500MiB", 500), ("1GB", 954), ("1.5GiB", 1536), ("1MB", 1)]
)
def test_sizes_are_whole_mebibytes_rounded_up(written: str, mebibytes: int) -> None:
    assert sweep_of(f"resources: {{gpus: 1, gpu_memory: {written}}}").need.gpu_memory_mib == mebibytes


def test_a_grid_is_a_product_with_the_last_axis_fastest() -> None:
    sweep = sweep_of("grid: {width: [16, 64], kind: mlp, seed: [0, 1]}")
    assert [cell.name for cell in sweep.cells] == [
        "s-width16-kindmlp-seed0",
        "s-width16-kindmlp-seed1",
        "s-width64-kindmlp-seed0",
        "s-width64-kindmlp-seed1",
    ]


def test_excluded_combinations_are_dropped() -> None:
    assert parameters("grid: {a: [1, 2], b: [1, 2]}\nexclude: [{a: 1, b: 2}, {b: 1}]") == [{"a": 2, "b": 2}]


def test_a_zip_runs_through_its_lists_together_and_fastest() -> None:
    assert parameters("zip: {lr: [0.1, 0.2], steps: [1, 2]}\ngrid: {seed: [0, 1]}") == [
        {"seed": 0, "lr": 0.1, "steps": 1},
        {"seed": 0, "lr": 0.2, "steps": 2},
        {"seed": 1, "lr": 0.1, "steps": 1},
        {"seed": 1, "lr": 0.2, "steps": 2},
    ]


def test_explicit_cells_stand_alone_or_after_the_grid_and_know_their_line() -> None:
    assert parameters("cells: [{lr: 0.3}, {lr: 0.5, seed: 2}]") == [{"lr": 0.3}, {"lr": 0.5, "seed": 2}]
    sweep = sweep_of("grid: {a: [1]}\ncells:\n  - {a: 2}\n  - {a: 3, b: 1}")
    assert [dict(cell.parameters) for cell in sweep.cells] == [{"a": 1}, {"a": 2}, {"a": 3, "b": 1}]
    assert [cell.line for cell in sweep.cells] == [4, 7, 8]


def test_values_keep_their_type_and_become_text_as_yaml_writes_them() -> None:
    values = "[1, -2, 0.1, 1e-3, 1e10, true, null, text, 0x10, yes, 2024-01-01, 1_0]"
    sweep = sweep_of(f"grid: {{x: {values}}}\ncommand: [a, '${{x}}']")
    kinds = [1, -2, 0.1, 0.001, 1e10, True, None, "text", 16, "yes", "2024-01-01", "1_0"]
    assert [cell.parameters["x"] for cell in sweep.cells] == kinds
    assert all(type(cell.parameters["x"]) is type(kind) for cell, kind in zip(sweep.cells, kinds, strict=True))
    texts = ["1", "-2", "0.1", "0.001", "10000000000.0", "true", "null", "text", "16", "yes", "2024-01-01", "1_0"]
    assert [cell.command[1] for cell in sweep.cells] == texts


def test_one_and_true_and_the_text_one_are_different_parameters() -> None:
    assert len(sweep_of("cells: [{x: 1, n: a}, {x: true, n: a}, {x: '1', n: b}]\nname: ${n}${x}").cells) == 3


def test_templates_are_filled_from_parameters_variables_sweep_and_campaign() -> None:
    sweep = sweep_of(
        """
        grid: {w: [1]}
        vars: {tag: "w${w}", path: "${base}/${tag}", w: shadowed}
        name: ${campaign}-${sweep}-${tag}
        command: [run, "${path}", "${run_dir}/x", "${GPU}", "$${w}"]
        outputs: ["out/${tag}.pt", "${run_dir}/a.pt"]
        env: {TAG: "${tag} ${run_dir}"}
        """,
        top="vars: {base: /data}",
    )
    (cell,) = sweep.cells
    assert cell.name == "c-s-w1"
    assert cell.command == ("run", "/data/w1", "${run_dir}/x", "${GPU}", "$${w}")
    assert cell.outputs == ("out/w1.pt", "${run_dir}/a.pt")
    assert cell.env == {"TAG": "w1 ${run_dir}"}


def test_values_in_a_text_command_are_quoted_for_the_shell() -> None:
    sweep = sweep_of("grid: {x: [a b]}\ncommand: echo ${x} --y=${x}")
    assert sweep.cells[0].command == "echo 'a b' --y='a b'"
    assert sweep_of("grid: {x: [a b]}\ncommand: [echo, '${x}']").cells[0].command == ("echo", "a b")


def test_characters_that_a_cell_name_cannot_have_become_underscores() -> None:
    assert sweep_of("grid: {path: [a/b c]}").cells[0].name == "s-patha_b_c"


def test_a_sweep_may_need_others_as_a_whole() -> None:
    for written in ("t", "[t]", "{t: all}"):
        plan = plan_of(f"campaign: c\nsweeps:\n  t: {{command: x}}\n  s: {{command: x, needs: {written}}}\n")
        assert plan.sweeps[1].needs == (SweepNeed("t"),)
        assert plan.sweeps[1].cells[0].needs == ()


def test_a_cell_waits_for_those_cells_that_agree_with_it() -> None:
    plan = plan_of("""\
        campaign: c
        sweeps:
          s:
            needs: {t: [w, seed], u: [seed]}
            grid: {w: [1, 2], seed: [0]}
            command: [a, "${needs.t}/x"]
          t: {grid: {w: [1.0, 2], seed: [0, 1]}, command: x}
          u: {grid: {seed: [0], k: [1, 2]}, command: x}
        """)
    assert plan.sweeps[0].needs == (SweepNeed("t", ("w", "seed")), SweepNeed("u", ("seed",)))
    assert [cell.needs for cell in plan.sweeps[0].cells] == [
        ("t-w1.0-seed0", "u-seed0-k1", "u-seed0-k2"),
        ("t-w2-seed0", "u-seed0-k1", "u-seed0-k2"),
    ]
    assert plan.sweeps[0].cells[0].command == ("a", "${needs.t}/x")


def test_json_is_read_too() -> None:
    text = '{"campaign": "c", "sweeps": {"s": {"grid": {"x": ["\\ud83d\\ude00", 1.5]}, "command": "echo ${x}"}}}'
    sweep = load(text, "f.json", "/base").sweeps[0]
    assert [cell.parameters["x"] for cell in sweep.cells] == ["😀", 1.5]


def test_json_with_tabs_is_read_too() -> None:
    text = '{\n\t"campaign":\t"c",\n\t"sweeps": {\n\t\t"s": {"command": "x"}\n\t}\n}\n'
    assert load(text, "f.json", "/base").sweeps[0].cells[0].line == 4


def test_aliases_merge_keys_byte_order_mark_and_windows_lines_are_read() -> None:
    text = "\ufeff" + dedent("""\
        campaign: c
        vars: &v {a: 1, b: 2}
        sweeps:
          s: &s
            vars: {<<: *v, b: 3}
            command: echo ${a} ${b}
          t:
            <<: *s
            priority: 1
        """).replace("\n", "\r\n")
    plan = load(text, "f", "/base")
    assert [sweep.cells[0].command for sweep in plan.sweeps] == ["echo 1 3", "echo 1 3"]
    assert [sweep.priority for sweep in plan.sweeps] == [0, 1]


def test_what_the_experiment_queue_can_say() -> None:
    plan = plan_of("""\
        campaign: c
        analyze: true
        target: box
        mirror: false
        workdir: ~/work
        environment: {conda: torch, hook: eval it}
        resources: {gpus: 1, devices: [2, 0], share: 3, free_below: 500MiB, or_cpu: true}
        retry: {attempts: 3, delay: 2m, only: memory}
        secrets: {WANDB_API_KEY: "env:KEY", K: "file:/k"}
        estimate: 2h
        stale_after: 10m
        hang: 30m
        breaker: 3
        precondition_wait: 10m
        sweeps:
          a: {command: x}
          b:
            command: x
            target: here
            workdir: .
            environment: {container: "image:1"}
            resources: {slots: 0}
            secrets: {K: "env:OTHER"}
            estimate: null
            stale_after: null
            hang: null
            breaker: null
            phase: p
            barrier: settle
        """)
    assert plan.analyze
    a, b = plan.sweeps
    assert (a.targets, a.workdir, a.environment) == (
        ("box",),
        "~/work",
        EnvironmentPlan(conda="torch", conda_hook="eval it"),
    )
    assert a.need == Need(gpus=1, devices=(2, 0), share=3, free_below_mib=500, or_cpu=True)
    assert a.retry == Retry(attempts=3, delay=120.0, only_memory=True)
    assert a.secrets == (("WANDB_API_KEY", "env:KEY"), ("K", "file:/k"))
    assert (a.estimate, a.stale_after, a.hang, a.breaker, a.precondition_wait) == (7200.0, 600.0, 1800.0, 3, 600.0)
    assert (a.phase_name, a.barrier) == ("a", False)
    assert (b.targets, b.workdir, b.environment, b.need) == (
        ("here",), "/base", EnvironmentPlan(container="image:1"), Need(slots=0),
    )  # fmt: skip
    assert b.secrets == (("WANDB_API_KEY", "env:KEY"), ("K", "env:OTHER"))
    assert (b.estimate, b.stale_after, b.hang, b.breaker) == (None, None, None, None)
    assert (b.phase_name, b.barrier) == ("p", True)


def test_a_file_that_says_nothing_of_it_watches_for_silence_and_breaks_after_five() -> None:
    sweep = sweep_of("")
    assert (sweep.stale_after, sweep.breaker, sweep.hang, sweep.secrets) == (1800.0, 5, None, ())
    assert (sweep.targets, sweep.barrier, sweep.phase, sweep.precondition_wait) == (("here",), False, "", 0.0)


def test_where_a_sweep_may_run_and_what_a_lost_link_means() -> None:
    plan = plan_of("""\
        campaign: c
        targets: [box-a, me@box-b, here]
        mirror: {exclude: [data/, "*.pt"]}
        on_disconnect: requeue
        lease: 5m
        resources: {gpus: 1, gpu_name: h100}
        sweeps:
          a: {command: x}
          b: {command: x, targets: box-b, mirror: false, workdir: ~/there, environment: {venv: ~/venv}}
          c: {command: x, target: here, on_disconnect: hold, lease: 60}
          d: {command: x, target: here, mirror: true}
        """)
    a, b, c, d = plan.sweeps
    assert (a.targets, a.workdir, a.mirror) == (("box-a", "me@box-b", "here"), "/base", True)
    assert (a.exclude, a.on_disconnect, a.lease, a.need.gpu_name) == (("data/", "*.pt"), "requeue", 300.0, "h100")
    assert (b.targets, b.workdir, b.mirror, b.exclude) == (("box-b",), "~/there", False, ())
    assert b.environment == EnvironmentPlan(venv="~/venv")
    assert (c.targets, c.mirror, c.exclude, c.on_disconnect) == (("here",), True, ("data/", "*.pt"), "hold")
    assert (d.mirror, d.exclude) == (True, ())


@pytest.mark.parametrize(("where", "copied"), [("{}", False), ("{target: here}", False), ("{target: box}", True),
                                               ("{targets: [here, box]}", True)])  # fmt: skip
def test_runs_that_may_go_elsewhere_work_in_a_copy_unless_somebody_says_otherwise(where: str, copied: bool) -> None:
    said = where.strip("{}")
    assert sweep_of(said).mirror is copied
    assert sweep_of(f"{said}\nmirror: {str(not copied).lower()}").mirror is not copied


def test_smaller_settings_write_command_and_variables_anew_where_they_change_anything() -> None:
    sweep = sweep_of("""
        grid: {batch: [128, 32, 16]}
        vars: {twice: "${batch}${batch}"}
        command: train ${batch} ${twice} $${batch}
        outputs: "out-${batch}"
        env: {B: "${batch}", C: c}
        oom: {smaller: [{batch: 32}, {batch: 16}]}
        """)
    small = Smaller({"batch": 16}, "train 16 1616 $${batch}", {"B": "16", "C": "c"})
    half = Smaller({"batch": 32}, "train 32 3232 $${batch}", {"B": "32", "C": "c"})
    assert [cell.smaller for cell in sweep.cells] == [(half, small), (small,), (half,)]
    assert [cell.outputs for cell in sweep.cells] == [("out-128",), ("out-32",), ("out-16",)]
    assert sweep.retry == Retry(attempts=1, smaller=2)


def test_required_paths_are_written_as_they_are_looked_up() -> None:
    sweep = sweep_of("grid: {n: [1]}\nrequires: ['in/${n}-*.pt', '$${n}']\nskip_if_done: true")
    assert sweep.cells[0].requires == ("in/1-*.pt", "${n}")
    assert sweep.cells[0].skip_if_done


def test_runs_are_taken_as_they_are_written() -> None:
    plan = plan_of("""\
        campaign: c
        env: {A: "${sweep}", B: all}
        skip_if_done: true
        sweeps:
          t: {grid: {seed: [0, 1]}, command: x, skip_if_done: false}
          s:
            runs:
              - name: first
                command: run ${seed} $${x} ${run_dir} ${needs.t}
                needs: t-seed1
                parameters: {a.b: 1, seed: 1}
                outputs: ["o-${x}", "${run_dir}/p"]
                env: {B: "${GPU}", V: 1.10}
                requires: ["${x}"]
                skip_if_done: false
                time_limit: 3m
                estimate: 1m
                stale_after: 5m
                smaller: [{changed: {a.b: 0}, command: [run, less]}, {changed: {seed: 2}, command: y, env: {Z: 1}}]
              - {name: second, command: [run, ""], time_limit: null}
        """)
    sweep = plan.sweeps[1]
    first, second = sweep.cells
    assert first.command == "run ${seed} $${x} ${run_dir} ${needs.t}"
    assert (first.needs, first.requires, first.outputs) == (("t-seed1",), ("${x}",), ("o-${x}", "${run_dir}/p"))
    assert first.env == {"A": "s", "B": "${GPU}", "V": "1.10"}
    assert (first.skip_if_done, first.time_limit, first.estimate, first.stale_after) == (False, 180.0, 60.0, 300.0)
    assert first.smaller == (Smaller({"a.b": 0}, ("run", "less"), first.env), Smaller({"seed": 2}, "y", {"Z": "1"}))
    assert (second.name, second.command, dict(second.parameters)) == ("second", ("run", ""), {})
    assert (second.env, second.skip_if_done, second.time_limit, second.line) == ({"A": "s", "B": "all"}, True, None, 20)
    assert sweep.needs == (SweepNeed("t", ()),)
    assert sweep.retry.smaller == 2


def test_runs_that_name_no_needs_wait_for_those_that_agree_with_them() -> None:
    plan = plan_of("""\
        campaign: c
        sweeps:
          t: {grid: {seed: [0, 1]}, command: x}
          u: {command: x}
          s:
            needs: {t: [seed], u: all}
            runs:
              - {name: a, command: "${needs.t}", parameters: {seed: 1}}
              - {name: b, command: x, parameters: {seed: 7}, needs: [t-seed0, u]}
        """)
    sweep = plan.sweeps[2]
    assert [cell.needs for cell in sweep.cells] == [("t-seed1",), ("t-seed0", "u")]
    assert sweep.needs == (SweepNeed("t", ("seed",)), SweepNeed("u"))
