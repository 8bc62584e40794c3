"""A home on a machine with made-up GPUs, and the real command that works on it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import apsw

from tests.devices.machine import Machine


class Home:
    """A home on the machine with made-up GPUs, and the command that works on it."""

    def __init__(self, folder: Path, machine: Machine) -> None:
        self.folder = folder
        self.env = {name: value for name, value in machine.env.items() if not name.startswith("OVERNIGHT_")}
        self.env |= {"OVERNIGHT_HOME": str(folder / "home")}
        self.locks = folder / "locks"
        (folder / "home").mkdir(mode=0o700)
        settings = f'[local]\ndevice_locks = "{self.locks}"\n'  # the made-up GPUs of all tests have the same names
        (folder / "home" / "config.toml").write_text(settings, encoding="utf-8")

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "overnight", *arguments]

    def ask(self, *arguments: str) -> dict[str, Any]:
        done = subprocess.run(self.command(*arguments, "--json"), env=self.env, capture_output=True, check=False)
        answer: dict[str, Any] = json.loads(done.stdout)
        return answer

    def file(self, text: str) -> str:
        path = self.folder / "campaign.yaml"
        path.write_text(text, encoding="utf-8")
        return str(path)

    def given(self) -> list[str]:
        """What the logs of all runs say, sorted."""
        ids = [run["id"] for run in self.ask("ls", "--runs")["runs"]]
        return sorted(self.ask("logs", run)["content"].strip() for run in ids)

    @contextmanager
    def serving(self) -> Iterator[None]:
        """A server that looks after the home."""
        server = subprocess.Popen(self.command("up", "--port", "0"), env=self.env, stdout=subprocess.PIPE)
        try:
            assert server.stdout is not None
            assert server.stdout.readline().startswith(b"ready ")
            yield
        finally:
            server.send_signal(signal.SIGTERM)
            server.wait(30)

    def record(self, query: str) -> list[tuple[Any, ...]]:
        """What stands in the record now."""
        path = str(self.folder / "home" / "overnight.db")
        connection = apsw.Connection(path, flags=apsw.SQLITE_OPEN_READONLY)
        try:
            return list(connection.execute(query))
        finally:
            connection.close()

    def leave(self) -> None:
        """End the runner, which outlives its server."""
        lock = self.folder / "home" / "runner" / "lock"
        if lock.exists():
            with suppress(ProcessLookupError):  # it had nothing to do and left first
                os.kill(int(lock.read_text(encoding="ascii").split()[0]), signal.SIGTERM)
