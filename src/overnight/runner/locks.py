"""Locks on the devices of a host, against other homes and users there: one file per device, held by `flock`.

Whoever carries out an attempt holds them while anything of it may live. The text of a file names its holder: what other
users wrote is data, never believed beyond a sentence. A shared lock is good beside those of the same runner alone.
"""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from . import lockfile, moment
from .protocol import text

FOLDER = "/tmp/overnight-devices"
"""Where the files lie unless a runner is told otherwise: the same for all homes and users of a host."""
PATIENCE = 0.2
"""Seconds until a lock counts as held: who only looks has it for a moment."""
PAUSE = 0.01
"""Seconds between two tries."""
LONGEST_TEXT = 4096
"""Bytes of a holder's text that are read."""
LONGEST_WORD = 200
"""Characters of each thing that a holder says of itself."""


class DeviceHeld(Exception):
    """A device has a holder, or nobody can tell whether it has; the message is one sentence that says which."""


@dataclass(frozen=True)
class Holder:
    """Who holds a device, by its own word. `pid` is as the holder's own pid space has it."""

    user: str
    runner: str
    """State folder of the runner."""
    attempt: str
    pid: int
    boot_id: str
    since: float
    """Wall seconds."""
    shared: bool = False

    def sentence(self) -> str:
        """Who it is, for people."""
        since = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(self.since))
        who = f"runs of {self.runner}" if self.shared else f"attempt {self.attempt} of {self.runner}"
        return f"held by {who} (user {self.user}, pid {self.pid}, since {since})"


def holder(environment: Mapping[str, str], runner: str, attempt: str, boot_id: str, *, shared: bool) -> Holder:
    """The calling process as the holder of locks for an attempt."""
    user = environment.get("USER") or environment.get("LOGNAME") or f"with uid {os.getuid()}"
    return Holder(user, runner, attempt, os.getpid(), boot_id, moment.wall(), shared)


class Locks:
    """Locks that were taken. They go with the process, or by `release`; children that are executed get none."""

    __slots__ = ("_descriptors",)

    def __init__(self) -> None:
        self._descriptors: list[int] = []

    def add(self, descriptor: int) -> None:
        """Take a locked descriptor into keeping."""
        self._descriptors.append(descriptor)

    def release(self) -> None:
        """Give all of them back; repeatable."""
        while self._descriptors:
            os.close(self._descriptors.pop())


def take(folder: str, devices: Sequence[str], holder: Holder, patience: float = PATIENCE) -> Locks:
    """Lock all these devices for the holder, or none, within so many seconds for each. Raises DeviceHeld."""
    locks = Locks()
    try:
        for device in sorted(set(devices)):
            locks.add(_take(folder, device, holder, patience))
    except DeviceHeld:
        locks.release()
        raise
    return locks


def holders(folder: str, devices: Sequence[str]) -> dict[str, Holder | str]:
    """Those of the devices that somebody holds now: by whom, or a sentence where that cannot be told."""
    found: dict[str, Holder | str] = {}
    until = moment.boot() + PATIENCE
    for device in devices:
        if lockfile.NAME.fullmatch(device):
            holder = _look(folder, device, until)
            if holder is not None:
                found[device] = holder
    return found


def _take(folder: str, device: str, holder: Holder, patience: float) -> int:
    until = moment.boot() + patience
    while True:
        descriptor, why = _try_to_take(folder, device, holder)
        if descriptor is not None:
            return descriptor
        if moment.boot() >= until:
            raise DeviceHeld(f"The device {device} is {why}.")
        moment.pause(PAUSE)


def _try_to_take(folder: str, device: str, holder: Holder) -> tuple[int | None, str]:
    """The locked descriptor, or why there is none."""
    try:
        descriptor = lockfile.open_file(folder, device)
    except OSError as error:
        return None, _unusable(folder, device, error)
    if _is_taken(descriptor, holder) and lockfile.is_in_place(descriptor, folder, device):
        return descriptor, ""
    why = _said(descriptor, shared=lockfile.lock(descriptor, fcntl.LOCK_SH))
    os.close(descriptor)
    return None, why if isinstance(why, str) else why.sentence()


def _is_taken(descriptor: int, holder: Holder) -> bool:
    if lockfile.lock(descriptor, fcntl.LOCK_EX):
        _say(descriptor, holder)
        if not holder.shared:
            return True
    if not (holder.shared and lockfile.lock(descriptor, fcntl.LOCK_SH)):
        return False
    # Turning one kind into the other lets go for a moment, in which another runner may have come first.
    found = _said(descriptor, shared=True)
    return isinstance(found, Holder) and found.runner == holder.runner


def _look(folder: str, device: str, until: float) -> Holder | str | None:
    while True:
        try:
            descriptor = lockfile.open_file(folder, device)
        except OSError as error:
            return _unusable(folder, device, error)
        try:
            if lockfile.lock(descriptor, fcntl.LOCK_EX):
                return None
            found = _said(descriptor, shared=lockfile.lock(descriptor, fcntl.LOCK_SH))
        finally:
            os.close(descriptor)
        if moment.boot() >= until or _is_alive(found):
            return found
        moment.pause(PAUSE)  # an old text: somebody else looks at this moment, or has just come


def _is_alive(found: Holder | str) -> bool:
    """Whether the text is that of a process which is there; another pid space cannot tell."""
    return isinstance(found, Holder) and os.path.exists(f"/proc/{found.pid}")


def _say(descriptor: int, holder: Holder) -> None:
    """Name the holder. A full disk keeps nobody from holding the lock."""
    data = text(
        {
            "user": holder.user,
            "runner": holder.runner,
            "attempt": holder.attempt,
            "pid": holder.pid,
            "boot_id": holder.boot_id,
            "since": holder.since,
        }
    ).encode("ascii")
    try:
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, data, 0)
    except OSError:
        return


def _said(descriptor: int, *, shared: bool) -> Holder | str:
    """Who says that it holds the file, or a sentence."""
    try:
        said = json.loads(os.pread(descriptor, LONGEST_TEXT, 0))
        words = [_word(said[name]) for name in ("user", "runner", "attempt", "boot_id")]
        user, runner, attempt, boot_id = words
        return Holder(user, runner, attempt, int(said["pid"]), boot_id, _seconds(said["since"]), shared)
    except (OSError, ValueError, KeyError, TypeError, RecursionError, OverflowError):
        return "held by somebody who does not say who it is"


def _word(value: Any) -> str:
    return "".join(sign if sign.isprintable() else "?" for sign in str(value)[:LONGEST_WORD])


def _seconds(value: Any) -> float:
    """Wall seconds up to the year 9999."""
    return min(max(float(value), 0.0), 253_402_300_799.0)


def _unusable(folder: str, device: str, error: OSError) -> str:
    return f"not to be had: its lock {folder}/{device} cannot be opened ({(error.strerror or str(error)).lower()})"
