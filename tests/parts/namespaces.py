"""Processes that keep namespaces alive, and looks at processes in them from outside."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path

SCRIPT = Path(__file__).with_name("host.sh")


class Part:
    """A shell that keeps namespaces alive until its standard input ends."""

    def __init__(self, complaints: Path, into: Sequence[str], *arguments: str) -> None:
        """`into` is the command that makes the namespaces; ready when this returns."""
        with complaints.open("ab") as errors:
            self.process = subprocess.Popen(
                [*into, "/bin/sh", "-c", SCRIPT.read_text(encoding="utf-8"), "host", *arguments],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, cwd="/",
            )  # fmt: skip
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == b"ready\n", f"{arguments} did not come up"

    def go(self) -> None:
        """Let it take its next step."""
        assert self.process.stdin is not None
        self.process.stdin.write(b"\n")
        self.process.stdin.flush()

    def end(self) -> None:
        """End it and everything that depends on it."""
        self.process.kill()
        self.reap()

    def reap(self) -> None:
        """Wait for its end."""
        self.process.wait(30)
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                pipe.close()


def namespace(pid: int) -> str:
    """Which processes it sees; empty when it is gone."""
    try:
        return os.readlink(f"/proc/{pid}/ns/pid")
    except OSError:
        return ""


def name(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text(encoding="utf-8").strip()
    except OSError:
        return ""


def inner(pid: int) -> int:
    """Its pid as its host sees it; 0 when it is gone."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines()
    except OSError:
        return 0
    return next((int(line.split()[-1]) for line in lines if line.startswith("NSpid:")), 0)


def kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return
