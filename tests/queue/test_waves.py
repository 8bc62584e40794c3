"""Phases, dependencies, barriers, preconditions: the checks Q22–Q24 of the experiment queue."""

from __future__ import annotations

from typing import Any

from tests.queue.harness import Queue
from tests.surfaces.cli.harness import wait_until

MATCHED: dict[str, Any] = {
    "project": "p",
    "gpus": [],
    "max_parallel": 3,
    "phases": [
        {
            "name": "teachers",
            "jobs": [
                {"id": "t384", "cmd": "touch t384", "args": {"N": 384}, "expected_output": "made_384"},
                {"id": "t512", "cmd": "true", "args": {"N": 512}, "expected_output": "made_512"},
            ],
        },
        {
            "name": "students",
            "depends_on": {"phase": "teachers", "match": ["N"]},
            "grid": {"N": [384, 512], "seed": [1, 2]},
            "template": {"id": "s{N}_{seed}", "cmd": "test -e made_{N} && touch s{N}"},
        },
    ],
}


def with_teachers(first: str, second: str) -> dict[str, Any]:
    """The same with these commands of the two teachers."""
    teachers, students = MATCHED["phases"]
    jobs = [{**teachers["jobs"][0], "cmd": first}, {**teachers["jobs"][1], "cmd": second}]
    return {**MATCHED, "phases": [{**teachers, "jobs": jobs}, students]}


def test_a_student_starts_after_its_own_teacher_although_another_still_runs(queue: Queue) -> None:
    """Q23; `:` takes the arguments that are appended to the command."""
    slow = "while [ ! -e s384 ]; do sleep 0.05; done; echo 1 > made_512 && :"
    assert queue.settle(with_teachers("echo 1 > made_384; :", slow)).code == 0
    times = queue.starts()
    assert times["s384_1"][0] < times["t512"][1] <= times["s512_1"][0]


def test_a_failed_teacher_blocks_its_own_students_only(queue: Queue) -> None:
    assert queue.settle(with_teachers("echo 1 > made_384; :", "exit 1; :")).code == 1
    jobs = queue.jobs("p")
    assert {name: job["status"] for name, job in jobs.items()} == {
        "t384": "completed", "t512": "stuck", "s384_1": "completed", "s384_2": "completed",
        "s512_1": "blocked", "s512_2": "blocked",
    }  # fmt: skip
    assert "t512" in jobs["s512_1"]["reason"]
    phases = {phase["name"]: phase for phase in queue.status("p")["phases"]}
    assert (phases["teachers"]["status"], phases["students"]["status"]) == ("failed", "blocked")


def test_a_retried_teacher_releases_its_students(queue: Queue) -> None:
    teacher = "test -e fixed && echo 1 > made_512 && :"
    assert queue.settle(with_teachers("echo 1 > made_384; :", teacher)).code == 1
    (queue.folder / "fixed").touch()
    with queue.up():
        assert queue.run("retry", "p", "--failed").code == 0
        wait_until(lambda: queue.status("p")["counts"]["completed"] == 6, "all six are done")
    queue.verified()


def test_students_start_with_nobody_connected(queue: Queue) -> None:
    """Q22, Q35."""
    with queue.up():
        manifest = with_teachers("echo 1 > made_384; :", "echo 1 > made_512; :")
        assert queue.run("submit", queue.file(manifest)).code == 0
        wait_until(lambda: (queue.folder / "s384").exists() and (queue.folder / "s512").exists(), "the students ran")
        wait_until(lambda: queue.status("p")["counts"]["completed"] == 6, "all six are done")


