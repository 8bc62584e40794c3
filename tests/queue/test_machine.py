"""What a machine does to a queue: a real out-of-memory kill, a second queue beside it."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.queue.harness import Queue
from tests.surfaces.cli.harness import DEADLINE, wait_until

MEMORY = Path("/sys/fs/cgroup/memory")
UNIFIED = Path("/sys/fs/cgroup")
LIMIT = 400 * 1024**2
"""Enough for a server, its runner and Python, too little for the job."""
GREEDY = "import time; held = bytearray(900 * 1024**2); held[::4096] = b'x' * len(held[::4096]); time.sleep(60)"


@contextmanager
def small_memory() -> Iterator[Path]:
    """A control group with little memory and no swap, of either version."""
    old = (MEMORY / "memory.limit_in_bytes").exists()
    group = (MEMORY if old else UNIFIED) / f"overnight-test-{os.getpid()}"
    group.mkdir()
    try:
        for name in ("memory.limit_in_bytes", "memory.memsw.limit_in_bytes") if old else ("memory.max",):
            with suppress(OSError):
                (group / name).write_text(str(LIMIT))
        yield group
    finally:
        wait_until(lambda: removed(group), "the group is empty and gone")


def removed(group: Path) -> bool:
    """Try to take a group away with those below it; they stay while ended processes were not reaped yet."""
    for folder in (*sorted(group.rglob("*/"), reverse=True), group):
        with suppress(OSError):
            folder.rmdir()
    return not group.exists()


@contextmanager
def up_inside(queue: Queue, group: Path) -> Iterator[None]:
    """A server inside a control group, on a free port."""
    command = f"echo $$ > {shlex.quote(str(group))}/cgroup.procs; exec {sys.executable} -m overnight up --port 0"
    with subprocess.Popen(
        ["sh", "-c", command], stdout=subprocess.PIPE, text=True, env=queue.environment(), cwd=queue.folder
    ) as server:
        assert server.stdout is not None
        assert server.stdout.readline().startswith("ready")
        try:
            yield
        finally:
            server.terminate()
            server.wait(DEADLINE)
            queue.clean()


@pytest.mark.real("root", "cgroup")
def test_a_real_out_of_memory_kill_is_told_from_any_other(queue: Queue) -> None:
    jobs = [
        {"id": "greedy", "cmd": f"exec {sys.executable} -c {shlex.quote(GREEDY)}"},
        {"id": "modest", "cmd": "sleep 0.5"},
        {"id": "killed", "cmd": "kill -9 $$"},
    ]
    manifest = {"project": "p", "gpus": [], "oom_retry": {"delay": 0, "max_attempts": 2}, "jobs": jobs}
    with small_memory() as group, up_inside(queue, group):
        assert queue.run("submit", queue.file(manifest)).code == 0
        wait_until(lambda: sum(queue.status("p")["counts"][word] for word in ("completed", "stuck")) == 3, "all ended")
        found = {name: (job["status"], job["error_class"], job["attempts"]) for name, job in queue.jobs("p").items()}
    assert found == {
        "greedy": ("stuck", "host_oom", 2),
        "modest": ("completed", None, 1),
        "killed": ("stuck", "killed", 1),
    }


def test_two_queues_on_one_machine_do_not_know_each_other(tmp_path: Path) -> None:
    """Equal ids and commands in two homes; one server is killed while both work."""
    first, second = (Queue(tmp_path / name) for name in ("one", "two"))
    jobs = [{"id": f"j{n}", "cmd": "while [ ! -e go ]; do sleep 0.05; done; echo $OVERNIGHT_RUN_ID"} for n in range(4)]
    manifest = {"project": "p", "gpus": [], "max_parallel": 2, "jobs": jobs}
    try:
        with first.up() as server, second.up():
            for queue in (first, second):
                assert queue.run("submit", queue.file(manifest)).code == 0
                wait_until(lambda it=queue: it.status("p")["counts"]["running"] == 2, "two run")
            server.send_signal(signal.SIGKILL)
            server.wait()
            (second.folder / "go").touch()
            wait_until(lambda: second.status("p")["counts"]["completed"] == 4, "the other goes on to its end")
            with first.up():
                assert first.status("p")["counts"]["running"] == 2
                (first.folder / "go").touch()
                wait_until(lambda: first.status("p")["counts"]["completed"] == 4, "and so does this one")
        for queue in (first, second):
            assert all(job["attempts"] == 1 for job in queue.jobs("p").values())
            queue.verified()
    finally:
        first.clean()
        second.clean()
