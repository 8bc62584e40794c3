"""A control plane in this process, on a fresh home, for a measurement."""

from __future__ import annotations

import os
import signal
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from overnight import app
from overnight.config import load
from overnight.domain.states import FINAL_RUN
from overnight.service.context import Context
from overnight.store import campaigns


@contextmanager
def plane(slots: int = 2, more: str = "") -> Iterator[Context]:
    """Start one with that many slots, and `more` lines of config.toml; ended, with its runner, afterwards."""
    with tempfile.TemporaryDirectory(prefix="overnight-bench-") as folder:
        home = Path(folder)
        (home / "config.toml").write_text(f"[local]\nslots = {slots}\n{more}", encoding="utf-8")
        running = app.start(load({"OVERNIGHT_HOME": folder}), broken=lambda why: os.abort() if why else None)
        try:
            yield running.context
        finally:
            running.close()
            end_runner(home)


def end_runner(home: Path) -> None:
    """End the runner of a home, by the pid in its lock."""
    with suppress(OSError, ValueError):
        os.kill(int((home / "runner" / "lock").read_text(encoding="ascii").split()[0]), signal.SIGTERM)


def wait_until_final(context: Context, sweep_id: str, runs: int) -> None:
    """Block until that many runs of a sweep are final."""
    while True:
        counts = context.store.read(lambda session: campaigns.sweep_counts(session, sweep_id))
        if sum(counts.get(state, 0) for state in FINAL_RUN) >= runs:
            return
        time.sleep(0.01)  # HyperQueue's client looks once a second: looking at each commit would measure ourselves
