"""Every key of the top and of phases, templates and jobs has its effect (check Q8 of the queue)."""

from __future__ import annotations

from typing import Any

import pytest

from overnight.domain.plan import EnvironmentPlan, Need, Retry
from tests.manifest.queue.reading import cells_of, job_of, plan_of

JOB = {"id": "a", "cmd": "true"}


def sweep_of(**keys: Any) -> Any:
    """The one sweep of a manifest with these keys at the top."""
    (sweep,) = plan_of({"jobs": [JOB], **keys}).sweeps
    return sweep


def test_a_manifest_that_says_little_has_the_usual_settings() -> None:
    plan = plan_of({"jobs": [JOB]})
    assert (plan.name, plan.parallel, plan.analyze, plan.goal) == ("unknown", None, False, None)
    (sweep,) = plan.sweeps
    assert (sweep.name, sweep.phase, sweep.workdir, sweep.targets) == ("main", "main", "/base", ("here",))
    assert sweep.need == Need(gpus=1, or_cpu=True, free_below_mib=500)
    assert sweep.retry == Retry(attempts=3, delay=120, factor=1, longest=120, only_memory=True)
    assert (sweep.environment, sweep.time_limit, sweep.estimate) == (EnvironmentPlan(), None, None)
    assert (sweep.stale_after, sweep.replicates, sweep.precondition_wait) == (1800, ("seed",), 0)
    assert (sweep.barrier, sweep.parallel, sweep.needs) == (False, None, ())
    (cell,) = sweep.cells
    assert (cell.requires, cell.skip_if_done, cell.time_limit, cell.stale_after) == ((), False, None, None)


def test_a_key_without_a_value_is_a_key_that_is_not_there() -> None:
    keys = ["project", "ssh", "cwd", "conda", "conda_hook", "venv", "uv", "container", "default_cmd", "vars", "grid",
            "preconditions", "precondition_wait", "gpus", "gpus_per_job", "max_parallel", "gpu_free_threshold_mib",
            "oom_retry", "analyze_on_complete", "replicates", "template", "estimate", "timeout", "stale_after",
            "skip_if_done"]  # fmt: skip
    manifest = {"jobs": [JOB], **dict.fromkeys(keys)}
    assert plan_of(manifest) == plan_of({"jobs": [JOB]})
    phase = {key: None for key in keys if key not in ("project", "ssh", "default_cmd", "max_parallel",
             "gpu_free_threshold_mib", "analyze_on_complete")}  # fmt: skip
    phase |= {"name": None, "depends_on": None, "barrier": None, "jobs": [JOB]}
    assert plan_of({"phases": [phase]}) == plan_of({"phases": [{"jobs": [JOB]}]})


@pytest.mark.parametrize(
    ("project", "name"),
    [("my_grid", "my_grid"), ("T5/T6: übung", "T5_T6_ _bung"), ("--x", "x"), ("", "unknown"), ("é", "unknown"),
     (2024, "2024"), ("x" * 200, "x" * 128)],
)  # fmt: skip
def test_the_project_becomes_the_name_of_the_campaign(project: object, name: str) -> None:
    assert plan_of({"project": project, "jobs": [JOB]}).name == name


@pytest.mark.parametrize(("host", "target"), [("gpu-server", "gpu-server"), ("u@h.x", "u@h.x"), ("", "here"),
                                              ("localhost", "here")])  # fmt: skip
def test_ssh_names_the_target(host: str, target: str) -> None:
    assert sweep_of(ssh=host).targets == (target,)


@pytest.mark.parametrize(
    ("ssh", "cwd", "workdir"),
    [
        ("", None, "/base"),
        ("", ".", "/base"),
        ("", "sub/../x", "/base/x"),
        ("", "/abs/", "/abs"),
        ("box", None, "~"),
        ("box", ".", "~"),
        ("box", "p/q", "~/p/q"),
        ("box", "~/p", "~/p"),
        ("box", "/home/u/p", "/home/u/p"),
    ],
)
def test_the_working_folder(ssh: str, cwd: str | None, workdir: str) -> None:
    assert sweep_of(ssh=ssh, cwd=cwd).workdir == workdir
    phase = {"cwd": cwd, "jobs": [JOB]}
    assert plan_of({"ssh": ssh, "cwd": "/other" if cwd else None, "phases": [phase]}).sweeps[0].workdir == workdir


