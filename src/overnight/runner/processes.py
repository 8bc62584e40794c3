"""Looking at and signalling many processes: the tree of an attempt, and what carries its marker.

This kernel family does not always offer `/proc/PID/task/TID/children`, so trees are found by scanning parents.
"""

import os
import signal
from collections.abc import Iterable, Iterator

from .identity import Stat, read_stat

ATTEMPT_VARIABLE = "OVERNIGHT_ATTEMPT"
"""In the environment of every job: the attempt it belongs to."""
RUNNER_VARIABLE = "OVERNIGHT_RUNNER"
"""In the environment of every job: the state folder of the runner that started it."""


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


def signal_one(stat: Stat, number: int) -> bool:
    """Send a signal to exactly this process; False when it has ended or may not be signalled."""
    try:
        descriptor = os.pidfd_open(stat.pid)
    except OSError:
        return False
    try:
        current = read_stat(stat.pid)
        if current is None or current.start_time != stat.start_time:
            return False
        signal.pidfd_send_signal(descriptor, number)
        return True
    except OSError:
        return False
    finally:
        os.close(descriptor)


def signal_all(stats: Iterable[Stat], number: int) -> None:
    """Send a signal to each of these processes that still runs."""
    for stat in stats:
        signal_one(stat, number)


def kill_children_in_passing(root: int) -> None:
    """SIGKILL every direct child of the calling process in the moment it is seen.

    A child that forks and ends at once is gone before a scan is complete. A child that we have not reaped keeps
    its pid, so that no second look is needed; root must be the caller.
    """
    for stat in scan():
        if stat.parent == root and stat.living:
            _kill(stat.pid)


def kill_groups(stats: Iterable[Stat]) -> None:
    """SIGKILL the process groups of these: the kernel then lets no member fork away."""
    for group, member in {stat.group: stat for stat in stats}.items():
        current = read_stat(member.pid)
        if current is not None and current.start_time == member.start_time and current.group == group:
            _kill(-group)


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
