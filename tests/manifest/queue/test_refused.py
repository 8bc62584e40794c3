"""Everything that is rejected before any launch, with its place, its line and what to do (2.4, checks Q5, Q6, Q15)."""

from __future__ import annotations

from textwrap import dedent
from typing import Any

import pytest

from tests.manifest.queue.reading import plan_of, problems

TOP: list[tuple[Any, str, str]] = [
    ({"projekt": "x"}, "projekt", "did you mean `project`"),
    ({"max_parralel": 2}, "max_parralel", "did you mean `max_parallel`"),
    ({"workdir": "x"}, "workdir", "did you mean `cwd`"),
    ({"depends_on": "x"}, "depends_on", "unknown key"),
    ({"project": ["a"]}, "project", "a list"),
    ({"ssh": "-oProxyCommand=x"}, "ssh", "no name of a host"),
    ({"ssh": ["a"]}, "ssh", "a list"),
    ({"cwd": 3}, "cwd", "a whole number"),
    ({"cwd": "~/x"}, "cwd", "known on an `ssh` host only"),
    ({"cwd": "a/${x}"}, "cwd", "without ${...}"),
    ({"conda": "a", "venv": "b"}, "venv", "conda, venv are different kinds"),
    ({"uv": True, "container": "b"}, "container", "different kinds"),
    ({"venv": True}, "venv", "true or false"),
    ({"conda_hook": 3}, "conda_hook", "a whole number"),
    ({"default_cmd": ["a"]}, "default_cmd", "a list"),
    ({"vars": [1]}, "vars", "a list"),
    ({"vars": {"GPU": 1}}, "vars.GPU", "cannot be a name"),
    ({"vars": {"a-b": 1}}, "vars.a-b", "cannot be a name"),
    ({"vars": {"a": [1]}}, "vars.a", "a single value"),
    ({"preconditions": {"path": "x"}}, "preconditions", "a mapping"),
    ({"preconditions": ["x"]}, "preconditions[0]", "{type: file_exists"),
    ({"preconditions": [{"type": "exists", "path": "x"}]}, "preconditions[0].type", "no type of a precondition"),
    ({"preconditions": [{"path": "x"}]}, "preconditions[0].type", "the type is missing"),
    ({"preconditions": [{"type": "file_exists"}]}, "preconditions[0]", "the path is missing"),
    ({"preconditions": [{"type": "file_exists", "path": 3}]}, "preconditions[0].path", "a whole number"),
    ({"preconditions": [{"type": "file_exists", "path": "x{N}"}]}, "preconditions[0].path", "`vars: {N: ...}`"),
    ({"preconditions": [{"type": "file_exists", "path": "x{GPU}"}]}, "preconditions[0].path", "known only when"),
    ({"precondition_wait": "soon"}, "precondition_wait", "90s, 45m"),
    ({"gpus": 2}, "gpus", "a list of GPU indices"),
    ({"gpus": ["0"]}, "gpus[0]", "a whole number of at least 0"),
    ({"gpus": [-1]}, "gpus[0]", "out of range"),
    ({"gpus": [1, 1]}, "gpus[1]", "GPU 1 is named twice"),
    ({"gpus_per_job": 0}, "gpus_per_job", "`gpus: []`"),
    ({"gpus_per_job": 1.5}, "gpus_per_job", "a number"),
    ({"max_parallel": 0}, "max_parallel", "out of range"),
    ({"gpu_free_threshold_mib": "500"}, "gpu_free_threshold_mib", "text"),
    ({"oom_retry": 3}, "oom_retry", "{delay: 120, max_attempts: 3}"),
    ({"oom_retry": {"attempts": 3}}, "oom_retry.attempts", "did you mean `max_attempts`"),
    ({"oom_retry": {"max_attempts": 0}}, "oom_retry.max_attempts", "out of range"),
    ({"oom_retry": {"delay": -1}}, "oom_retry.delay", "out of range"),
    ({"analyze_on_complete": "yes"}, "analyze_on_complete", "true or false"),
    ({"skip_if_done": 1}, "skip_if_done", "true or false"),
    ({"replicates": [1]}, "replicates[0]", "a whole number"),
    ({"timeout": 0}, "timeout", "more than 0 seconds"),
    ({"estimate": "5 days"}, "estimate", "90s, 45m"),
    ({"stale_after": -1}, "stale_after", "more than 0 seconds"),
    ({"jobs": {}}, "jobs", "a list of jobs"),
    ({"jobs": []}, "jobs", "has no jobs"),
    ({"jobs": ["x"]}, "jobs[0]", "{id: a, cmd: ...}"),
    ({"phases": [{"jobs": [{"id": "b", "cmd": "x"}]}]}, "jobs", "`jobs` and `phases` both"),
]
PHASE: list[tuple[Any, str, str]] = [
    ({"nam": "x"}, ".nam", "did you mean `name`"),
    ({"ssh": "x"}, ".ssh", "unknown key"),
    ({"needs": "x"}, ".needs", "did you mean `depends_on`"),
    ({"name": "a/b"}, ".name", "no name of a phase"),
    ({"name": "x~2"}, ".name", "no name of a phase"),
    ({"name": "first"}, ".name", "phases[0] is called `first` too"),
    ({"barrier": True}, ".barrier", "`settle`"),
    ({"barrier": "wave"}, ".barrier", "`settle`"),
    ({"grid": None}, "", "has no jobs"),
    ({"grid": None, "jobs": []}, "", "has no jobs"),
    ({"grid": {}}, ".grid", "no axis"),
    ({"grid": [1]}, ".grid", "a mapping of axes"),
    ({"grid": {"N": []}}, ".grid.N", "this axis is empty"),
    ({"grid": {"N": None}}, ".grid.N", "this axis is empty"),
    ({"grid": {"N": "1,2"}}, ".grid.N", "write [1,2]"),
    ({"grid": {"N": "[64, 128]"}}, ".grid.N", "write [64, 128]"),
    ({"grid": {"N": "adam"}}, ".grid.N", "write [adam]"),
    ({"grid": {"N": {"a": 1}}}, ".grid.N", "a list of values"),
    ({"grid": {"N": [[1]]}}, ".grid.N[0]", "a single value"),
    ({"grid": {"N": [1e999]}}, ".grid.N[0]", "no finite number"),
    ({"grid": {"N": [1], "GPU": [1]}}, ".grid.GPU", "an axis cannot be called GPU"),
    ({"grid": {"N": [1], "a b": [1]}}, ".grid.a b", "letters, digits and _"),
    ({"grid": "N=[1] x GPU=[2]"}, ".grid.GPU", "an axis cannot be called GPU"),
    ({"grid": "N=[1] x N=[2]"}, ".grid.N", "stands here twice"),
    ({"grid": "N=[]"}, ".grid.N", "this axis is empty"),
    ({"grid": "N=[1] x "}, ".grid", "cannot be read"),
    ({"grid": "N=[1] M=[2]"}, ".grid", "'M=[2]' cannot be read"),
    ({"grid": "N=[1]×"}, ".grid", "cannot be read"),
    ({"grid": "N in 1..3"}, ".grid", "cannot be read"),
    ({"grid": {"N": list(range(400)), "M": list(range(400))}}, ".template", "more than 100,000 jobs"),
    ({"template": [1]}, ".template", "a mapping such as"),
    ({"template": {}}, ".template.cmd", "there is no command"),
    ({"template": {"cmd": ""}}, ".template.cmd", "text for the shell"),
    ({"template": {"cmd": ["a"]}}, ".template.cmd", "text for the shell"),
    ({"template": {"cmd": "x", "vars": {}}}, ".template.vars", "unknown key"),
    ({"template": {"cmd": "x", "comand": "y"}}, ".template.comand", "did you mean"),
    ({"template": {"cmd": "x", "args": "--a"}}, ".template.args", "a mapping of argument names"),
    ({"template": {"cmd": "x", "args": {"a": {"b": 1}}}}, ".template.args.a", "a single value"),
    ({"template": {"cmd": "x", "args": {"a": ["${M}"]}}}, ".template.args.a[0]", "unresolved name `M`"),
    ({"template": {"cmd": "x", "args": {"a": "${b}", "b": 1}}}, ".template.args.a", "unresolved name `b`"),
    ({"template": {"cmd": "x", "args": {"a": "${GPU}", "b": "${a}"}}}, ".template.args.b", "unresolved name `a`"),
    ({"template": {"cmd": "x", "args": {"": 1}}}, ".template.args.''", "no name of an argument"),
    ({"template": {"cmd": "x # the end", "args": {"a": 1}}}, ".template.cmd", "would swallow the `args`"),
    ({"template": {"cmd": "x", "args": {"--seed": 1}}}, ".template.args.--seed", "write 'seed' here"),
    ({"template": {"cmd": "x ${M}"}}, ".template.cmd", "unresolved name `M`; known here: N."),
    ({"template": {"cmd": "x {M}"}}, ".template.cmd", "{{M}}"),
    ({"template": {"cmd": "x ${HOME}"}}, ".template.cmd", "$${HOME}"),
    ({"template": {"cmd": "x", "id": "i{M}"}}, ".template.id", "known here: N"),
    ({"template": {"cmd": "x", "id": "i{GPU}"}}, ".template.id", "known only when a job starts"),
    ({"template": {"cmd": "x", "id": "one"}}, ".template.id", "`one` (phases[1].template with N=1, phases[1].template"),
    ({"template": {"cmd": "x", "id": "a b{N}"}}, ".template.id", "'a b1' (of N=1) is no id"),
    ({"template": {"cmd": "x", "id": "{N}" + "x" * 128}}, ".template.id", "128 at most"),
    ({"grid": {"N": ["a/b"]}}, ".template.id", "'second_Na/b' (of N=a/b) is no id"),
    ({"template": {"cmd": "x", "expected_output": ["a"]}}, ".template.expected_output", "a list"),
    ({"template": {"cmd": "x", "output_check": "a{M}"}}, ".template.output_check", "unresolved name `M`"),
    ({"template": {"cmd": "x", "expected_output": "a"}}, ".template.expected_output", "write the same file '/base/a'"),
    ({"template": {"cmd": "x", "expected_output": "../{N}"}}, ".template.expected_output", "leaves the working"),
    ({"template": {"cmd": "x", "expected_output": "a{N}", "output_check": "b{N}"}}, ".template.output_check",
     "mean the same"),
    ({"template": {"cmd": "x ${GPU}$${N} $${GPU} x$${GPU}", "expected_output": "${v}${GPU}"}, "vars": {"v": "a$"}},
     ".template.expected_output", "put a character between"),
    ({"vars": {"v": "${w}"}, "template": {"cmd": "x ${v}"}}, ".vars.v", "unresolved name `w`"),
    ({"vars": {"v": "${GPU}"}, "template": {"cmd": "x ${v}"}}, ".vars.v", "known only when a job starts"),
    ({"vars": {"v": "a b"}, "template": {"cmd": "x '${v}'"}}, ".template.cmd", "cannot be quoted safely"),
    ({"vars": {"v": "$(x)"}, "template": {"cmd": 'x "${v}"'}}, ".template.cmd", "pass it in `args`"),
    ({"vars": {"v": ""}, "template": {"cmd": "x"}, "preconditions": [{"type": "file_exists", "path": "{v}"}]},
     ".preconditions[0].path", "is empty"),
]  # fmt: skip


