"""Asking a command first whether the job can be started at all: a shell, whether it can read the job's text."""

from __future__ import annotations

import os
import select
import signal

from . import moment, spawn
from .spawn import StartFailed

PATIENCE = 10.0
"""Seconds that a check may take."""
LONGEST = 1000
"""Bytes of what it says that are kept."""


def check(argv: tuple[str, ...], variables: dict[str, str]) -> None:
    """Run the command to its end in the working directory. Raises StartFailed with its own words unless it exits 0."""
    path = spawn.resolve(argv[0], variables.get("PATH", spawn.DEFAULT_PATH))
    reading, writing = os.pipe()
    try:
        try:
            pid = spawn.spawn(path, argv, variables, writing)
        finally:
            os.close(writing)
        said, ended = _listen(reading)
    finally:
        os.close(reading)
    if not ended:
        os.kill(pid, signal.SIGKILL)
    _, status = os.waitpid(pid, 0)
    if not ended:
        raise StartFailed(f"{argv[0]} could not read the command within {PATIENCE:g} s.")
    if status != 0:
        words = "; ".join(line.strip() for line in said.decode("utf-8", "replace").splitlines() if line.strip())
        raise StartFailed(words or f"{argv[0]} cannot read the command.")


def _listen(reading: int) -> tuple[bytes, bool]:
    """What it says, and whether it came to its end in time."""
    until = moment.boot() + PATIENCE
    poll = select.poll()
    poll.register(reading, select.POLLIN)
    said = b""
    while poll.poll(max(0.0, until - moment.boot()) * 1000):
        data = os.read(reading, LONGEST)
        if not data:
            return said, True
        said = (said + data)[:LONGEST]
    return said, False
