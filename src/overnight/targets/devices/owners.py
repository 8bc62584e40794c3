"""Whose processes those on a GPU are: every job carries the marks of its runner and of its attempt."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from overnight.runner.processes import ATTEMPT_VARIABLE, RUNNER_VARIABLE

PROC = Path("/proc")
"""Where the kernel tells of processes."""
GENERATIONS = 32
"""How far up a process is followed whose own environment says nothing: jobs may clear what their children get."""


def owners(pids: Iterable[int], runner: str, proc: Path = PROC) -> dict[int, str]:
    """Process -> attempt, for those processes that the runner with this state folder started, or their ancestors."""
    found = {pid: _owner(pid, f"{RUNNER_VARIABLE}={runner}".encode(errors="surrogateescape"), proc) for pid in pids}
    return {pid: attempt for pid, attempt in found.items() if attempt is not None}


def _owner(pid: int, ours: bytes, proc: Path) -> str | None:
    for _ in range(GENERATIONS):
        attempt = _marked(pid, ours, proc)
        if attempt is not None:
            return attempt
        pid = _parent(pid, proc)
        if pid <= 1:
            return None
    return None


def _marked(pid: int, ours: bytes, proc: Path) -> str | None:
    """The attempt that a process was started for; None = by somebody else, or it has ended."""
    try:
        variables = (proc / str(pid) / "environ").read_bytes().split(b"\0")
    except OSError:
        return None
    if ours not in variables:
        return None
    mark = ATTEMPT_VARIABLE.encode() + b"="
    return next((it[len(mark) :].decode(errors="surrogateescape") for it in variables if it.startswith(mark)), None)


def _parent(pid: int, proc: Path) -> int:
    """0 when it cannot be told."""
    try:
        return int((proc / str(pid) / "stat").read_bytes().rpartition(b")")[2].split()[1])
    except (OSError, IndexError, ValueError):
        return 0