@pytest.mark.parametrize(("keys", "place", "says"), TOP, ids=[f"{row[1]}: {row[2]}" for row in TOP])
def test_a_mistake_at_the_top_is_one_problem_in_its_place(keys: dict[str, Any], place: str, says: str) -> None:
    (problem,) = problems({"jobs": [{"id": "a", "cmd": "true"}], **keys})
    assert (problem.place, says in problem.message) == (place, True), problem
    assert problem.line == 1


@pytest.mark.parametrize(("keys", "place", "says"), PHASE, ids=[f"{row[1]}: {row[2]}" for row in PHASE])
def test_a_mistake_in_a_phase_is_one_problem_in_its_place(keys: dict[str, Any], place: str, says: str) -> None:
    """2.4; the other phases are judged all the same."""
    first = {"name": "first", "jobs": [{"id": "a", "cmd": "true"}]}
    second: dict[str, Any] = {"name": "second", "grid": {"N": [1, 2]}, "template": {"cmd": "x"}, **keys}
    if keys.get("grid", second) is None:
        del second["template"]
    (problem,) = problems({"phases": [first, second]})
    assert (problem.place, says in problem.message) == (f"phases[1]{place}", True), problem


@pytest.mark.parametrize(
    ("job", "place", "says"),
    [
        ({"cmd": "x"}, "jobs[1].id", "the id is missing"),
        ({"id": "a", "cmd": "x"}, "jobs[1].id", "`a` (jobs[0], jobs[1])"),
        ({"id": "-a", "cmd": "x"}, "jobs[1].id", "'-a' is no id"),
        ({"id": "", "cmd": "x"}, "jobs[1].id", "the id is empty"),
        ({"id": ["a"], "cmd": "x"}, "jobs[1].id", "a list"),
        ({"id": "b"}, "jobs[1].cmd", "`default_cmd`"),
        ({"id": "b", "cmd": "x", "depends_on": "a"}, "jobs[1].depends_on", "unknown key"),
        ({"id": "b", "cmd": "x", "name": "a"}, "jobs[1].name", "did you mean `id`"),
    ],
)
def test_a_mistake_in_a_job(job: dict[str, Any], place: str, says: str) -> None:
    (problem,) = problems({"jobs": [{"id": "a", "cmd": "x"}, job]})
    assert (problem.place, says in problem.message) == (place, True), problem