@pytest.mark.parametrize(
    ("keys", "environment"),
    [
        ({"conda": "exp"}, EnvironmentPlan(conda="exp")),
        ({"conda": "none"}, EnvironmentPlan()),
        ({"conda": "exp", "conda_hook": "/c/bin/conda"}, EnvironmentPlan(conda="exp", conda_hook="/c/bin/conda")),
        ({"conda_hook": "/c/bin/conda"}, EnvironmentPlan()),
        ({"venv": ".venv"}, EnvironmentPlan(venv=".venv")),
        ({"venv": ".venv", "conda": "none"}, EnvironmentPlan(venv=".venv")),
        ({"uv": True}, EnvironmentPlan(uv=".")),
        ({"uv": False}, EnvironmentPlan()),
        ({"uv": "sub"}, EnvironmentPlan(uv="sub")),
        ({"container": "docker://x:1"}, EnvironmentPlan(container="docker://x:1")),
        ({"venv": "~/v", "ssh": "box"}, EnvironmentPlan(venv="~/v")),
    ],
)
def test_environments(keys: dict[str, Any], environment: EnvironmentPlan) -> None:
    assert sweep_of(**keys).environment == environment


@pytest.mark.parametrize(
    ("outer", "inner", "environment"),
    [
        ({"conda": "a"}, {"venv": "v"}, EnvironmentPlan(venv="v")),
        ({"venv": "v"}, {"conda": "none"}, EnvironmentPlan()),
        ({"conda": "a", "conda_hook": "eval x"}, {}, EnvironmentPlan(conda="a", conda_hook="eval x")),
        ({"conda": "a", "conda_hook": "/x"}, {"conda": "b"}, EnvironmentPlan(conda="b", conda_hook="/x")),
        ({"conda": "a"}, {"conda_hook": "/y"}, EnvironmentPlan(conda="a", conda_hook="/y")),
    ],
)
def test_a_phase_has_an_environment_of_its_own(
    outer: dict[str, Any], inner: dict[str, Any], environment: EnvironmentPlan
) -> None:
    assert plan_of({**outer, "phases": [{**inner, "jobs": [JOB]}]}).sweeps[0].environment == environment


@pytest.mark.parametrize(
    ("keys", "need"),
    [
        ({"gpus": [0, 2]}, Need(gpus=1, devices=(0, 2), free_below_mib=500)),
        ({"gpus_per_job": 2}, Need(gpus=2, or_cpu=True, free_below_mib=500)),
        ({"gpus": [0, 1], "gpus_per_job": 2, "gpu_free_threshold_mib": 900},
         Need(gpus=2, devices=(0, 1), free_below_mib=900)),
        ({"gpus": []}, Need(gpus=0, slots=0)),
        ({"gpus": [], "gpus_per_job": 4}, Need(gpus=0, slots=0)),
    ],
)  # fmt: skip
def test_what_a_job_occupies(keys: dict[str, Any], need: Need) -> None:
    assert sweep_of(**keys).need == need


def test_jobs_at_once() -> None:
    assert plan_of({"jobs": [JOB], "max_parallel": 7}).parallel == 7
    assert plan_of({"jobs": [JOB], "gpus": []}).parallel == 1
    assert plan_of({"jobs": [JOB], "gpus": [], "max_parallel": 3}).parallel == 3
    assert plan_of({"jobs": [JOB], "gpus": [0, 1]}).parallel is None
    mixed = plan_of({"phases": [{"gpus": [], "jobs": [JOB]}, {"jobs": [{**JOB, "id": "b"}]}]})
    assert (mixed.parallel, [sweep.parallel for sweep in mixed.sweeps]) == (None, [1, None])


def test_retries_after_a_lack_of_memory() -> None:
    assert sweep_of(oom_retry={"delay": "5m"}).retry == Retry(3, 300, 1, 300, only_memory=True)
    assert sweep_of(oom_retry={"max_attempts": 1, "delay": 0}).retry == Retry(1, 0, 1, 0, only_memory=True)


