"""A server's channel on its host: both directions, requests beside each other, and what lives on when it ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from overnight.domain.errors import Unavailable, Uncertain
from overnight.host.workers import Workers
from overnight.targets.link import RunnerRefused
from tests.host.box import HOME, Box, eventually


def launch(box: Box, script: str, **changed: Any) -> dict[str, Any]:
    """A launch of a shell script."""
    folder = box.folder / "runs" / "r" / "1"
    known = {"attempt": "r.1", "run": "r", "number": 1, "fence": 1, "argv": ["/bin/sh", "-c", script], "env": {}}
    return {**known, "cwd": "/", "folder": str(folder), "time_limit": None, "grace": 1.0, "log_cap": None, **changed}


def test_a_run_is_started_and_its_end_is_told(box: Box) -> None:
    link = box.link()
    assert link.ask("hello", 10, session=1)["owned"] == []
    assert link.ask("start", 10, launches=[launch(box, "umask; exit 3")])["results"]["r.1"]["ok"]
    ended = eventually(lambda: [it for it in box.events if it["event"] == "ended"], "it ends")[0]
    assert ended["record"]["code"] == 3
    (umask,) = {int(it.split()[1], 8) for it in status(os.getpid()) if it.startswith("Umask")}
    assert int((box.folder / "runs" / "r" / "1" / "log").read_text(encoding="ascii"), 8) == umask


def status(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines()


def test_runner_and_jobs_live_on_when_the_channel_ends(box: Box) -> None:
    start = box.ready()
    runner = box.runner()
    start.socket.close()
    assert start.ended() == (0, "overnight: the server has gone\n")
    box.ready()
    assert box.runner() == runner


def test_it_goes_when_the_runner_goes_and_the_next_starts_another(box: Box) -> None:
    start = box.ready()
    before = box.runner()
    os.kill(before, signal.SIGKILL)
    assert start.ended() == (0, "overnight: the runner has gone\n")
    box.ready()
    assert box.runner() != before


def test_it_goes_when_the_runner_ends_before_it_took_the_connection(box: Box) -> None:
    box.ready()
    os.kill(box.runner(), signal.SIGSTOP)
    start = box.ready()
    os.kill(box.runner(), signal.SIGKILL)
    assert start.ended() == (0, "overnight: the runner has gone\n")


def test_two_that_come_at_once_find_one_runner(box: Box) -> None:
    box.ready()
    os.kill(box.runner(), signal.SIGKILL)
    threads = [threading.Thread(target=box.ready) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert box.link().ask("hello", 10, session=1)["pid"] == box.runner()
    assert all(it.process.poll() is None for it in box.starts[1:])


def test_nothing_of_the_session_gets_into_a_job(box: Box) -> None:
    box.variables |= {"OVERNIGHT_TOKEN": "secret", "SSH_CONNECTION": "1.2.3.4 5 6.7.8.9 22", "KEPT": "yes"}
    link = box.link()
    link.ask("hello", 10, session=1)
    link.ask("start", 10, launches=[launch(box, "env")])
    eventually(lambda: [it for it in box.events if it["event"] == "ended"], "it ends")
    log = (box.folder / "runs" / "r" / "1" / "log").read_text(encoding="utf-8")
    assert "KEPT=yes" in log
    assert "TOKEN" not in log
    assert "SSH_CONNECTION" not in log


def test_a_request_that_waits_keeps_no_other_from_being_answered(box: Box, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    link = box.link()
    slow: list[Any] = []
    check = {"argv": ["/bin/sh", "-c", f"cat {pipe}"], "timeout": 30}
    waiting = threading.Thread(target=lambda: slow.append(link.ask("host.facts", 40, paths=[], check=check)))
    waiting.start()
    with pipe.open("w") as other:
        assert link.ask("hello", 10, session=1)["ok"]
        assert link.ask("host.done", 10, workdir=str(tmp_path), outputs=["none"])["done"] is False
        assert not slow
        other.write("at last")
    waiting.join()
    assert slow[0]["facts"]["check"] == {"code": 0, "words": "at last", "late": False}


@pytest.mark.parametrize(
    ("op", "fields", "code"),
    [
        ("host.nothing", {}, "rejected"),
        ("host.done", {"nonsense": 1}, "bad_request"),
        ("host.done", {"workdir": 7, "outputs": ["x"]}, "bad_request"),
        ("host.log", {"folder": "/", "offset": "x", "limit": None}, "bad_request"),
        (
            "host.read",
            {"root": "run", "folder": "/none", "workdir": "/", "path": "x", "offset": 0, "limit": 1},
            "unavailable",
        ),
        ("host.put", {"folder": "/none", "name": "x", "text": "y"}, "rejected"),
        ("host.code_have", {"identity": "../x"}, "rejected"),
    ],
)
def test_a_request_that_fails_ends_nothing_else(shared: Box, op: str, fields: dict[str, Any], code: str) -> None:
    link = shared.links[-1] if shared.links else shared.link()
    with pytest.raises(RunnerRefused) as refused:
        link.ask(op, 10, **fields)
    assert refused.value.refusal == code
    assert link.ask("host.room", 10, path="/")["ok"]


def test_what_only_looks_like_a_request_for_the_host_goes_to_the_runner(box: Box) -> None:
    link = box.link()
    link.ask("hello", 10, session=1)
    words = {"op": "host.done", "X": '"op": "host.done"'}
    link.ask("start", 10, launches=[launch(box, 'echo "$op"', env=words)])
    eventually(lambda: [it for it in box.events if it["event"] == "ended"], "it ends")
    assert (box.folder / "runs" / "r" / "1" / "log").read_text(encoding="ascii") == "host.done\n"


def test_long_lines_pass_whole_between_many_short_ones(box: Box) -> None:
    link = box.link()
    link.ask("hello", 10, session=1)
    answers = []
    asking = [
        threading.Thread(target=lambda: answers.append(link.ask("host.room", 20, path="/")["room"]["path"]))
        for _ in range(20)
    ]
    for thread in asking:
        thread.start()
    results = link.ask("start", 20, launches=[launch(box, "true", env={"BIG": "x" * 8_000_000})])["results"]
    for thread in asking:
        thread.join()
    assert set(results) == {"r.1"}
    assert answers == ["/"] * 20


def test_texts_that_are_no_utf8_and_a_locale_without_it_change_nothing(box: Box) -> None:
    box.variables |= {"LC_ALL": "POSIX"}
    link = box.link()
    link.ask("hello", 10, session=1)
    link.ask("start", 10, launches=[launch(box, 'printf %s "$1"', argv=["/usr/bin/printf", "%s", "ä\udcff\n☃"])])
    eventually(lambda: [it for it in box.events if it["event"] == "ended"], "it ends")
    assert (box.folder / "runs" / "r" / "1" / "log").read_bytes() == "ä".encode() + b"\xff\n" + "☃".encode()


def test_a_runner_that_cannot_be_started_is_said(box: Box) -> None:
    box.ready().end()
    os.kill(box.runner(), signal.SIGKILL)
    eventually(lambda: not Path(f"/proc/{box.runner()}").exists(), "the runner is gone")
    (box.folder / "runner" / "socket").unlink()
    (box.folder / "runner" / "socket").mkdir()
    (box.folder / "runner" / "lock").unlink()
    code, words = box.start().ended()
    assert code == 98
    assert words.startswith("overnight: no runner: ")


def test_it_goes_when_the_server_says_nothing_any_more(box: Box) -> None:
    """Also while it is stuck in writing to a line that takes nothing."""
    patched = (
        "import overnight.host.attend as it; it.SILENCE_SECONDS, it.LOOK_SECONDS = 0.5, 0.05; "
        f"it.attend({str(box.root)!r}, {HOME!r}, 'n')"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", patched], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=box.variables
    )
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(b'{"id": 1, "op": "no"}\n' * 2_000)
    process.stdin.flush()
    assert process.wait(20) == 0
    process.stdin.close()
    process.stdout.close()


def test_work_goes_on_beside_work_that_hangs_up_to_a_bound() -> None:
    workers, held, done = Workers(most=2), threading.Event(), threading.Semaphore(0)
    workers.take(lambda: bool(held.wait(20)))  # type: ignore[arg-type, return-value]
    for _ in range(10):
        workers.take(done.release)
    for _ in range(10):
        assert done.acquire(timeout=20)
    workers.take(lambda: bool(held.wait(20)))  # type: ignore[arg-type, return-value]
    workers.take(done.release)
    assert not done.acquire(timeout=0.05)
    held.set()
    assert done.acquire(timeout=20)


def test_a_channel_that_is_closed_is_told_to_who_asks(box: Box) -> None:
    link = box.link()
    box.starts[-1].process.kill()
    with pytest.raises((Unavailable, Uncertain)):
        link.ask("host.room", 10, path="/")
