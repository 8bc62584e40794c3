"""Having files on the disk before anybody is told that they are there."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterable, Sequence

ONE_BY_ONE = 64
"""Files that are synced each by itself; of more the whole file system is: faster than thousands of single syncs."""


def sync(folder: bytes, paths: Sequence[bytes]) -> None:
    """Sync files that lie below a folder, and the folders between. Raises OSError."""
    if len(paths) > ONE_BY_ONE:
        _sync_file_system(folder)
        return
    for path in (*paths, *sorted(_between(folder, paths)), folder):
        sync_one(path)


def _between(folder: bytes, paths: Iterable[bytes]) -> set[bytes]:
    found = set()
    for path in paths:
        above = os.path.dirname(path)
        while len(above) > len(folder) and above not in found:
            found.add(above)
            above = os.path.dirname(above)
    return found


def sync_one(path: bytes) -> None:
    """Sync one file or folder. Raises OSError."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _sync_file_system(folder: bytes) -> None:
    library = ctypes.CDLL(None, use_errno=True)
    descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        if library.syncfs(descriptor) != 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number), os.fsdecode(folder))
    finally:
        os.close(descriptor)