def test_times_flags_and_labels() -> None:
    sweep = sweep_of(
        estimate="90s", timeout="45m", stale_after="2h", precondition_wait="1m", replicates=["seed", "fold"]
    )
    assert (sweep.estimate, sweep.time_limit, sweep.stale_after) == (90, 2700, 7200)
    assert (sweep.precondition_wait, sweep.replicates) == (60, ("seed", "fold"))
    assert sweep_of(replicates="fold").replicates == ("fold",)
    assert sweep_of(replicates=[]).replicates == ()
    assert plan_of({"jobs": [JOB], "analyze_on_complete": True}).analyze


def test_an_inner_level_overrides_an_outer_one() -> None:
    path = [{"type": "file_exists", "path": "x"}]
    manifest = {
        "timeout": 10, "estimate": 1, "stale_after": 100, "skip_if_done": True, "preconditions": path,
        "phases": [
            {"name": "p", "timeout": 20, "grid": {"N": [1]}, "template": {"cmd": "x", "timeout": 30, "estimate": 1},
             "jobs": [{"id": "a", "cmd": "x", "skip_if_done": False, "preconditions": [], "stale_after": 5}]},
            {"name": "q", "preconditions": [{"type": "checkpoint_exists", "path": "y"}],
             "jobs": [{"id": "b", "cmd": "x"}]},
        ],
    }  # fmt: skip
    first, second = plan_of(manifest).sweeps
    assert (first.time_limit, first.estimate, first.stale_after, second.time_limit) == (20, 1, 100, 10)
    made, listed = first.cells
    assert (made.time_limit, made.estimate, made.stale_after) == (30, None, None)
    assert (made.skip_if_done, made.requires) == (True, ("x",))
    assert (listed.time_limit, listed.stale_after, listed.skip_if_done, listed.requires) == (None, 5, False, ())
    assert second.cells[0].requires == ("y",)


def test_variables_of_all_levels_are_merged() -> None:
    manifest = {
        "vars": {"a": 1, "b": 1, "c": "${a}!", "unused": "${nobody}"},
        "phases": [{"vars": {"b": 2}, "jobs": [{"id": "x", "cmd": "x ${a} ${b} ${c} ${d}", "vars": {"d": "${b}3"}}]}],
    }
    (cell,) = cells_of(manifest)
    assert cell.command == "x 1 2 '1!' 23"


def test_preconditions_are_paths_with_patterns() -> None:
    both = [
        {"type": "checkpoint_exists", "path": "ckpt/*_{N}.pt"},
        {"type": "file_exists", "path": "{{N}} $${N} ${x-}"},
    ]
    assert job_of(args={"N": 3}, preconditions=both).requires == ("ckpt/*_3.pt", "{N} ${N} ${x-}")


def test_only_what_differs_between_jobs_makes_another_sweep() -> None:
    """All runs of a sweep occupy the same, so that jobs with more GPUs are in sweeps of their own."""
    jobs = [{"id": name, "cmd": "x", "gpus_per_job": gpus} for name, gpus in (("a", 2), ("b", 1), ("c", 4), ("d", 2))]
    phases = [
        {"name": "p", "jobs": jobs},
        {"name": "q", "depends_on": "p", "barrier": "settle", "jobs": [JOB | {"id": "e"}]},
    ]
    plan = plan_of({"phases": phases})
    found = {sweep.name: (sweep.phase, sweep.need.gpus, [cell.name for cell in sweep.cells]) for sweep in plan.sweeps}
    assert found == {
        "p": ("p", 1, ["b"]), "p~2": ("p", 2, ["a", "d"]), "p~3": ("p", 4, ["c"]), "q": ("q", 1, ["e"]),
    }  # fmt: skip
    assert [(need.sweep, need.match) for need in plan.sweeps[-1].needs] == [("p", None), ("p~2", None), ("p~3", None)]
    assert [sweep.barrier for sweep in plan.sweeps] == [False, False, False, True]


def test_the_first_sweep_of_a_phase_has_its_name_whatever_its_jobs_take() -> None:
    (sweep,) = plan_of({"phases": [{"name": "p", "jobs": [{**JOB, "gpus_per_job": 2}]}]}).sweeps
    assert (sweep.name, sweep.need.gpus) == ("p", 2)
    (sweep,) = plan_of({"gpus": [], "jobs": [{**JOB, "gpus_per_job": 2}, {"id": "b", "cmd": "x"}]}).sweeps
    assert (sweep.need, len(sweep.cells)) == (Need(gpus=0, slots=0), 2)
