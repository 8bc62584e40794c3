"""Puts a small file into an attempt's folder, which its job may have made into anything: no link is followed."""

from __future__ import annotations

import errno
import os
from contextlib import suppress

from overnight.domain.errors import Rejected, Unavailable

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_NEVER = (FileNotFoundError, NotADirectoryError, IsADirectoryError, PermissionError, FileExistsError)
"""What a job can make of its folder, by which nothing can be put there any more. So can a link (ELOOP)."""


def put(folder: str, name: str, text: str) -> None:
    """Write `folder/SUBFOLDER/FILE` whole or not at all, and durably; what was there is replaced.

    `name` is `FILE` or `SUBFOLDER/FILE`. Raises Rejected when it never can be (the folder is gone, a link is in
    the way), Unavailable when it cannot be now (no room, a failing disk).
    """
    subfolder, _, file = name.rpartition("/")
    if {subfolder, file} & {"..", "."} or not file or "/" in subfolder or "\0" in name:
        raise Rejected(f"{name!r} is not in the folder of the attempt")
    try:
        _put(folder, subfolder, file, text)
    except (OSError, ValueError) as error:
        kind = Rejected if isinstance(error, (*_NEVER, ValueError)) or _is_link(error) else Unavailable
        raise kind(f"{name} cannot be written into {folder}: {error}") from error


def _is_link(error: Exception) -> bool:
    return isinstance(error, OSError) and error.errno == errno.ELOOP


def _put(folder: str, subfolder: str, file: str, text: str) -> None:
    place = os.open(folder, _FOLDER)
    try:
        if subfolder:
            with suppress(FileExistsError):
                os.mkdir(subfolder, 0o700, dir_fd=place)
            inner = os.open(subfolder, _FOLDER, dir_fd=place)
            os.fsync(place)
            os.close(place)
            place = inner
        _replace(place, file, text)
    finally:
        os.close(place)


def _replace(place: int, file: str, text: str) -> None:
    """A temporary file of a fixed name: what a crash left of one is taken away first."""
    temporary = f".{file}.new"
    with suppress(FileNotFoundError):
        os.unlink(temporary, dir_fd=place)
    with os.fdopen(os.open(temporary, _NEW, 0o600, dir_fd=place), "w", encoding="utf-8", errors="replace") as new:
        new.write(text)
        new.flush()
        os.fsync(new.fileno())
    os.rename(temporary, file, src_dir_fd=place, dst_dir_fd=place)
    os.fsync(place)
