"""Kills, restarts and the whole night: the checks Q17 and "Done when" of the experiment queue."""

from __future__ import annotations

import json
import shutil
import signal
from pathlib import Path
from typing import Any

import pytest

from tests.queue.harness import Queue
from tests.surfaces.cli.harness import wait_until

DIGITS = Path(__file__).parents[2] / "examples" / "digits"
FAULTY = '''\
"""Stands before the real script: runs out of device memory once, and is wrong in one cell."""
import os, runpy, sys
given = " ".join(sys.argv)
if "alone_w8_s1.json" in given and not os.path.exists("oom_was_here"):
    open("oom_was_here", "w").close()
    print("torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB.", flush=True)
    sys.exit(1)
if "alone_w16_s2.json" in given:
    raise KeyError("n_classes")
sys.argv = ["train_student.py", *sys.argv[1:]]
sys.path.insert(0, os.getcwd())
runpy.run_path("train_student.py", run_name="__main__")
'''


def test_jobs_that_run_or_end_while_the_server_is_dead_are_adopted_and_settled(queue: Queue) -> None:
    """Q17."""
    jobs = [
        {"id": "lives", "cmd": "touch alive; while [ ! -e go ]; do sleep 0.05; done"},
        {"id": "ends", "cmd": "touch begun; while [ ! -e end ]; do sleep 0.05; done; touch over; exit 3"},
        {"id": "later", "cmd": "touch later"},
    ]
    with queue.up() as server:
        assert queue.run("submit", queue.file({"project": "p", "gpus": [], "max_parallel": 2, "jobs": jobs})).code == 0
        wait_until(lambda: (queue.folder / "alive").exists() and (queue.folder / "begun").exists(), "both run")
        server.send_signal(signal.SIGKILL)
        server.wait()
        (queue.folder / "end").touch()
        wait_until((queue.folder / "over").exists, "one ended meanwhile")
    with queue.up():
        wait_until(lambda: queue.jobs("p")["ends"]["status"] == "stuck", "the one that ended is settled")
        found = queue.jobs("p")
        assert (found["ends"]["exit_code"], found["lives"]["status"]) == (3, "running")
        (queue.folder / "go").touch()
        wait_until(lambda: queue.status("p")["counts"]["completed"] == 2, "the rest is done")
    assert all(job["attempts"] == 1 for job in queue.jobs("p").values())
    queue.verified()


@pytest.mark.timeout(300)
def test_the_night(queue: Queue) -> None:
    """42 real trainings through an injected lack of memory, a killed server and a failing cell; the summary is true."""
    folder = queue.folder / "digits"
    shutil.copytree(DIGITS, folder, ignore=shutil.ignore_patterns("out", "__pycache__"))
    (folder / "faulty.py").write_text(FAULTY)
    text = (folder / "queue.yaml").read_text()
    text = text.replace("venv: ../../.venv", f"venv: {Path(__file__).parents[2] / '.venv'}")
    text = text.replace("delay: 5", "delay: 1").replace("python train_student.py", "python faulty.py")
    (folder / "queue.yaml").write_text(text)
    assert queue.run("plan", "digits/queue.yaml").code == 0, "a teacher will make what the students require"

    with queue.up() as server:
        assert queue.run("submit", "digits/queue.yaml").code == 0
        wait_until(lambda: queue.status("digits_queue")["counts"]["completed"] >= 5, "some are done")
        server.send_signal(signal.SIGKILL)
        server.wait()
    last = queue.run_long("run", "digits/queue.yaml", "--json")
    assert last.code == 1

    jobs = queue.jobs("digits_queue")
    words = {word: sum(job["status"] == word for job in jobs.values()) for word in ("completed", "stuck", "blocked")}
    assert words == {"completed": 41, "stuck": 1, "blocked": 0}
    assert jobs["alone_w8_s1"]["attempts"] == 2
    assert (jobs["alone_w16_s2"]["attempts"], jobs["alone_w16_s2"]["error_class"]) == (1, "nonzero_exit")
    assert all(job["attempts"] == 1 for name, job in jobs.items() if name != "alone_w8_s1")
    for width in (64, 256):
        ended = queue.starts()[f"teacher_N{width}"][1]
        assert all(begun >= ended for name, (begun, _) in queue.starts().items() if f"student_N{width}" in name)

    summary = queue.run("summary", "digits_queue", "--json").json
    assert_true_story(summary)
    assert "KeyError" in queue.typed("summary", "digits_queue", "--markdown").out
    queue.verified()


def assert_true_story(summary: dict[str, Any]) -> None:
    """What the night was, in figures."""
    assert summary["counts"]["total"] == 42
    assert summary["jobs_line"].startswith("40 completed, 1 OOM-retried then completed, 1 stuck")
    phases = {phase["name"]: phase for phase in summary["phases"]}
    assert [phases[name]["runs"] for name in ("alone", "teachers", "students")] == [16, 2, 24]
    assert [phases[name]["oom_retries"] for name in ("alone", "teachers", "students")] == [1, 0, 0]
    (failure,) = summary["failures"]
    assert failure["reason"] == "code_error"
    students = next(results for results in summary["results"] if results["sweep"] == "students")
    assert len(students["cells"]) == 6
    assert all(cell["metrics"]["accuracy"]["n"] == 4 for cell in students["cells"])
    assert all(0.85 < cell["metrics"]["accuracy"]["mean"] < 1.0 for cell in students["cells"])
    assert "alone_w16_s2" in json.dumps(summary["results"])
