"""A control group per executor, where the host allows one: memory peak, OOM kills, and who belongs to the job.

The group is found at run time (v1 memory controller first, else v2) and is never a condition: without one the
numbers are None. It is made below the runner's own group and is used again for each attempt of its executor.
"""

from __future__ import annotations

import os
from dataclasses import dataclass


@dataclass(frozen=True)
class Place:
    """The runner's own group: folder, and whether it is of version 2."""

    folder: str
    unified: bool


class Cgroup:
    """One group. Every method works without a group too: it does nothing and knows nothing."""

    __slots__ = ("_events", "_inside", "_outside", "_peak", "_unified", "path")

    def __init__(self, place: Place | None, name: str) -> None:
        self.path: str | None = None
        self._unified = place is not None and place.unified
        self._inside = self._outside = self._peak = self._events = -1
        if place is None:
            return
        try:
            os.makedirs(f"{place.folder}/{name}", mode=0o755, exist_ok=True)
            self._inside = os.open(f"{place.folder}/{name}/cgroup.procs", os.O_WRONLY)
            self._outside = os.open(f"{place.folder}/cgroup.procs", os.O_WRONLY)
        except OSError:
            return
        self.path = f"{place.folder}/{name}"
        self._open_counters()

    def enter(self) -> None:
        """Move the caller in, for as long as it lives: what it spawns is born inside.

        Once and not per attempt: on an idle machine the kernel takes some 20 ms to move a process.
        """
        if self.path is not None:
            self._write(self._inside)

    def leave(self) -> None:
        """Move the caller out again, so that the group can be removed."""
        if self.path is not None:
            self._write(self._outside)

    def begin(self) -> None:
        """Start a new peak, for the next attempt."""
        if self.path is not None:
            self._reset_peak()

    def peak(self) -> int | None:
        """Return the most bytes used at once since the last begin, the few MiB of the executor among them."""
        data = _read_at_start(self._peak)
        return int(data) if data is not None and data.strip().isdigit() else None

    def oom_kills(self) -> int | None:
        """Return how many processes the kernel killed here for want of memory, counted from the group's birth."""
        return _kills(_read_at_start(self._events) or b"")

    def remove(self) -> None:
        """Take the group away; one that still has members stays."""
        if self.path is not None:
            _remove(self.path)
            self.path = None

    def _open_counters(self) -> None:
        peak, events = (
            ("memory.peak", "memory.events") if self._unified else ("memory.max_usage_in_bytes", "memory.oom_control")
        )
        self._events = _open(f"{self.path}/{events}", os.O_RDONLY)
        self._peak = _open(f"{self.path}/{peak}", os.O_RDWR)

    def _reset_peak(self) -> None:
        if self._peak < 0:
            return
        try:
            os.pwrite(self._peak, b"0", 0)
        except OSError:
            # A peak that cannot be reset would be that of an earlier attempt: better none.
            os.close(self._peak)
            self._peak = -1

    def _write(self, descriptor: int) -> None:
        try:
            os.write(descriptor, b"0")
        except OSError:
            self.path = None  # the group went away or became forbidden: go on without


def find(process: str = "/proc/self") -> Place | None:
    """Return the group of a process in the hierarchy that counts memory, None when there is none to be used."""
    try:
        with open(f"{process}/cgroup", encoding="utf-8", errors="surrogateescape") as file:
            own = [line.rstrip("\n").split(":", 2) for line in file]
        with open(f"{process}/mountinfo", encoding="utf-8", errors="surrogateescape") as file:
            mounts = [line.split() for line in file]
    except OSError:
        return None
    for unified in (False, True):
        for _, controllers, path in own:
            fits = controllers == "" if unified else "memory" in controllers.split(",")
            folder = _folder(mounts, path, unified) if fits else None
            if folder is not None and os.access(folder, os.W_OK):
                return Place(folder, unified)
    return None


def _folder(mounts: list[list[str]], path: str, unified: bool) -> str | None:
    for mount in mounts:
        kind, _, options = mount[mount.index("-") + 1 : mount.index("-") + 4]
        matches = kind == "cgroup2" if unified else kind == "cgroup" and "memory" in options.split(",")
        root, point = mount[3], mount[4]
        if matches and (root in ("/", path) or path.startswith(root + "/")):
            return (point + (path if root == "/" else path[len(root) :])).rstrip("/")
    return None


def kills_in(path: str | None) -> int:
    """Return how many processes the kernel killed in the group at path for want of memory; 0 where nobody can tell."""
    for events in ("memory.events", "memory.oom_control") if path is not None else ():
        descriptor = _open(f"{path}/{events}", os.O_RDONLY)
        if descriptor >= 0:
            data = _read_at_start(descriptor) or b""
            os.close(descriptor)
            return _kills(data) or 0
    return 0


def _kills(events: bytes) -> int | None:
    for entry in events.splitlines():
        name, _, value = entry.partition(b" ")
        if name == b"oom_kill":
            return int(value)
    return None


def members(path: str | None) -> list[int]:
    """Return the pids inside the group at path; none when there is no group."""
    if path is None:
        return []
    try:
        with open(f"{path}/cgroup.procs", encoding="ascii") as file:
            return [int(pid) for pid in file.read().split()]
    except OSError:
        return []


def prefix(state_dir: str) -> str:
    """Return how the names of all groups of the runner over this state folder begin."""
    return f"overnight-{os.stat(state_dir).st_ino}-"


def sweep(place: Place | None, beginning: str) -> None:
    """Remove empty groups that executors which were killed left behind."""
    if place is None:
        return
    for name in os.listdir(place.folder):
        if name.startswith(beginning):
            _remove(f"{place.folder}/{name}")


def _remove(path: str) -> None:
    try:
        os.rmdir(path)
    except OSError:
        return  # still in use: a later sweep takes it


def _open(path: str, flags: int) -> int:
    try:
        return os.open(path, flags)
    except OSError:
        return -1


def _read_at_start(descriptor: int) -> bytes | None:
    if descriptor < 0:
        return None
    try:
        return os.pread(descriptor, 4096, 0)
    except OSError:
        return None
