"""Looking at and signalling many processes: the tree of an attempt, and what carries its marker.

This kernel family does not always offer `/proc/PID/task/TID/children`, so trees are found by scanning parents.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterable, Iterator

from . import kernel
from .identity import Stat, read_stat

ATTEMPT_VARIABLE = "OVERNIGHT_ATTEMPT"
"""In the environment of every job: the attempt it belongs to."""
RUNNER_VARIABLE = "OVERNIGHT_RUNNER"
"""In the environment of every job: the state folder of the runner that started it."""

CHASES = 20
"""Looks at the newest processes in one round of killing, after the look at all."""
CHASED = 16
"""Newest pids in each of these looks."""


def pids() -> list[int]:
    """Return every pid there is, newest numbers first."""
    return sorted((int(name) for name in os.listdir("/proc") if name.isdigit()), reverse=True)


def scan() -> Iterator[Stat]:
    """Yield every process, zombies included; some may have ended when the caller looks."""
    for pid in pids():
        stat = read_stat(pid)
        if stat is not None:
            yield stat


def descendants(root: int) -> list[Stat]:
    """Return the living processes below root, without root. Complete when root is a child subreaper."""
    children: dict[int, list[Stat]] = {}
    for stat in scan():
        children.setdefault(stat.parent, []).append(stat)
    found: list[Stat] = []
    waiting = [root]
    while waiting:
        below = children.pop(waiting.pop(), [])
        found.extend(below)
        waiting.extend(stat.pid for stat in below)
    return [stat for stat in found if stat.living]


def families() -> dict[int, list[int]]:
    """Return the children of every process, zombies included."""
    children: dict[int, list[int]] = {}
    for stat in scan():
        children.setdefault(stat.parent, []).append(stat.pid)
    return children


def signal_one(stat: Stat, number: int) -> bool:
    """Send a signal to exactly this process; False when it has ended or may not be signalled."""
    try:
        descriptor = kernel.pidfd_open(stat.pid)
    except OSError:
        return False
    try:
        current = read_stat(stat.pid)
        if current is None or current.start_time != stat.start_time:
            return False
        kernel.pidfd_send_signal(descriptor, number)
        return True
    except OSError:
        return False
    finally:
        os.close(descriptor)


def signal_all(stats: Iterable[Stat], number: int) -> None:
    """Send a signal to each of these processes that still runs."""
    for stat in stats:
        signal_one(stat, number)


def kill_in_passing(root: int) -> None:
    """SIGKILL the children of the calling process, which must be root, and their groups as they are seen.

    What forks and ends at once is gone before a scan is complete, and its child is not yet known. But every ended
    generation is a zombie of ours, which keeps the number of its process group from being given to a stranger; and
    a group is killed in one step, so that no member can fork away.
    """
    for stat in scan():
        _kill_child(root, stat)
    for _ in range(CHASES):
        for pid in range(_last_pid() + 2, _last_pid() - CHASED, -1):
            newest = read_stat(pid)
            if newest is not None:
                _kill_child(root, newest)


def _kill_child(root: int, stat: Stat) -> None:
    if stat.parent == root:
        if stat.living:
            _kill(stat.pid)
        if stat.group > 1 and stat.group != root:  # the kernel says -1 of one that is being reaped
            _kill(-stat.group)


def _last_pid() -> int:
    with open("/proc/loadavg", encoding="ascii") as file:
        return int(file.read().split()[4])


def marked(state_dir: str) -> dict[str, list[Stat]]:
    """Return, for each attempt, the living processes that carry its marker and that of this state folder."""
    ours = f"{RUNNER_VARIABLE}={state_dir}".encode(errors="surrogateescape")
    found: dict[str, list[Stat]] = {}
    for stat in scan():
        attempt = _marker(stat.pid, ours) if stat.living else None
        if attempt is not None:
            found.setdefault(attempt, []).append(stat)
    return found


def _marker(pid: int, ours: bytes) -> str | None:
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:
            variables = file.read().split(b"\0")
    except OSError:
        return None
    if ours not in variables:
        return None
    prefix = ATTEMPT_VARIABLE.encode() + b"="
    for variable in variables:
        if variable.startswith(prefix):
            return variable[len(prefix) :].decode(errors="surrogateescape")
    return None


def _kill(target: int) -> None:
    try:
        os.kill(target, signal.SIGKILL)
    except OSError:
        return  # it ended first, or belongs to another user: the caller looks again
