"""What a run left on this machine. Its folders are hostile: looked at, never opened, and no link is followed out."""

from __future__ import annotations

import glob
import os
import stat
from collections.abc import Iterator, Sequence
from itertools import islice

from overnight.targets.base import Artifact

MOST = 1_000
"""Things that one look finds."""
LOOKED_AT = 10_000
"""Entries of folders that one look goes through."""
RUNNERS_OWN = frozenset({"log", "log.gap", "exit.json", "stop", "environment_failed", "alerts"})
"""Names in an attempt's folder that are not the job's."""
WANDB_RUNS = ("run-", "offline-run-")
"""How wandb calls the folders of its runs."""
CLOCK_GRAIN = 5.0
"""Seconds by which a folder may be changed before or after its job was seen to live."""


def left(folder: str, workdir: str, outputs: Sequence[str], during: tuple[float, float]) -> list[Artifact]:
    """See `Files.left`."""
    found = {it.path: it for it in islice(_all(folder, workdir, outputs, during), MOST)}
    return list(found.values())


def _all(folder: str, workdir: str, outputs: Sequence[str], during: tuple[float, float]) -> Iterator[Artifact]:
    for output in outputs:
        yield from (_named(path, workdir) for path in _matching(workdir, output) if _inside(path, workdir))
    yield from (_named(path, folder) for path in _files_below(folder))
    yield from (Artifact(os.path.basename(path), path, "wandb") for path in _wandb(workdir, during))


def _named(path: str, base: str) -> Artifact:
    return Artifact(os.path.relpath(path, base), path, "other")


def _matching(workdir: str, pattern: str) -> Iterator[str]:
    path = os.path.join(workdir, pattern)
    try:
        found = glob.iglob(path, recursive=True) if glob.has_magic(path) else iter([path])
        yield from (it for it in islice(found, LOOKED_AT) if os.path.exists(it))
    except (OSError, ValueError):
        return


def _inside(path: str, base: str) -> bool:
    """Whether a path leads to where it says: a link in it may lead elsewhere within `base` only."""
    real = os.path.realpath(path)
    return real == os.path.abspath(path) or real.startswith(os.path.join(os.path.realpath(base), ""))


def _files_below(folder: str) -> Iterator[str]:
    """The job's own regular files in an attempt's folder."""
    waiting, seen = [folder], 0
    while waiting:
        inside = waiting.pop()
        for entry in _entries(inside):
            seen += 1
            if seen > LOOKED_AT:
                return
            if inside == folder and (entry.name in RUNNERS_OWN or entry.name.startswith(".")):
                continue
            if entry.is_dir(follow_symlinks=False):
                waiting.append(entry.path)
            elif entry.is_file(follow_symlinks=False):
                yield entry.path


def _wandb(workdir: str, during: tuple[float, float]) -> Iterator[str]:
    since, until = during
    for entry in islice(_entries(os.path.join(workdir, "wandb")), LOOKED_AT):
        if not entry.name.startswith(WANDB_RUNS):
            continue
        try:
            found = entry.stat(follow_symlinks=False)
        except OSError:
            continue
        if stat.S_ISDIR(found.st_mode) and since - CLOCK_GRAIN <= found.st_mtime <= until + CLOCK_GRAIN:
            yield entry.path


def _entries(folder: str) -> list[os.DirEntry[str]]:
    """What is in a folder, by name; nothing where it cannot be read."""
    try:
        with os.scandir(folder) as found:
            return sorted(islice(found, LOOKED_AT), key=lambda entry: entry.name)
    except (OSError, ValueError):
        return []
