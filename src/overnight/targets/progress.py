"""When something of a live attempt on this machine last moved. Its files are hostile: looked at, never opened."""

from __future__ import annotations

import glob
import os
import stat
from collections.abc import Iterator, Sequence

from overnight.targets.base import Progress

LOOKED_AT = 2_000
"""Files and folders that one look goes through: some milliseconds."""


class _TooMany(Exception):
    """There is more to look at than one look takes."""


def progress(folder: str, workdir: str, outputs: Sequence[str]) -> Progress:
    """Log and newest change of a declared output, or of anything below the attempt's folder.

    `whole` is False when there was more than one look takes (a pattern with `**` always counts as that), or something
    could not be read: then nobody can say that nothing moved.
    """
    size, log_at, newest, budget = 0, None, 0.0, _Budget()
    try:
        newest = os.stat(folder).st_mtime
        for entry_path, found in _below(folder, budget):
            if entry_path == os.path.join(folder, "log"):
                size, log_at = found.st_size, found.st_mtime
            else:
                newest = max(newest, found.st_mtime)
        for output in outputs:
            for changed in _changes(os.path.join(workdir, output), budget):
                newest = max(newest, changed)
    except (OSError, ValueError, _TooMany):
        return Progress(size, log_at, newest or None, whole=False)
    return Progress(size, log_at, newest)


class _Budget:
    """How much may still be looked at."""

    def __init__(self) -> None:
        self._left = LOOKED_AT

    def spend(self) -> None:
        """One more. Raises _TooMany."""
        self._left -= 1
        if self._left < 0:
            raise _TooMany


def _below(folder: str, budget: _Budget) -> Iterator[tuple[str, os.stat_result]]:
    """Everything below a folder, links as such. What goes away meanwhile is passed over."""
    waiting = [folder]
    while waiting:
        inside = waiting.pop()
        try:
            entries = list(_entries(inside, budget))
        except FileNotFoundError:
            if inside == folder:
                raise
            continue
        for path, found in entries:
            yield path, found
            if stat.S_ISDIR(found.st_mode):
                waiting.append(path)


def _entries(folder: str, budget: _Budget) -> Iterator[tuple[str, os.stat_result]]:
    with os.scandir(folder) as entries:
        for entry in entries:
            budget.spend()
            try:
                yield entry.path, entry.stat(follow_symlinks=False)
            except FileNotFoundError:
                continue


def _changes(pattern: str, budget: _Budget) -> Iterator[float]:
    """When what a path or glob names was last changed. Raises _TooMany."""
    if "**" in pattern:
        raise _TooMany
    for path in glob.iglob(pattern) if glob.has_magic(pattern) else [pattern]:
        budget.spend()
        try:
            yield os.stat(path).st_mtime
        except FileNotFoundError:
            continue
