"""Processes of ours that stand still for a while (SIGSTOP) look dead, and are not: no job is killed or repeated."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from overnight.runner import identity
from overnight.targets.runner_target import ASK_SECONDS
from tests.chaos.plane import Plane, eventually, kill

LULL_SECONDS = ASK_SECONDS + 2
"""Longer than the server waits for an answer of the runner."""


@contextmanager
def standing_still(pid: int) -> Iterator[None]:
    kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        kill(pid, signal.SIGCONT)


def running(plane: Plane) -> tuple[str, int]:
    """A job that waits for the file `go` and then fails with 5: its run and pid."""
    run = plane.submit("while [ ! -e go ]; do sleep 0.02; done; exit 5")
    plane.in_state(run, "running")
    return run, eventually(lambda: plane.run(run)["attempts_made"][0]["pid"], "it has started")


@pytest.mark.parametrize("cut", [False, True], ids=["connected", "after a new start of the server"])
def test_a_runner_that_stands_still_harms_no_job_and_catches_up(plane: Plane, cut: bool) -> None:
    run, pid = running(plane)
    runner = plane.runner()
    assert runner is not None
    assert plane.server is not None
    with standing_still(runner):
        if cut:
            plane.server.kill()
            plane.up()
        meanwhile = plane.submit("echo x >> executed; exit 6")
        cancelled = plane.submit("exit 0", slots=4)
        assert plane.ask("cancel", id=cancelled)["cancelled"] == 1
        threading.Event().wait(LULL_SECONDS)
        assert plane.run(run)["state"] == "running"
        assert plane.ask("status")
    assert [attempt["code"] for attempt in plane.final(meanwhile)["attempts_made"]] == [6]
    (plane.marks / "go").touch()
    (attempt,) = plane.final(run)["attempts_made"]
    assert (attempt["code"], attempt["pid"]) == (5, pid)
    assert plane.lines("executed") == ["x"]
    assert plane.runner() == runner
    plane.assert_verified()


def test_a_server_that_stood_still_hears_of_what_happened_meanwhile(plane: Plane) -> None:
    run, _ = running(plane)
    assert plane.server is not None
    with standing_still(plane.server.pid):
        (plane.marks / "go").touch()
        eventually(lambda: not plane.survivors(), "the job has ended")
    assert [attempt["code"] for attempt in plane.final(run)["attempts_made"]] == [5]
    plane.assert_verified()


def test_an_executor_that_stands_still_while_its_job_ends_is_waited_for(plane: Plane) -> None:
    run, pid = running(plane)
    (executor,) = [found for found in plane.executors() if has_child(found, pid)]
    with standing_still(executor):
        (plane.marks / "go").touch()
        eventually(lambda: state(pid) == "Z", "the job has ended")
        assert plane.server is not None
        plane.server.kill()
        plane.up()
        assert plane.run(run)["state"] == "running"
    assert [attempt["code"] for attempt in plane.final(run)["attempts_made"]] == [5]
    plane.assert_verified()


def has_child(parent: int, pid: int) -> bool:
    stat = identity.read_stat(pid)
    return stat is not None and stat.parent == parent


def state(pid: int) -> str:
    stat = identity.read_stat(pid)
    return stat.state if stat is not None else "gone"