def test_duplicate_ids_are_refused_across_phases_and_never_dropped() -> None:
    phases = [{"name": name, "jobs": [{"id": "same", "cmd": "x"}]} for name in "ab"]
    (problem,) = problems({"phases": phases})
    assert problem.place == "phases[1].jobs[0].id"
    assert "`same` (phases[0].jobs[0], phases[1].jobs[0])" in problem.message


def test_an_axis_that_is_missing_from_the_id_is_told_with_the_jobs_that_collide() -> None:
    manifest = {"grid": {"N": [1, 2], "seed": [1, 2, 3]}, "template": {"id": "s${seed}", "cmd": "x"}}
    (problem,) = problems(manifest)
    assert "`s1` (template with N=1 seed=1, template with N=2 seed=1), `s2`" in problem.message


@pytest.mark.parametrize(
    ("one", "two"),
    [("a_*.json", "a_1.json"), ("a_1.json", "a_*.json"), ("a_*.json", "a_*.json"), ("a_*", "*_1.json"), ("x", "./x"),
     ("o/x", "/base/o/x"), ("g_${GPU}.json", "g_0.json"), ("g_${GPU}", "g_{GPU}")],
)  # fmt: skip
def test_two_jobs_cannot_claim_one_output(one: str, two: str) -> None:
    """Q15: both places are named."""
    jobs = [{"id": "a", "cmd": "x", "expected_output": one}, {"id": "b", "cmd": "x", "output_check": two}]
    (problem,) = problems({"jobs": jobs})
    text = f"{problem.place} {problem.message}"
    assert all(part in text for part in ("jobs[0].expected_output", "jobs[1].output_check", "a", "b"))


