"""A server of its own, asked by real curl as the protocol's text says: black box from end to end."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

READY_SECONDS = 30.0
PATIENCE_SECONDS = 40.0
TERMINAL = ("finished", "failed", "stopped")


@dataclass(frozen=True)
class Reply:
    """An answer as curl saw it."""

    status: int
    headers: Mapping[str, str]
    text: str

    @property
    def json(self) -> Any:
        return json.loads(self.text)

    @property
    def detail(self) -> Any:
        return self.json["detail"]


@dataclass
class Protocol:
    """One home and its server."""

    home: Path
    environment: dict[str, str] = field(default_factory=dict)
    url: str = ""
    process: subprocess.Popen[str] | None = None

    # -- the server

    def up(self, *options: str) -> None:
        """Start the server and wait until it says that it is ready."""
        environment = {**os.environ, **self.environment, "OVERNIGHT_HOME": str(self.home)}
        for name in ("OVERNIGHT_URL", "OVERNIGHT_TOKEN", "OVERNIGHT_DATABASE_URL"):
            environment.pop(name, None)
        command = [sys.executable, "-m", "overnight", "up", "--port", "0", *options]
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment, cwd=self.home
        )
        assert self.process.stdout
        line = self.process.stdout.readline()
        assert line.startswith("ready "), line
        self.url = line.split()[1]

    def kill(self) -> None:
        """SIGKILL, as a crash would."""
        assert self.process
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def down(self) -> None:
        if self.process and self.process.poll() is None:
            self.process.terminate()
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(20)

    @property
    def token(self) -> str:
        return (self.home / "token").read_text().strip()

    # -- curl

    def curl(
        self, method: str, path: str, body: Any = None, *, headers: Mapping[str, str] | None = None, token: bool = True
    ) -> Reply:
        """One request by curl; `body` is sent as JSON unless it is text already."""
        command = ["curl", "-sS", "-i", "--max-time", "60", "-X", method, self.url + path]
        if token:
            command += ["-H", f"X-Auth-Token: {self.token}"]
        for name, value in (headers or {}).items():
            command += ["-H", f"{name}: {value}"]
        if body is not None:
            text = body if isinstance(body, str) else json.dumps(body)
            command += ["-H", "Content-Type: application/json", "--data-binary", text]
        done = subprocess.run(command, capture_output=True, check=False)
        assert done.returncode == 0, done.stderr
        return _parsed(done.stdout.decode("utf-8", errors="replace"))

    def get(self, path: str) -> Any:
        reply = self.curl("GET", path)
        assert reply.status == 200, (path, reply.status, reply.text)
        return reply.json

    def post(self, path: str, body: Any = None) -> Any:
        reply = self.curl("POST", path, body)
        assert reply.status == 200, (path, reply.status, reply.text)
        return reply.json

    # -- words

    def run(self, command: str, **fields: Any) -> dict[str, Any]:
        """Create a run."""
        made: dict[str, Any] = self.post("/runs", {"name": "run", "command": command, "chat_session_id": "c", **fields})
        return made

    def room(self, slots: int) -> None:
        """Say that the cluster has this many slots, GPUs that nobody checks."""
        self.post("/cluster", {"type": "local_gpu", "gpu_count": slots, "status": "healthy"})

    def until(self, what: Callable[[], Any], said: str = "") -> Any:
        """Wait until something holds; returns it."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < deadline:
            if found := what():
                return found
            time.sleep(0.1)
        raise AssertionError(said or "it never came about")

    def ended(self, run_id: str) -> dict[str, Any]:
        """The run when it is terminal."""

        def look() -> dict[str, Any] | None:
            run: dict[str, Any] = self.get(f"/runs/{run_id}")
            return run if run["status"] in TERMINAL else None

        found: dict[str, Any] = self.until(look, f"run {run_id} never ended")
        return found

    def status(self, run_id: str) -> str:
        return str(self.get(f"/runs/{run_id}")["status"])

    def reaches(self, run_id: str, status: str) -> None:
        self.until(lambda: self.status(run_id) == status, f"{run_id} never became {status}: {self.status(run_id)}")


def _parsed(text: str) -> Reply:
    head, _, body = text.partition("\r\n\r\n")
    while head.startswith("HTTP/1.1 100"):
        head, _, body = body.partition("\r\n\r\n")
    first, *lines = head.split("\r\n")
    pairs = [line.partition(":") for line in lines]
    return Reply(int(first.split()[1]), {name.lower(): value.strip() for name, _, value in pairs}, body)


@contextmanager
def protocol(home: Path, config: str = "", environment: Mapping[str, str] | None = None) -> Iterator[Protocol]:
    """A server for the time of a block; its jobs are stopped at the end."""
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    if config:
        (home / "config.toml").write_text(config)
    it = Protocol(home, dict(environment or {}))
    it.up()
    try:
        yield it
    finally:
        if it.process and it.process.poll() is None:
            for run in it.get("/runs?limit=1000"):
                if run["status"] not in TERMINAL:
                    it.curl("POST", f"/runs/{run['id']}/stop")
        it.down()
