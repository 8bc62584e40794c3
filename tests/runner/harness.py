"""A real runner on a folder of the test, and a server's end of its socket."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from overnight.runner import cgroup, identity, processes

DEADLINE = 20.0
"""Seconds after which a condition that a test waits for counts as never coming."""


def wait_until(condition: Callable[[], Any], what: str) -> Any:
    """Return the first true value of condition; fail when it never comes."""
    end = time.monotonic() + DEADLINE
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < end, f"never happened: {what}"
        time.sleep(0.005)


class Server:
    """A server's connection: requests with their replies, and the pushed lines in between."""

    def __init__(self, state_dir: Path, session: int | None = None) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(DEADLINE)
        folder = os.open(state_dir, os.O_RDONLY | os.O_DIRECTORY)
        try:
            self._socket.connect(f"/proc/self/fd/{folder}/socket")
        finally:
            os.close(folder)
        self._file = self._socket.makefile("rb")
        self._next = 0
        self.pushed: list[dict[str, Any]] = []
        self.welcome = self.ask("hello", session=session) if session is not None else {}

    def send_raw(self, data: bytes) -> None:
        self._socket.sendall(data)

    def hear(self) -> dict[str, Any] | None:
        """Return the next line of any kind, None when the runner has closed the connection."""
        try:
            line = self._file.readline()
        except ConnectionResetError:
            return None
        return json.loads(line) if line else None

    def ask(self, op: str, **fields: Any) -> dict[str, Any]:
        """Return the reply to this request; pushed lines are kept."""
        self._next += 1
        self.send_raw(json.dumps({"id": self._next, "op": op, **fields}).encode() + b"\n")
        while True:
            message = self.hear()
            assert message is not None, "the runner closed the connection"
            if "event" not in message:
                assert message["id"] == self._next
                return message
            self.pushed.append(message)

    def wait(self, event: str, attempt: str) -> dict[str, Any]:
        """Return this pushed event of this attempt, now or when it comes."""
        for message in self.pushed:
            if (message["event"], message.get("attempt")) == (event, attempt):
                return message
        while True:
            message = self.hear()
            assert message is not None, "the runner closed the connection"
            self.pushed.append(message)
            if (message["event"], message.get("attempt")) == (event, attempt):
                return message

    def ended(self, attempt: str) -> dict[str, Any]:
        """Return the exit record of this attempt."""
        return self.wait("ended", attempt)["record"]

    def close(self) -> None:
        self._file.close()
        self._socket.close()


class Bench:
    """One state folder, the runner over it, and what tests do to both."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.state_dir = folder / "runner"
        self.attempts = folder / "attempts"
        self.locks = folder / "locks"
        self.process: subprocess.Popen[bytes] | None = None
        self.servers: list[Server] = []
        self._sessions = 0

    def up(self, *arguments: str, env: dict[str, str] | None = None) -> None:
        """Start a runner and wait until it can be reached."""
        self.process = subprocess.Popen(
            [sys.executable, "-m", "overnight.runner", str(self.state_dir), "--locks", str(self.locks), *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            start_new_session=True,
            env={**os.environ, **(env or {})},
        )
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == b"ready\n"
        self.process.stdout.close()

    def kill_runner(self) -> None:
        """SIGKILL the runner alone."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def server(self, session: int | None = None) -> Server:
        """Return a new server that has said hello with a higher session than all before."""
        self._sessions = session if session is not None else self._sessions + 1
        server = Server(self.state_dir, self._sessions)
        self.servers.append(server)
        return server

    def launch(self, attempt: str, *argv: str, **changes: Any) -> dict[str, Any]:
        return {
            "attempt": attempt,
            "run": f"run-{attempt}",
            "number": 1,
            "fence": 1,
            "argv": list(argv),
            "env": {},
            "cwd": str(self.folder),
            "folder": str(self.attempts / attempt),
            "time_limit": None,
            "grace": 5.0,
            "log_cap": None,
            **changes,
        }

    def start(self, server: Server, attempt: str, *argv: str, **changes: Any) -> None:
        """Start one attempt, which must be accepted."""
        reply = server.ask("start", launches=[self.launch(attempt, *argv, **changes)])
        assert reply["results"] == {attempt: {"ok": True}}

    def python(self, server: Server, attempt: str, code: str, **changes: Any) -> None:
        """Start a Python program as an attempt."""
        self.start(server, attempt, sys.executable, "-S", "-E", "-c", code, **changes)

    def log(self, attempt: str) -> bytes:
        return (self.attempts / attempt / "log").read_bytes()

    def observe(self, server: Server, attempt: str, fence: int = 1, **changes: Any) -> dict[str, Any]:
        item = {"attempt": attempt, "folder": str(self.attempts / attempt), "fence": fence, "boot_id": None, **changes}
        return server.ask("observe", attempts=[item])["states"][attempt]

    def says(self, attempt: str, word: bytes) -> None:
        """Wait until the job has written word."""
        path = self.attempts / attempt / "log"
        wait_until(lambda: path.exists() and word in path.read_bytes(), f"{attempt} says {word!r}")

    def executors(self) -> list[int]:
        """Return the pids of all executors that were ever forked over this state folder and still live."""
        runner = self.process.pid if self.process is not None else 0
        return [pid for pid in self._ours() if pid != runner]

    def survivors(self) -> list[int]:
        """Return the processes of jobs that are still there, by their marker."""
        return [stat.pid for found in processes.marked(str(self.state_dir)).values() for stat in found]

    def _ours(self) -> list[int]:
        wanted = str(self.state_dir).encode()
        return [stat.pid for stat in processes.scan() if stat.living and wanted in _command(stat.pid).split(b"\0")]

    def clean(self) -> None:
        """End everything that the test started, and see that it is gone."""
        for server in self.servers:
            server.close()

        def gone() -> bool:
            left = [*self._ours(), *self.survivors()]
            for pid in left:
                _kill(pid)
            return not left

        wait_until(gone, "every process of the test is gone")
        if self.process is not None:
            self.process.wait()
        cgroup.sweep(cgroup.find(), cgroup.prefix(str(self.state_dir)))


def is_alive(pid: int) -> bool:
    stat = identity.read_stat(pid)
    return stat is not None and stat.living


def _command(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return
