"""Real `overnight` processes on a home of the test."""

import fcntl
import json
import os
import pty
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

DEADLINE = 30.0
"""Seconds after which a condition that a test waits for counts as never coming."""
LOOK_AGAIN = 0.05
"""Seconds between two looks at it."""


def wait_until(condition: Callable[[], Any], what: str) -> Any:
    """Return the first true value of condition; fail when it never comes."""
    end = time.monotonic() + DEADLINE
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < end, f"never happened: {what}"
        time.sleep(LOOK_AGAIN)


@dataclass(frozen=True)
class Result:
    """What a command left."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        """The one object on standard output."""
        assert self.out.count("\n") == 1, self
        found = json.loads(self.out)
        assert isinstance(found, dict)
        return found

    @property
    def error(self) -> dict[str, Any]:
        """The one error object on standard error; nothing stands on standard output."""
        assert self.out == "", self
        return dict(json.loads(self.err)["error"])


class Home:
    """A folder for campaign files, and an OVERNIGHT_HOME below it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = folder / "home"
        self._started: list[subprocess.Popen[str]] = []

    def environment(self, **more: str) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("OVERNIGHT_")}
        return {**kept, "OVERNIGHT_HOME": str(self.path), **more}

    def run(self, *arguments: str, **environment: str) -> Result:
        """Run a command to its end."""
        done = subprocess.run(
            [sys.executable, "-m", "overnight", *arguments],
            check=False,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            env=self.environment(**environment),
            cwd=self.folder,
            timeout=DEADLINE * 2,
        )
        assert "Traceback" not in done.stderr, done.stderr
        return Result(done.returncode, done.stdout, done.stderr)

    def start(self, *arguments: str) -> "subprocess.Popen[str]":
        """Start a command; its standard output can be read line by line."""
        process = subprocess.Popen(
            [sys.executable, "-m", "overnight", *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=self.environment(),
            cwd=self.folder,
        )
        self._started.append(process)
        return process

    @contextmanager
    def up(self, *arguments: str) -> Iterator["subprocess.Popen[str]"]:
        """A server that answers, on a free port."""
        process = self.start("up", "--port", "0", *arguments)
        assert process.stdout is not None
        assert process.stdout.readline().startswith("ready http://127.0.0.1:")
        try:
            yield process
        finally:
            process.terminate()
            process.wait(DEADLINE)

    def on_terminal(self, *arguments: str, **environment: str) -> str:
        """Everything that a command writes to a terminal."""
        parent, child = pty.openpty()
        process = subprocess.Popen(
            [sys.executable, "-m", "overnight", *arguments],
            stdin=child,
            stdout=child,
            stderr=child,
            env=self.environment(TERM="xterm-256color", COLUMNS="100", **environment),
            cwd=self.folder,
        )
        os.close(child)
        pieces = []
        while True:
            try:
                piece = os.read(parent, 65536)
            except OSError:
                break
            if not piece:
                break
            pieces.append(piece)
        os.close(parent)
        process.wait(DEADLINE)
        return b"".join(pieces).decode("utf-8", errors="replace").replace("\r\n", "\n")

    def campaign(self, text: str, name: str = "campaign.yaml") -> str:
        """Write a campaign file; returns its name."""
        (self.folder / name).write_text(text, encoding="utf-8")
        return name

    def runs(self, *arguments: str) -> dict[str, dict[str, Any]]:
        """All runs by name."""
        return {run["name"]: run for run in self.run("ls", "--runs", "--json", *arguments).json["runs"]}

    def clean(self) -> None:
        """End what this test started, by its own identity: the commands, and whatever carries the home's path."""
        for process in self._started:
            if process.poll() is None:
                process.kill()
            process.wait()
            for stream in (process.stdout, process.stderr):
                if stream is not None:
                    stream.close()
        for pid in self._left():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def _left(self) -> list[int]:
        mark = os.fsencode(str(self.path))
        found = []
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit() and int(entry.name) != os.getpid():
                try:
                    if mark in (entry / "cmdline").read_bytes() + (entry / "environ").read_bytes():
                        found.append(int(entry.name))
                except OSError:
                    continue
        return found


def lock_is_held(path: Path) -> bool:
    """Whether a process has the lock of a home."""
    try:
        descriptor = os.open(path / "server.lock", os.O_RDONLY)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False