@pytest.mark.parametrize(("one", "two"), [("a_*.json", "b_1.json"), ("s42_N64_n5", "s42_N64_n50"), ("a/*", "a/b/c"),
                                          ("g_${GPU}.json", "g_0.txt"), ("$${GPU}", "x")])  # fmt: skip
def test_outputs_that_cannot_be_the_same_file_are_fine(one: str, two: str) -> None:
    jobs = [{"id": "a", "cmd": "x", "expected_output": one}, {"id": "b", "cmd": "x", "expected_output": two}]
    assert plan_of({"jobs": jobs}).cells == 2


def test_a_glob_that_siblings_share_is_refused() -> None:
    """A defect of the reference: such a glob certified, and ended, every job that it matched."""
    template = {"cmd": "x", "expected_output": "distill_N${N}_n*_seed${seed}.json"}
    problem, _ = problems({"grid": {"N": [1], "seed": [1, 2], "n": [5, 6]}, "template": template})
    assert "main_N1_seed1_n5, main_N1_seed1_n6 write" in problem.message


def test_a_text_is_no_axis_of_its_characters() -> None:
    """A defect of the reference."""
    (problem,) = problems("grid: {mode: abc}\ntemplate: {cmd: x}\n")
    assert (problem.place, problem.line, "write [abc]" in problem.message) == ("grid.mode", 1, True)


