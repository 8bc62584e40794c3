"""A real server process on a fresh home, for a measurement."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import TracebackType

import psutil

from bench.plane import end_runner


class Server:
    """`overnight up` on a free port; ended, with its runner, on exit."""

    def __init__(self, home: str | None = None) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="overnight-bench-")
        self.home = Path(home or self._folder.name)
        environment = {name: value for name, value in os.environ.items() if not name.startswith("OVERNIGHT_")}
        self.environment = {**environment, "OVERNIGHT_HOME": str(self.home)}
        begin = time.perf_counter()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "overnight", "up", "--port", "0"],
            stdout=subprocess.PIPE,
            text=True,
            env=self.environment,
        )
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        self.ready_seconds = time.perf_counter() - begin
        if not line.startswith("ready "):
            raise SystemExit(f"bench: the server did not start: {line!r}")
        self.port = int(line.rsplit(":", 1)[1])
        self.token = (self.home / "token").read_text(encoding="ascii").strip()
        self.seen = psutil.Process(self._process.pid)

    def __enter__(self) -> Server:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.send_signal(signal.SIGTERM)
        self._process.wait(30)
        end_runner(self.home)
        self._folder.cleanup()
