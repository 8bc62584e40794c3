"""A home with a server process and a runner that tests may kill: started, asked, killed, and cleaned up."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from overnight.domain.errors import OvernightError, Unreachable
from overnight.domain.states import FINAL_RUN
from overnight.runner import cgroup, identity, processes
from overnight.surfaces.client import Client
from tests.runner.harness import wait_until

PATIENCE = 60.0
"""Seconds after which a condition counts as never coming: the machine may be shared."""
ROOT = Path(__file__).parents[2]


def eventually(condition: Callable[[], Any], what: str, seconds: float = PATIENCE) -> Any:
    """Return the first true value of `condition`; fail when it never comes."""
    end = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < end, f"never happened: {what}"
        time.sleep(0.01)
    return value


class Gone(Exception):
    """The server ended before it answered: nobody knows whether the request was carried out."""

    code: int | None = None
    """How it ended, where that is known."""


class Refusal(Exception):
    """The server answered with an error."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code


class Server:
    """One server process, asked over its stdin. Its answers are acknowledgements."""

    def __init__(self, home: Path, *wrapper: str) -> None:
        """`wrapper` is a command in front, such as strace. Raises Gone when it ends before it is ready."""
        began = time.monotonic()
        self._turn = threading.Lock()
        with (home.parent / "server.stderr").open("ab") as errors:
            self.process = subprocess.Popen(
                [*wrapper, *self._command(home)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                cwd=ROOT,
                env={**os.environ, "OVERNIGHT_HOME": str(home)},
                start_new_session=True,
            )
        try:
            self._greet(self._hear())
        except Gone as gone:
            gone.code = self.reap()
            raise
        self.pid = int((home / "server.lock").read_text(encoding="ascii").split()[0])
        self.ready_after = time.monotonic() - began

    def _command(self, home: Path) -> list[str]:
        return [sys.executable, "-m", "tests.chaos.server", str(home)]

    def _greet(self, line: bytes) -> None:
        """Take in the line that says that it is ready."""
        assert "ready" in json.loads(line)

    def ask(self, name: str, *, key: str | None = None, **fields: Any) -> dict[str, Any]:
        """Perform an operation. Raises Refusal, or Gone."""
        with self._turn:
            self._say(json.dumps({"name": name, "fields": fields, "key": key}).encode() + b"\n")
            message = json.loads(self._hear())
        if "error" in message:
            raise Refusal(message["error"]["code"], message["error"]["message"])
        answer: dict[str, Any] = message["answer"]
        return answer

    def _say(self, data: bytes) -> None:
        """Past the pipe's own buffer, which would keep what a dead server did not take."""
        assert self.process.stdin is not None
        rest = memoryview(data)
        try:
            while rest:
                rest = rest[os.write(self.process.stdin.fileno(), rest) :]
        except OSError as error:
            raise Gone(str(error)) from error

    def _hear(self) -> bytes:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line.endswith(b"\n"):
            raise Gone("the server has ended")
        return line

    def kill(self) -> None:
        """SIGKILL, and wait until it is gone."""
        kill(self.pid)
        self.reap()

    def reap(self) -> int:
        """Wait for the end; returns the exit code."""
        code = self.process.wait(PATIENCE)
        for pipe in (self.process.stdin, self.process.stdout):
            try:
                if pipe is not None:
                    pipe.close()
            except BrokenPipeError:
                continue
        return code


class HttpServer(Server):
    """`overnight up` on a port that its home keeps, asked by the client of the package."""

    def _command(self, home: Path) -> list[str]:
        (home.parent / "port").touch()
        port = (home.parent / "port").read_text(encoding="ascii") or "0"
        self._home = home
        return [sys.executable, "-m", "overnight", "up", "--port", port]

    def _greet(self, line: bytes) -> None:
        word, _, url = line.decode().strip().partition(" ")
        assert word == "ready"
        (self._home.parent / "port").write_text(url.rpartition(":")[2], encoding="ascii")
        self.client = Client(url, (self._home / "token").read_text(encoding="ascii").strip())

    def ask(self, name: str, *, key: str | None = None, **fields: Any) -> dict[str, Any]:
        """See `Server.ask`."""
        try:
            return self.client.call(name, key=key, **fields)
        except Unreachable as error:
            raise Gone(str(error)) from error
        except OvernightError as error:
            raise Refusal(error.code, str(error)) from error


class Plane:
    """A home, its server, its runner, and the marks that jobs leave outside of the home."""

    def __init__(self, folder: Path, *, slots: int = 4, home: Path | None = None, kind: type[Server] = Server) -> None:
        self.home = home or folder / "home"
        self.home.mkdir(mode=0o700, exist_ok=True)
        self.marks = folder / "marks"
        self.marks.mkdir()
        self.state_dir = self.home / "runner"
        self.kind = kind
        self.ready: list[float] = []
        """Seconds that each start took."""
        self.configure(slots)
        self.server: Server | None = None

    def configure(self, slots: int) -> None:
        """What the next server is configured with."""
        (self.home / "config.toml").write_text(f"[local]\nslots = {slots}\n", encoding="utf-8")

    def up(self, *wrapper: str) -> Server:
        """Start a server; raises Gone when it ends before it is ready."""
        self.server = None
        self.server = self.kind(self.home, *wrapper)
        self.ready.append(self.server.ready_after)
        return self.server

    def ask(self, name: str, *, key: str | None = None, **fields: Any) -> dict[str, Any]:
        """Ask the present server."""
        assert self.server is not None
        return self.server.ask(name, key=key, **fields)

    def submit(self, command: str | Sequence[str], *, name: str = "run", key: str | None = None, **fields: Any) -> str:
        """Submit one run; returns its id."""
        run = {"name": name, "command": command, "workdir": str(self.marks), **fields}
        found: str = self.ask("submit_runs", key=key, runs=[run])["ids"][0]
        return found

    def run(self, run_id: str) -> dict[str, Any]:
        """A run with its attempts."""
        return self.ask("show", id=run_id)

    def final(self, run_id: str) -> dict[str, Any]:
        """A run once it is final."""
        found: dict[str, Any] = eventually(
            lambda: shown if (shown := self.run(run_id))["state"] in FINAL_RUN else None, f"{run_id} is final"
        )
        return found

    def in_state(self, run_id: str, *states: str) -> None:
        """Wait until a run is in one of these states."""
        eventually(lambda: self.run(run_id)["state"] in states, f"{run_id} is {' or '.join(states)}")

    def runner(self) -> int | None:
        """The pid of the live runner, by its lock; None when there is none."""
        try:
            pid = int((self.state_dir / "lock").read_text(encoding="ascii").split()[0])
        except (OSError, ValueError, IndexError):
            return None
        return pid if pid in self._ours() else None

    def executors(self) -> list[int]:
        """Live executors, whichever runner forked them."""
        runner = self.runner()
        return [pid for pid in self._ours() if pid != runner and _name(pid) == "overnight-exec"]

    def survivors(self) -> Mapping[str, Sequence[identity.Stat]]:
        """Living processes of jobs, by attempt."""
        return processes.marked(str(self.state_dir))

    def _ours(self) -> list[int]:
        wanted = str(self.state_dir).encode()
        return [stat.pid for stat in processes.scan() if stat.living and wanted in _command(stat.pid)]

    def lines(self, run_id: str) -> list[str]:
        """What the executions of a run left."""
        path = self.marks / run_id
        return path.read_text(encoding="ascii").splitlines() if path.exists() else []

    def assert_verified(self) -> None:
        """The record agrees with itself and with the invariants."""
        report = self.ask("verify_log")
        assert report["ok"], report

    def assert_nobody_left(self) -> None:
        """No process of a job lives."""
        eventually(lambda: not self.survivors(), "no process of a job is left")

    def clean(self) -> None:
        """End everything that was started here."""
        if self.server is not None and self.server.process.poll() is None:
            kill(self.server.pid)
            self.server.reap()

        def gone() -> bool:
            left = [*self._ours(), *(stat.pid for found in self.survivors().values() for stat in found)]
            for pid in left:
                kill(pid)
            return not left

        wait_until(gone, "every process of the test is gone")
        if self.state_dir.exists():
            cgroup.sweep(cgroup.find(), cgroup.prefix(str(self.state_dir)))


def kill(pid: int, number: int = signal.SIGKILL) -> bool:
    """Send a signal; False when there is no such process."""
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return False
    return True


def _command(pid: int) -> list[bytes]:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return []


def _name(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text(encoding="utf-8").strip()
    except OSError:
        return ""
