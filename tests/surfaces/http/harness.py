"""Real servers, and raw requests to them that no client library would send."""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from overnight.surfaces.client import Client

SCRIPT = Path(__file__).with_name("serve_home.py")
READY_SECONDS = 30.0


@dataclass
class Reply:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Server:
    """A running server process."""

    home: Path
    process: subprocess.Popen[str]
    url: str

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    @property
    def token(self) -> str:
        return (self.home / "token").read_text().strip()

    @property
    def client(self) -> Client:
        return Client(self.url, self.token)

    def ask(
        self,
        method: str,
        path: str,
        body: bytes | object | None = None,
        *,
        headers: Mapping[str, str | None] | None = None,
        timeout: float = 30.0,
    ) -> Reply:
        """One request with the token; `headers` of value None take a usual one away."""
        usual: dict[str, str | None] = {"Host": f"127.0.0.1:{self.port}", "X-Auth-Token": self.token}
        data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        if data is not None:
            usual |= {"Content-Type": "application/json", "Content-Length": str(len(data))}
        usual |= headers or {}
        lines = [
            f"{method} {path} HTTP/1.1",
            *(f"{name}: {value}" for name, value in usual.items() if value is not None),
        ]
        raw = "\r\n".join([*lines, "Connection: close", "", ""]).encode("latin-1") + (data or b"")
        return parse(self.raw(raw, timeout=timeout))

    def raw(self, data: bytes, *, timeout: float = 30.0) -> bytes:
        """Send bytes as they are; all bytes until the server closes."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=timeout) as connection:
            # The server may have answered and closed before all was sent; what it said can still be read.
            with suppress(OSError):
                connection.sendall(data)
            received = b""
            with suppress(ConnectionResetError):
                while part := connection.recv(1 << 20):
                    received += part
            return received

    def run(self, command: str | list[str] = "true", **fields: Any) -> str:
        """Submit one run; its id."""
        reply = self.ask("POST", "/v1/runs", {"runs": [{"name": "one", "command": command, "workdir": "/", **fields}]})
        assert reply.status == 201, reply.body
        return str(reply.json["ids"][0])

    def until(self, run: str, *states: str, seconds: float = 30.0) -> dict[str, Any]:
        def look() -> dict[str, Any] | None:
            found: dict[str, Any] = self.ask("GET", f"/v1/things/{run}").json
            return found if found["state"] in states else None

        return poll(look, seconds)

    def stop(self) -> int:
        if self.process.poll() is None:
            self.process.terminate()
        return self.process.wait(timeout=20)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(timeout=20)


def parse(data: bytes) -> Reply:
    head, _, body = data.partition(b"\r\n\r\n")
    lines = head.decode("latin-1").split("\r\n")
    assert lines[0].startswith("HTTP/1.1 "), data[:200]
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
    return Reply(int(lines[0].split()[1]), headers, body)


def poll(look: Callable[[], Any], seconds: float = 30.0) -> Any:
    """The first true answer of `look`; fails after `seconds`."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if found := look():
            return found
        time.sleep(0.02)
    raise AssertionError(f"not within {seconds} s; last: {look()!r}")


def start(home: Path, *arguments: str, port: int = 0, host: str = "127.0.0.1") -> Server:
    """Start a server and wait until it says that it is ready."""
    process = launch(home, *arguments, port=port, host=host)
    assert process.stdout is not None
    ready, _, _ = select.select([process.stdout], [], [], READY_SECONDS)
    line = process.stdout.readline() if ready else ""
    if not line.startswith("ready http://"):
        process.kill()
        raise AssertionError(f"server said {line!r}; {process.communicate()}")
    return Server(home, process, line.split()[1])


def launch(home: Path, *arguments: str, port: int = 0, host: str = "127.0.0.1") -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, str(SCRIPT), host, str(port), *arguments],
        env={**os.environ, "OVERNIGHT_HOME": str(home)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd="/",
    )


@contextmanager
def serving(home: Path, *arguments: str, port: int = 0, host: str = "127.0.0.1") -> Iterator[Server]:
    """A server for the block; it and its runner are gone afterwards."""
    server = start(home, *arguments, port=port, host=host)
    try:
        yield server
    finally:
        if server.process.poll() is None:
            server.kill()
        end_runner(home)


def end_runner(home: Path) -> None:
    """End the home's runner and jobs: every process that carries this home in its environment or arguments."""
    marks = (os.fsencode(str(home)),)
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            text = (entry / "cmdline").read_bytes() + (entry / "environ").read_bytes()
            if any(mark in text for mark in marks):
                os.kill(int(entry.name), signal.SIGKILL)
        except (OSError, ProcessLookupError):
            continue