def test_what_nothing_resolves_never_reaches_the_shell() -> None:
    """A defect of the reference; also decision 7 on the published example."""
    text = dedent("""\
        default_cmd: python run.py
        preconditions:
          - type: checkpoint_exists
            path: checkpoints/teacher_N{N}.pt
        jobs:
          - id: a
            args: {n_hidden: 64}
          - id: b
            args: {n_hidden: 128}
            cmd: |
              set -e
              run ${n_hiden}
        """)
    found = {(problem.place, problem.line) for problem in problems(text)}
    assert found == {("preconditions[0].path", 4), ("jobs[1].cmd", 12)}
    assert any("`vars: {N: ...}`" in problem.message for problem in problems(text))


def test_everything_wrong_is_told_at_once_in_file_order() -> None:
    text = dedent("""\
        project: p
        gpus: 3
        oops: 1
        phases:
          - name: a
            depends_on: c
            grid: {N: [], M: [1, 2]}
            template: {cmd: "x ${K} ${N}"}
          - name: b
            conda: x
            uv: true
            grid: {N: [1, 2]}
            template: {id: one, cmd: x, timeout: long}
            jobs:
              - {id: two, cmd: x, expected_output: same}
              - {id: three, cmd: x, expected_output: same}
              - {id: two, cmd: x}
        """)
    found = [(problem.line, problem.place) for problem in problems(text)]
    assert found == [
        (2, "gpus"),
        (3, "oops"),
        (6, "phases[0].depends_on"),
        (7, "phases[0].grid.N"),
        (8, "phases[0].template.cmd"),
        (11, "phases[1].uv"),
        (13, "phases[1].template.timeout"),
        (13, "phases[1].template.id"),
        (16, "phases[1].jobs[1].expected_output"),
        (17, "phases[1].jobs[2].id"),
    ]


def test_a_mistake_that_thousands_of_jobs_share_is_told_once() -> None:
    manifest = {"grid": {"N": list(range(5000))}, "template": {"id": "a b{N}", "cmd": "x '{v}'"}, "vars": {"v": "c d"}}
    assert [problem.place for problem in problems(manifest)] == ["template.id", "template.cmd"]


def test_jobs_that_unfold_into_too_much_text_are_refused_and_not_built() -> None:
    manifest = {"grid": {"N": list(range(5000))}, "template": {"cmd": "a" * 100_000 + "{N}"}}
    (problem,) = problems(manifest)
    assert (problem.place, "the texts of all jobs together" in problem.message) == ("template", True)


def test_more_phases_than_anybody_reads_are_refused() -> None:
    (problem,) = problems({"phases": [{"jobs": [{"id": str(number), "cmd": "x"}]} for number in range(1001)]})
    assert "more than 1,000 phases" in problem.message


def test_a_mistake_in_one_text_of_a_job_does_not_hide_those_in_others() -> None:
    jobs = [
        {"id": "a/b", "cmd": "x ${nothing}", "oops": 1},
        {"id": "c", "cmd": "x", "timeout": "long", "expected_output": "o"},
        {"id": "c", "cmd": "x", "args": {"k": "${no}"}, "expected_output": "o"},
    ]
    assert {problem.place for problem in problems({"jobs": jobs})} == {
        "jobs[0].id", "jobs[0].cmd", "jobs[0].oops", "jobs[1].timeout",
        "jobs[2].id", "jobs[2].args.k", "jobs[2].expected_output",
    }  # fmt: skip


def test_a_variable_that_comes_too_late_for_the_one_above_it_is_one_problem() -> None:
    (problem,) = problems({"jobs": [{"id": "a", "cmd": "${A}", "vars": {"x": 1, "A": "${N}", "N": "${x}"}}]})
    assert (problem.place, "unresolved name `N`" in problem.message) == ("jobs[0].vars.A", True)
