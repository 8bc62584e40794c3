"""A runner on a Python that was built on an old system: `os` has no pidfds, and `posix_spawn` makes no sessions."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from overnight.runner import kernel
from tests.runner.harness import Bench, wait_until

OLD = """
import os, signal
real = os.posix_spawn
del os.pidfd_open, signal.pidfd_send_signal
def posix_spawn(*arguments, setsid=False, **named):
    if setsid:
        raise NotImplementedError("setsid: setsid not available on this platform")
    return real(*arguments, **named)
os.posix_spawn = posix_spawn
"""


@pytest.fixture
def old(tmp_path: Path) -> Iterator[Bench]:
    """A runner on such a Python."""
    (tmp_path / "python").mkdir()
    (tmp_path / "python" / "sitecustomize.py").write_text(OLD, encoding="ascii")
    made = Bench(tmp_path)
    made.up(env={"PYTHONPATH": str(tmp_path / "python")})
    try:
        yield made
    finally:
        made.clean()


def test_a_job_runs_in_a_session_of_its_own_with_default_signals(old: Bench) -> None:
    server = old.server()
    code = "import os, signal, sys; print(os.getsid(0) == os.getpid(), int(signal.getsignal(1))); sys.exit(137)"
    old.python(server, "a", code, env={"PYTHONPATH": None})
    record = server.ended("a")
    assert (record["reason"], record["code"]) == ("exited", 137)
    assert old.log("a") == b"True 0\n"


@pytest.mark.parametrize(
    ("content", "mode", "words"),
    [
        ("", 0o755, "neither a program nor a script"),
        ("#!/not/there\n", 0o755, "the interpreter that it names does not exist"),
        ("#!/bin/sh\n", 0o644, "is not executable"),
    ],
)
def test_what_cannot_be_executed_is_said(old: Bench, content: str, mode: int, words: str) -> None:
    path = old.folder / "program"
    path.write_text(content, encoding="ascii")
    path.chmod(mode)
    server = old.server()
    old.start(server, "a", str(path))
    record = server.ended("a")
    assert record["reason"] == "start_failed"
    assert words in record["detail"]
    old.start(server, "b", "/bin/true")
    assert server.ended("b")["code"] == 0


def test_a_variable_that_cannot_be_one_is_said(old: Bench) -> None:
    server = old.server()
    old.start(server, "a", "/bin/true", env={"A=B": "c"})
    assert "illegal environment variable name" in server.ended("a")["detail"]


def test_a_job_is_stopped_and_its_tree_ended(old: Bench) -> None:
    server = old.server()
    old.start(server, "a", "/bin/sh", "-c", "sleep 60 & echo on; wait")
    old.says("a", b"on")
    server.ask("stop", attempt="a", grace=5.0, reason="enough")
    assert server.ended("a")["reason"] == "stopped"
    assert not old.survivors()


def test_a_job_is_adopted_by_the_next_runner(old: Bench, tmp_path: Path) -> None:
    server = old.server()
    os.mkfifo(old.folder / "pipe")
    old.start(server, "a", "/bin/sh", "-c", "echo on; read line < pipe; exit 5")
    old.says("a", b"on")
    old.kill_runner()
    old.up(env={"PYTHONPATH": str(tmp_path / "python")})
    (old.folder / "pipe").write_text("go\n", encoding="ascii")
    observer = old.server()
    wait_until(lambda: old.observe(observer, "a")["state"] == "ended", "it has ended")
    assert old.observe(observer, "a")["record"]["code"] == 5


def test_a_descriptor_of_a_process_is_had_and_obeyed_without_the_help_of_python(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delattr(os, "pidfd_open")
    monkeypatch.delattr(signal, "pidfd_send_signal")
    pid = os.posix_spawn(sys.executable, [sys.executable, "-c", "import time; time.sleep(60)"], {})
    descriptor = kernel.pidfd_open(pid)
    assert not os.get_inheritable(descriptor)
    kernel.pidfd_send_signal(descriptor, signal.SIGKILL)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -signal.SIGKILL
    with pytest.raises(ProcessLookupError):
        kernel.pidfd_send_signal(descriptor, signal.SIGKILL)
    os.close(descriptor)
    with pytest.raises(ProcessLookupError):
        kernel.pidfd_open(pid)
