"""Whose a process on a GPU is, told from real processes."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from overnight.targets.devices.owners import owners

RUNNER = "/home/ada/.overnight/runner"
MARKS = {"OVERNIGHT_RUNNER": RUNNER, "OVERNIGHT_ATTEMPT": "abc.1"}


@contextmanager
def running(script: str, env: dict[str, str]) -> Iterator[list[int]]:
    """Processes of a shell script that says the pid of each one that counts, and then `ready`."""
    process = subprocess.Popen(
        ["/bin/sh", "-c", script],
        env={"PATH": os.environ["PATH"], **env},
        stdout=subprocess.PIPE,
        stdin=subprocess.PIPE,
    )
    try:
        assert process.stdout is not None
        yield [int(line) for line in iter(process.stdout.readline, b"ready\n")]
    finally:
        assert process.stdin is not None
        process.stdin.close()
        process.wait(10)


def test_a_process_with_both_marks_belongs_to_its_attempt() -> None:
    with running("echo $$; echo ready; read x", MARKS) as pids:
        assert owners(pids, RUNNER) == {pids[0]: "abc.1"}


def test_a_child_that_cleared_its_environment_belongs_to_the_attempt_of_its_parent() -> None:
    script = "env -i /bin/sh -c 'echo $$; echo ready; read x'; true"
    with running(script, MARKS) as pids:
        assert owners(pids, RUNNER) == {pids[0]: "abc.1"}


def test_the_jobs_of_another_home_and_other_programs_are_strangers() -> None:
    other = {**MARKS, "OVERNIGHT_RUNNER": "/home/eve/.overnight/runner"}
    for env in (other, {}, {"OVERNIGHT_ATTEMPT": "abc.1"}, {"OVERNIGHT_RUNNER": RUNNER}):
        with running("echo $$; echo ready; read x", env) as pids:
            assert owners(pids, RUNNER) == {}


def test_a_process_that_is_gone_or_not_to_be_looked_at_belongs_to_nobody(tmp_path: Path) -> None:
    (tmp_path / "7").mkdir()
    (tmp_path / "7" / "stat").write_text("7 (a) b) S", encoding="ascii")
    assert owners([6, 7], RUNNER, tmp_path) == {}


def test_parents_that_go_in_a_ring_end_the_search(tmp_path: Path) -> None:
    """Numbers are given again while one looks."""
    for pid, parent in ((7, 8), (8, 7)):
        (tmp_path / str(pid)).mkdir()
        (tmp_path / str(pid) / "stat").write_text(f"{pid} (x) S {parent} 1", encoding="ascii")
        (tmp_path / str(pid) / "environ").write_bytes(b"")
    assert owners([7], RUNNER, tmp_path) == {}
