"""The exit record: how an attempt ended, one JSON file in its folder."""

from __future__ import annotations

import errno
import json
import os
from dataclasses import dataclass, field
from typing import Any

from . import moment
from .protocol import text

FILE = "exit.json"
"""Name inside the attempt's folder. It appears whole or not at all."""
NO_ROOM_PAUSE = 0.5
"""Seconds until a record that found a full disk is written again."""
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT)


@dataclass
class Usage:
    """What an attempt consumed; None where the host cannot tell."""

    max_rss_bytes: int = 0
    user_seconds: float = 0.0
    system_seconds: float = 0.0
    peak_memory_bytes: int | None = None
    oom_kills: int | None = None

    def wire(self) -> dict[str, Any]:
        """Return the usage as it stands in the record."""
        return {
            "max_rss_bytes": self.max_rss_bytes,
            "user_seconds": round(self.user_seconds, 6),
            "system_seconds": round(self.system_seconds, 6),
            "peak_memory_bytes": self.peak_memory_bytes,
            "oom_kills": self.oom_kills,
        }


@dataclass
class Outcome:
    """The end of the main process, before it becomes a record.

    reason is one of exited, signalled, time_limit, stopped, lease_lost, start_failed and device_held (nothing was
    started); code and signal are the true ones.
    """

    reason: str
    detail: str = ""
    pid: int | None = None
    start_time: int | None = None
    code: int | None = None
    signal: int | None = None
    started_at: float = 0.0
    ended_at: float = 0.0
    duration: float = 0.0
    leftovers: int = 0
    usage: Usage = field(default_factory=Usage)
    log: dict[str, Any] = field(default_factory=lambda: {"size": 0, "gap": None})


def write_file(path: str, data: bytes, *, mode: int = 0o600) -> None:
    """Put data at path in one step: a reader sees the old content or the new, never a part. Raises OSError."""
    temporary = path + ".tmp"
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    try:
        _write_all(descriptor, data)
        os.rename(temporary, path)
    except OSError:
        _remove(temporary)  # a part of a file on a full disk helps nobody
        raise
    finally:
        os.close(descriptor)


def _write_all(descriptor: int, data: bytes) -> None:
    written = os.write(descriptor, data)
    while written < len(data):
        written += os.write(descriptor, data[written:])


def _remove(path: str) -> None:
    try:
        os.unlink(path)
    except OSError:
        return


def write(folder: str, record: str) -> bool:
    """Put the record into the folder, which is made again when the job deleted it. False when that failed."""
    try:
        _put(folder, record)
    except OSError:
        return False
    return True


def write_late(folder: str, record: str) -> None:
    """As `write`, for a record that found no room: waits until there is some, gives up on any other error."""
    while True:
        try:
            _put(folder, record)
            return
        except OSError as error:
            if error.errno not in _NO_ROOM:
                return
        moment.pause(NO_ROOM_PAUSE)


def _put(folder: str, record: str) -> None:
    try:
        write_file(f"{folder}/{FILE}", record.encode("ascii"))
    except FileNotFoundError:
        os.makedirs(folder, mode=0o700)
        write_file(f"{folder}/{FILE}", record.encode("ascii"))


def sync(folder: str) -> bool:
    """Bring a written record to the disk, with its name. False when that failed."""
    try:
        for path, flags in ((f"{folder}/{FILE}", os.O_RDONLY), (folder, os.O_RDONLY | os.O_DIRECTORY)):
            descriptor = os.open(path, flags)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
    except OSError:
        return False
    return True


def read(folder: str, attempt: str, fence: int) -> str | None:
    """Return the record of this attempt with this fence, None when there is none. Raises OSError if unreadable.

    A file that was cut by a power loss or belongs to another fence is no record.
    """
    try:
        with open(f"{folder}/{FILE}", "rb") as file:
            record = json.loads(file.read())
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return None
    if not isinstance(record, dict) or record.get("attempt") != attempt or record.get("fence") != fence:
        return None
    return text(record)
