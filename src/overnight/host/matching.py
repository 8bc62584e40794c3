"""Paths that a declared output names, as `glob` finds them; but `**` goes through no link: it may lead in circles."""

from __future__ import annotations

import fnmatch
import glob
import os
from collections.abc import Iterator, Sequence

ANY = "**"
"""Stands for any number of folders; at the end, for everything below."""


def matching(base: str, pattern: str) -> Iterator[str]:
    """What a path or pattern names, from a folder on where it is relative; perhaps more than once, if it is there."""
    parts = [it for it in pattern.split("/") if it not in ("", ".")]
    for path in _matching("/" if pattern.startswith("/") else base, parts):
        if os.path.lexists(path):
            yield path


def _matching(folder: str, parts: Sequence[str]) -> Iterator[str]:
    if not parts:
        yield folder
        return
    first, rest = parts[0], parts[1:]
    if first == ANY:
        yield from _below(folder, rest)
    elif not glob.has_magic(first):
        yield from _matching(os.path.join(folder, first), rest)
    else:
        for entry in _entries(folder):
            if fnmatch.fnmatchcase(entry.name, first) and _is_seen(entry.name, first):
                yield from _matching(entry.path, rest)


def _below(folder: str, rest: Sequence[str]) -> Iterator[str]:
    """What the rest of a pattern names in a folder and in every folder below it."""
    while rest and rest[0] == ANY:
        rest = rest[1:]
    waiting = [folder]
    while waiting:
        inside = waiting.pop()
        entries = [entry for entry in _entries(inside) if _is_seen(entry.name, ANY)]
        waiting += [entry.path for entry in entries if entry.is_dir(follow_symlinks=False)]
        if rest:
            yield from _matching(inside, rest)
        else:
            yield from (entry.path for entry in entries)


def _is_seen(name: str, pattern: str) -> bool:
    """A name that begins with a dot must be asked for."""
    return not name.startswith(".") or pattern.startswith(".")


def _entries(folder: str) -> list[os.DirEntry[str]]:
    """What is in a folder, by name; nothing where it cannot be read."""
    try:
        with os.scandir(folder) as found:
            return sorted(found, key=lambda it: it.name)
    except (OSError, ValueError):
        return []
