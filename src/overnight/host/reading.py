"""Reading a file that an attempt left, piece by piece, wherever it lies below its folder or its working folder."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Mapping
from typing import Any

from overnight.domain.errors import Rejected
from overnight.host.files import LARGEST_PIECE, piece

_FOLDER = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC


def read(root: str, folder: str, workdir: str, path: str, offset: int, limit: int) -> Mapping[str, Any]:
    """Bytes of a file below `folder` (root `run`), `workdir` (`work`) or anywhere (`out`): `data`, `next`, and its
    `bytes`.

    Where it has a hole, `data` is empty and `next` is the end of the hole: what lies between is zeros. Raises Rejected
    for a path that leads elsewhere, OSError.
    """
    base = {"run": folder, "work": workdir, "out": "/"}.get(root)
    if base is None or offset < 0:
        raise Rejected("a file is read below `run`, `work` or `out`, from its beginning on")
    descriptor = open_below(base, path)
    try:
        size = os.fstat(descriptor).st_size
        start = _past_hole(descriptor, offset, size)
        data = os.pread(descriptor, max(0, min(limit, LARGEST_PIECE)), offset) if start == offset else b""
    finally:
        os.close(descriptor)
    return {**piece(data, start + len(data)), "bytes": size}


def _past_hole(descriptor: int, offset: int, size: int) -> int:
    """Where the next bytes lie that are written somewhere."""
    try:
        return os.lseek(descriptor, offset, os.SEEK_DATA)
    except OSError as error:
        if error.errno == errno.ENXIO and offset < size:
            return size
        return offset  # the end of it, or a file system that knows no holes


def open_below(base: str, path: str) -> int:
    """A descriptor of a regular file below a folder. Links on the way may lead elsewhere below it and nowhere else.

    Raises Rejected when they lead out, or it is no regular file, and OSError.
    """
    inside = os.path.realpath(base)
    real = os.path.realpath(os.path.join(inside, path))
    if not real.startswith(os.path.join(inside, "")):
        raise Rejected(f"{path!r} does not lie below {base}")
    descriptor = _walk(inside, os.path.relpath(real, inside).split("/"))
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise Rejected(f"{path!r} is no regular file")
    return descriptor


def _walk(base: str, names: list[str]) -> int:
    """Open what the resolved names lead to, none of which may have become a link meanwhile."""
    above = os.open(base, _FOLDER)
    for name in names[:-1]:
        try:
            below = os.open(name, _FOLDER, dir_fd=above)
        finally:
            os.close(above)
        above = below
    try:
        return os.open(names[-1], _FILE, dir_fd=above)
    finally:
        os.close(above)
