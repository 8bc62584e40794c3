"""The frozen copy of a working folder that an attempt works in: the list of its files, and whether they still are so.

A copy is a folder with `tree/`, the files, and `files.json`, the list of them. Its name is its identity. Paths are text
of UTF-8 in which bytes that are none stand as lone surrogates; on disk they are used as bytes, whatever the locale is.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
from collections.abc import Iterable
from typing import Any, NamedTuple

from .spawn import StartFailed

TREE = "tree"
"""The files of a copy, in its folder."""
LIST = "files.json"
"""The list of them, beside it."""
FORMAT = 1
"""Version of the list; a reader refuses any other."""
LARGEST_LIST = 256 * 1024 * 1024
"""Bytes of a list that are still read."""
PIECE = 1024 * 1024
"""Bytes of a file that are read at once."""
LONGEST_SHOWN = 300
"""Characters of a path that are shown."""
FILE, PROGRAM, LINK, EMPTY = "f", "x", "l", "d"
"""Kinds of what is listed: a file, one that may be executed, a symbolic link, a folder with nothing listed in it."""


class Listed(NamedTuple):
    """One thing of a frozen copy."""

    path: str
    """Below the tree, parts joined by `/`."""
    kind: str
    size: int
    """Bytes; 0 of what is no file."""
    digest: str
    """SHA-256 of the content (of a link: of its target) in hex; empty for a folder."""
    target: str = ""
    """Where a link points."""


class Recorded(NamedTuple):
    """What is listed, with the time of its last change (nanoseconds) when the copy was made on this machine."""

    listed: Listed
    changed_at: int


class ListError(Exception):
    """The list of a copy cannot be read, or is not that of its identity; the message is one sentence."""


def raw(path: str) -> bytes:
    """The path as the kernel takes it. Raises ValueError (a kind of it) for what never came from one."""
    return path.encode("utf-8", "surrogateescape")


def identity_of(listed: Iterable[Listed]) -> str:
    """32 hex digits that are equal for equal files: paths, kinds and contents, in the order of the paths."""
    digest = hashlib.sha256()
    for it in listed:
        digest.update(b"\0".join((raw(it.path), it.kind.encode("ascii"), it.digest.encode("ascii"), b"")))
    return digest.hexdigest()[:32]


def wire(recorded: Iterable[Recorded]) -> bytes:
    """The text of a list, in ASCII."""
    rows = [[*it.listed, it.changed_at] for it in recorded]
    return json.dumps({"format": FORMAT, "files": rows}, separators=(",", ":")).encode("ascii")


def read(folder: str) -> list[Recorded]:
    """The list of a copy, proven to be that of its identity. Raises ListError."""
    path = os.path.join(folder, LIST)
    try:
        found = json.loads(_content(path))
        if found["format"] != FORMAT:
            raise ListError(f"{path} has format {found['format']!r}; this version reads format {FORMAT}.")
        listed = [Recorded(Listed(*row[:5]), row[5]) for row in found["files"]]
        identity = identity_of(it.listed for it in listed)
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise ListError(f"{path} cannot be read: {error}.") from error
    if identity != os.path.basename(os.path.normpath(folder)):
        raise ListError(f"{path} is not the list of this copy: it was changed.")
    return listed


def _content(path: str) -> bytes:
    with open(raw(path), "rb") as file:
        data = file.read(LARGEST_LIST + 1)
    if len(data) > LARGEST_LIST:
        raise ValueError(f"it is larger than {LARGEST_LIST} bytes")
    return data


def check(folder: str) -> None:
    """Raise StartFailed unless everything that is recorded of a copy is as it was recorded."""
    try:
        found = changed(folder, 1)
    except ListError as error:
        raise StartFailed(f"stale_code: {error}") from error
    if found:
        raise StartFailed(f"stale_code: {found[0]} differs from the recorded copy in {folder}.")


def changed(folder: str, most: int) -> list[str]:
    """At most `most` of the recorded things of a copy that are not as they were recorded, as people read them.

    What was added since is no change: runs write into their working folder. A file is read only when its time of
    change differs. Raises ListError.
    """
    found: list[str] = []
    tree = raw(os.path.join(folder, TREE))
    for listed, changed_at in read(folder):
        if not _is_same(tree + b"/" + raw(listed.path), listed, changed_at):
            found.append(shown(listed.path))
            if len(found) >= most:
                break
    return found


def changed_below(workdir: str, most: int) -> list[str]:
    """The same for a working folder, which need not be that of a copy: then nothing. An unreadable list is a change."""
    folder, name = os.path.split(os.path.normpath(workdir))
    if name != TREE or not os.path.exists(raw(os.path.join(folder, LIST))):
        return []
    try:
        return changed(folder, most)
    except ListError:
        return [LIST]


def _is_same(path: bytes, listed: Listed, changed_at: int) -> bool:
    try:
        seen = os.lstat(path)
        if listed.kind == LINK:
            return stat.S_ISLNK(seen.st_mode) and os.readlink(path) == raw(listed.target)
        if listed.kind == EMPTY:
            return stat.S_ISDIR(seen.st_mode)
        if not stat.S_ISREG(seen.st_mode) or seen.st_size != listed.size or kind_of(seen.st_mode) != listed.kind:
            return False
        return seen.st_mtime_ns == changed_at or digest_of(path) == listed.digest
    except (OSError, ValueError):
        return False


def shown(path: str) -> str:
    """A path as text that any program can print, bounded."""
    return "".join(it if it.isprintable() else _escaped(ord(it)) for it in path[:LONGEST_SHOWN])


def _escaped(number: int) -> str:
    byte = number - 0xDC00  # how a byte that is no UTF-8 stands in a text
    return f"\\x{byte if 0x80 <= byte <= 0xFF else number:02x}"


def kind_of(mode: int) -> str:
    """Which kind of file a mode says."""
    return PROGRAM if mode & stat.S_IXUSR else FILE


def digest_of(path: Any, size: int | None = None) -> str:
    """SHA-256 in hex of a regular file's content. Raises OSError, also for a pipe or unless it has `size` bytes."""
    digest, left = hashlib.sha256(), size
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
    with open(descriptor, "rb", buffering=0) as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError("it is no regular file")
        while data := file.read(PIECE):
            digest.update(data)
            left = None if left is None else left - len(data)
    if left:
        raise OSError("it has another size")
    return digest.hexdigest()