def test_a_barrier_waits_for_every_exit_of_the_waves_before(queue: Queue) -> None:
    """Q24: the second wave needs nothing of the first, one job of which is slow and one of which fails."""
    phases = [
        {"name": "one", "jobs": [{"id": "slow", "cmd": "sleep 0.7"}, {"id": "bad", "cmd": "exit 1"}]},
        {"name": "two", "barrier": "settle", "jobs": [{"id": "next", "cmd": "true"}]},
    ]
    assert queue.settle({"project": "p", "gpus": [], "max_parallel": 3, "phases": phases}).code == 1
    times = queue.starts()
    assert times["slow"][1] <= times["next"][0]
    assert queue.jobs("p")["next"]["status"] == "completed"


def test_a_barrier_waits_for_what_a_job_left_behind(queue: Queue) -> None:
    """Q24: nothing of the first wave lives when the second one starts."""
    stubborn = "sh -c 'trap \"\" TERM HUP; echo $$ > left; while :; do sleep 0.05; done'"
    leave = f"{stubborn} & while [ ! -s left ]; do sleep 0.02; done"
    phases = [
        {"name": "one", "jobs": [{"id": "a", "cmd": leave}]},
        {"name": "two", "barrier": "settle", "jobs": [{"id": "b", "cmd": "test ! -d /proc/$(cat left)"}]},
    ]
    assert queue.settle({"project": "p", "gpus": [], "phases": phases}).code == 0


def test_a_cell_whose_precondition_never_comes_is_blocked_at_the_end_and_the_others_run(queue: Queue) -> None:
    jobs = [
        {"id": "a", "cmd": "true", "preconditions": [{"type": "checkpoint_exists", "path": "none_*.pt"}]},
        {"id": "b", "cmd": "sleep 0.2"},
    ]
    assert queue.settle({"project": "p", "gpus": [], "jobs": jobs}).code == 1
    found = queue.jobs("p")
    assert (found["a"]["status"], found["a"]["attempts"], found["b"]["status"]) == ("blocked", 0, "completed")
    assert "none_*.pt" in found["a"]["reason"]
    (queue.folder / "none_1.pt").touch()
    with queue.up():
        assert queue.run("retry", "p", "--blocked").code == 0
        wait_until(lambda: queue.jobs("p")["a"]["status"] == "completed", "the path appeared and it was tried again")


def test_a_path_that_another_job_makes_releases_the_cell(queue: Queue) -> None:
    jobs = [
        {"id": "a", "cmd": "cat made", "preconditions": [{"type": "file_exists", "path": "made"}]},
        {"id": "b", "cmd": "sleep 0.3; echo 1 > made"},
    ]
    assert queue.settle({"project": "p", "gpus": [], "jobs": jobs}).code == 0
    times = queue.starts()
    assert times["b"][0] < times["a"][0]


def test_a_path_may_come_late_within_the_declared_wait(queue: Queue) -> None:
    jobs = [{"id": "a", "cmd": "cat late", "preconditions": [{"type": "file_exists", "path": "late"}]}]
    with queue.up():
        assert (
            queue.run("submit", queue.file({"project": "p", "gpus": [], "precondition_wait": "10m", "jobs": jobs})).code
            == 0
        )
        wait_until(lambda: queue.jobs("p")["a"]["status"] == "blocked", "it is seen to wait for its path")
        (queue.folder / "late").write_text("1")
        wait_until(lambda: queue.jobs("p")["a"]["status"] == "completed", "the path appeared")
    queue.verified()


def test_what_is_done_already_is_skipped_where_that_was_declared(queue: Queue) -> None:
    (queue.folder / "a.json").write_text('{"accuracy": 0.5}')
    jobs = [{"id": name, "cmd": f"echo 1 > {name}.json", "expected_output": f"{name}.json"} for name in "ab"]
    assert queue.settle({"project": "p", "gpus": [], "skip_if_done": True, "jobs": jobs}).code == 0
    found = queue.jobs("p")
    assert (found["a"]["status"], found["a"]["skipped"], found["a"]["attempts"]) == ("completed", True, 0)
    assert (found["b"]["status"], found["b"]["attempts"]) == ("completed", 1)
    assert (queue.folder / "a.json").read_text() == '{"accuracy": 0.5}'
