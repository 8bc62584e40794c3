"""Lists of the files of a frozen copy: whether they can be written below a folder, and nowhere else."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Sequence

from overnight.runner.snapshot import EMPTY, FILE, LINK, PROGRAM, Listed, raw, shown

LONGEST_PATH = 4095
"""Bytes of a path: Linux takes no more."""
MOST_FILES = 200_000
"""Files of one copy."""
HEX = frozenset("0123456789abcdef")


class CopyError(Exception):
    """A copy cannot be made of what was said; the message is one sentence."""


def files_of(listed: Sequence[Listed]) -> Iterator[tuple[int, Listed]]:
    """Position and entry of everything that has a content."""
    return ((index, it) for index, it in enumerate(listed) if it.kind in (FILE, PROGRAM))


def check(listed: Sequence[Listed]) -> None:
    """Raise CopyError unless a list can be written below a folder, and nowhere else."""
    if len(listed) > MOST_FILES:
        raise CopyError(f"The list has more than {MOST_FILES} files.")
    before = ""
    for it in listed:
        _check_one(it)
        if it.path <= before:
            raise CopyError(f"{shown(it.path)} is listed twice, or out of order.")
        before = it.path
    closed = {it.path for it in listed}
    for folder in {posixpath.dirname(path) for path in closed}:
        for above in _above(folder):
            if above in closed:
                raise CopyError(f"{shown(above)} is both a folder with files and something else.")


def _above(folder: str) -> Iterator[str]:
    while folder:
        yield folder
        folder = posixpath.dirname(folder)


def _check_one(it: Listed) -> None:
    texts = all(isinstance(text, str) for text in (it.path, it.kind, it.digest, it.target))
    if not texts or type(it.size) is not int or it.size < 0 or it.kind not in (FILE, PROGRAM, LINK, EMPTY):
        raise CopyError("An entry of the list of files is malformed.")
    if it.kind != EMPTY and not (len(it.digest) == 64 and set(it.digest) <= HEX):
        raise CopyError(f"{shown(it.path)} has no hash.")
    if not _is_inside(it.path) or (it.kind == LINK and not leads_inside(it.path, it.target)):
        raise CopyError(f"{shown(it.path)} is, or leads to, a path outside of the folder.")


def _is_inside(path: str) -> bool:
    try:
        short = len(raw(path)) <= LONGEST_PATH
    except ValueError:
        return False
    return short and "\0" not in path and all(part not in ("", ".", "..") for part in path.split("/"))


def leads_inside(path: str, target: str) -> bool:
    """Whether a link that lies at `path` points to something of the same tree, as far as its text says."""
    if not target or target.startswith("/") or "\0" in target:
        return False
    end = posixpath.normpath(posixpath.join(posixpath.dirname(path), target))
    return end != ".." and not end.startswith("../")
