"""A queue that is killed and started again at any moment: nothing is lost, doubled or started too early."""

from __future__ import annotations

import random
import signal
import time
from collections import Counter
from typing import Any

import pytest

from tests.queue.harness import Queue
from tests.surfaces.cli.harness import wait_until

KILLS = 12
SEED = 20261124


def night() -> dict[str, Any]:
    """36 jobs without needs (one of which lacks memory twice), 3 teachers, 18 students after a barrier."""
    note = 'echo "$OVERNIGHT_ATTEMPT" >> starts; sleep 0.03; '
    greedy = """[ $(cat starts | grep -c greedy-try) -ge 3 ] || {
      echo greedy-try >> starts; echo CUDA out of memory; exit 1; }"""
    teachers = [{"id": f"t{n}", "cmd": f"{note} echo {n} > t{n}.pt", "expected_output": f"t{n}.pt"} for n in (1, 2)]
    teachers.append({"id": "t3", "cmd": f"{greedy}; {note} echo 3 > t3.pt", "expected_output": "t3.pt"})
    return {
        "project": "night",
        "gpus": [],
        "max_parallel": 3,
        "oom_retry": {"delay": 0, "max_attempts": 4},
        "phases": [
            {
                "name": "many",
                "grid": {"N": [1, 2, 3], "n": [1, 2, 3, 4], "seed": [1, 2, 3]},
                "template": {"id": "s{seed}_N{N}_n{n}", "cmd": note},
            },
            {
                "name": "teachers",
                "jobs": teachers,
            },
            {
                "name": "students",
                "depends_on": "teachers",
                "barrier": "settle",
                "preconditions": [{"type": "checkpoint_exists", "path": "t{N}.pt"}],
                "grid": {"N": [1, 2, 3], "seed": [1, 2, 3, 4, 5, 6]},
                "template": {"id": "u{seed}_N{N}", "cmd": f"test -s t{{N}}.pt; {note}"},
            },
        ],
    }


@pytest.mark.timeout(300)
def test_a_queue_that_is_killed_again_and_again_ends_as_if_it_had_not_been(queue: Queue) -> None:
    chance = random.Random(SEED)
    name = queue.file(night())
    for number in range(KILLS):
        with queue.up() as server:
            assert number > 0 or queue.run("submit", name).code == 0
            time.sleep(chance.uniform(0.0, 0.4))
            server.send_signal(signal.SIGKILL)
            server.wait()
    with queue.up():
        wait_until(lambda: queue.status("night")["counts"]["completed"] == 57, "all 57 are done")
    queue.verified()

    started = Counter((queue.folder / "starts").read_text().split())
    assert started.pop("greedy-try") == 3
    assert set(started.values()) == {1}, "no attempt was carried out twice"
    attempts = sum(job["attempts"] for job in queue.jobs("night").values())
    assert attempts == 57 + 3
    assert len(started) == 57
    times = queue.starts()
    before = [end for job, (_, end) in times.items() if not job.startswith("u")]
    assert min(begun for job, (begun, _) in times.items() if job.startswith("u")) >= max(before)


def test_ten_thousand_cells_are_submitted_shown_and_cancelled(queue: Queue) -> None:
    axis = list(range(100))
    manifest = {
        "project": "big",
        "gpus": [],
        "grid": {"a": axis, "b": axis},
        "template": {"id": "a{a}_b{b}", "cmd": "true", "expected_output": "out/{a}_{b}.json"},
    }
    plan = queue.plan(manifest)
    assert len(plan["cells"]) == 10_000
    assert len({cell["id"] for cell in plan["cells"]}) == 10_000
    with queue.up():
        assert queue.run("pause", queue.run("submit", "m.yaml", "--json").json["campaign"]["id"]).code == 0
        assert queue.run("cancel", "big").code == 0
        wait_until(lambda: queue.status("big")["counts"]["running"] == 0, "what ran is over")
        assert sum(queue.status("big")["counts"][word] for word in ("canceled", "stuck")) == 10_000
    queue.verified()
