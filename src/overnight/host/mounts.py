"""What lies under a path of this host: room, file system, whether something may be written there."""

from __future__ import annotations

import os
from typing import Any

IN_MEMORY = frozenset({"tmpfs", "ramfs", "devtmpfs"})
"""File systems whose files are gone after a reboot."""


def look(path: str) -> dict[str, Any]:
    """Facts about a path: `~` is the home folder; what is not there yet is looked at by the nearest folder above."""
    whole = os.path.abspath(os.path.expanduser(path))
    there = nearest(whole)
    point, kind = mount_of(os.path.realpath(there))
    return {
        "path": path,
        "real": os.path.realpath(whole),
        "exists": os.path.lexists(whole),
        "is_folder": os.path.isdir(whole),
        "writable": os.access(there, os.W_OK | os.X_OK),
        "mount_point": point,
        "file_system": kind,
        "in_memory": kind in IN_MEMORY,
        **room(there),
    }


def nearest(path: str) -> str:
    """A folder, or the nearest one above it that is there."""
    while not os.path.isdir(path) and path != os.path.dirname(path):
        path = os.path.dirname(path)
    return path


def room(path: str) -> dict[str, int | None]:
    """Bytes and inodes, all and free for us; None where the file system does not count."""
    found = os.statvfs(path)
    return {
        "total_bytes": found.f_blocks * found.f_frsize,
        "free_bytes": found.f_bavail * found.f_frsize,
        "total_inodes": found.f_files or None,
        "free_inodes": found.f_favail if found.f_files else None,
    }


def mount_of(path: str) -> tuple[str, str]:
    """Mount point and kind of the file system that a path without links lies on; of several at one point the last."""
    best = ("/", "")
    with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as file:
        for line in file:
            before, _, after = line.partition(" - ")
            point = _plain(before.split()[4])
            if (path == point or path.startswith(os.path.join(point, ""))) and len(point) >= len(best[0]):
                best = (point, after.split()[0])
    return best


def _plain(point: str) -> str:
    """A mount point with the signs that the kernel writes as octal numbers."""
    for sign in " \t\n\\":
        point = point.replace(f"\\{ord(sign):03o}", sign)
    return point
