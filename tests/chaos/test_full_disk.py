"""A home whose disk is full: new work is refused with a reason, reading goes on, and nothing is lost."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.chaos.plane import Gone, Plane, Refusal, eventually, kill
from tests.chaos.server import REFUSED

SIZE_MIB = 4
"""Little, so that it is full at once; an empty home takes about one."""
HINDERED_SECONDS = 10.0
"""After space is back, everything must go on within this time."""
pytestmark = pytest.mark.real("root")


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Plane]:
    """A home on a file system of its own, with a server and a job's marks elsewhere."""
    home = tmp_path / "home"
    home.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={SIZE_MIB}m", "tmpfs", str(home)]
    subprocess.run(mount, check=True)
    plane = Plane(tmp_path, home=home)
    try:
        plane.up()
        yield plane
    finally:
        plane.clean()
        subprocess.run(["umount", "-l", str(home)], check=True)


def fill(plane: Plane) -> None:
    """Leave no room at all."""
    with (plane.home / "filler").open("ab", buffering=0) as file, contextlib.suppress(OSError):
        while file.write(b"x" * 4096) == 4096:
            continue


def free(plane: Plane) -> None:
    (plane.home / "filler").unlink()


def refused(plane: Plane, command: str = "exit 0") -> str:
    """Submit until a submit is refused (the log's last pages have room for some); returns the sentence."""

    def ask() -> str | None:
        try:
            plane.submit(command)
        except Refusal as refusal:
            return str(refusal)
        fill(plane)
        return None

    return str(eventually(ask, "a submit is refused"))


def waits(plane: Plane) -> str:
    """A job that runs until the file `go` is there, then says so and fails with 5."""
    run = plane.submit(f"while [ ! -e {plane.marks}/go ]; do sleep 0.02; done; exit 5")
    plane.in_state(run, "running")
    eventually(lambda: plane.run(run)["attempts_made"][0]["pid"], "it has started")
    return run


def goes_on(plane: Plane, ask: Callable[[], Any]) -> Any:
    """What an operation answers as soon as the plane is well again."""

    def attempt() -> Any:
        with contextlib.suppress(Refusal):
            return ask()

    return eventually(attempt, "the plane goes on", HINDERED_SECONDS)


def test_submits_are_refused_and_reading_goes_on_while_the_disk_is_full(small: Plane) -> None:
    before = small.submit("echo hello; exit 3")
    small.final(before)
    fill(small)
    sentence = refused(small)
    assert "store_unavailable" in sentence
    assert "full" in sentence
    assert small.run(before)["attempts_made"][0]["code"] == 3
    assert "hello" in small.ask("log", id=before)["content"]
    assert small.ask("status")
    assert refused(small) == sentence
    free(small)
    after = goes_on(small, lambda: small.submit("exit 0"))
    assert small.final(after)["state"] == "succeeded"
    small.assert_verified()


def test_a_job_that_ends_on_a_full_disk_is_settled_when_space_is_back(small: Plane) -> None:
    run = waits(small)
    fill(small)
    refused(small)
    (small.marks / "go").touch()
    eventually(lambda: not small.survivors().get(f"{run}.1"), "the job has ended")
    assert small.ask("status")
    free(small)
    ended = eventually(
        lambda: shown if (shown := small.run(run))["state"] == "failed" else None, "it is settled", HINDERED_SECONDS
    )
    assert [attempt["code"] for attempt in ended["attempts_made"]] == [5]
    small.assert_verified()


@pytest.mark.parametrize("order", ["they die, then it ends", "it ends, then they die"])
@pytest.mark.parametrize("victims", ["server", "server and runner"])
def test_deaths_on_a_full_disk_lose_no_exit_code(small: Plane, victims: str, order: str) -> None:
    run = waits(small)
    fill(small)
    refused(small)
    steps = [lambda: kill_them(small, victims), lambda: let_end(small, run)]
    for step in steps if order.startswith("they") else reversed(steps):
        step()
    start_without_room(small)
    free(small)
    if small.server is None:
        small.up()
    ended = eventually(
        lambda: shown if (shown := small.run(run))["state"] == "failed" else None, "it is settled", 2 * HINDERED_SECONDS
    )
    assert [attempt["code"] for attempt in ended["attempts_made"]] == [5]
    small.assert_verified()


def test_a_first_start_without_room_says_why(small: Plane) -> None:
    assert small.server is not None
    small.server.kill()
    runner = small.runner()
    if runner is not None:
        kill(runner)
        eventually(lambda: small.runner() is None, "the runner has ended")
    for path in small.home.iterdir():
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    fill(small)
    with pytest.raises(Gone) as gone:
        small.up()
    assert gone.value.code == REFUSED
    assert "No space left on device" in (small.home.parent / "server.stderr").read_text(encoding="utf-8")
    free(small)
    small.up()
    assert small.final(small.submit("exit 0"))["state"] == "succeeded"


def let_end(plane: Plane, run: str) -> None:
    (plane.marks / "go").touch()
    eventually(lambda: not plane.survivors().get(f"{run}.1"), "the job has ended")


def kill_them(plane: Plane, victims: str) -> None:
    runner = plane.runner()
    assert runner is not None
    assert plane.server is not None
    plane.server.kill()
    if "runner" in victims:
        kill(runner)
    fill(plane)


def start_without_room(plane: Plane) -> None:
    """A server may refuse to start without any room, but must say why."""
    with contextlib.suppress(Gone):
        plane.up()
    if plane.server is None:
        assert "full" in (plane.home.parent / "server.stderr").read_text(encoding="utf-8")


def test_a_job_that_fills_the_disk_with_its_log_ends_neither_server_nor_runner(small: Plane) -> None:
    small.final(small.submit("exit 0"))
    runner = small.runner()
    run = small.submit("cat /dev/zero; exit 9")
    eventually(lambda: small.run(run)["state"] == "failed" or not room(small), "the log has filled the disk")
    assert small.ask("status")
    eventually(lambda: not small.survivors().get(f"{run}.1"), "the job has ended on the full disk")
    (small.home / "runs" / run / "1" / "log").write_bytes(b"")
    ended = eventually(
        lambda: shown if (shown := small.run(run))["state"] == "failed" else None, "it is settled", HINDERED_SECONDS
    )
    assert [attempt["code"] for attempt in ended["attempts_made"]] == [9]
    assert small.server is not None
    assert small.server.process.poll() is None
    assert small.runner() == runner
    after = small.submit("exit 0")
    assert small.final(after)["state"] == "succeeded"
    small.assert_verified()


def room(plane: Plane) -> bool:
    return os.statvfs(plane.home).f_bavail > 0
