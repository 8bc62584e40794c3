"""Looking into the files of attempts on this machine."""

from __future__ import annotations

import glob
import os
import stat
from collections.abc import Mapping, Sequence
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Any

from overnight.domain import metrics
from overnight.targets.base import Evidence, Progress, Room

TAIL_BYTES = 256 * 1024
"""How much of a log's end is searched for final numbers."""
LARGEST_RESULTS = 16 * 1024 * 1024
"""Bytes of a `results.json` that is still read."""
LOOKED_AT = 1_000
"""Files that one look for progress goes through."""
CLOCK_GRAIN = 0.05
"""Seconds by which a file's time may lag the clock that stamped the attempt's start: the kernel stamps files per
tick."""


class LocalFiles:
    """The files of this machine, read as hostile data."""

    def evidence(self, folder: str, workdir: str, outputs: Sequence[str], record: Mapping[str, Any]) -> Evidence:
        """See `Files.evidence`."""
        since = float(record.get("started_at") or 0.0) - CLOCK_GRAIN
        missing = tuple(output for output in outputs if not is_fresh(os.path.join(workdir, output), since))
        return Evidence(self._metrics(folder, record), missing)

    def missing(self, workdir: str, paths: Sequence[str]) -> list[str]:
        """See `Files.missing`."""
        return [path for path in paths if not _is_there(os.path.join(workdir, path))]

    def done(self, workdir: str, outputs: Sequence[str]) -> bool:
        """See `Files.done`."""
        return bool(outputs) and all(is_fresh(os.path.join(workdir, output), 0.0) for output in outputs)

    def room(self, path: str) -> Room:
        """See `Files.room`."""
        place = Path(path)
        while not place.is_dir() and place != place.parent:
            place = place.parent
        try:
            found = os.statvfs(place)
        except OSError:
            return Room(str(place), None, None)
        inodes = found.f_favail if found.f_files else None
        return Room(str(place), found.f_bavail * found.f_frsize, inodes)

    def progress(self, folder: str, workdir: str, outputs: Sequence[str]) -> Progress:
        """See `Files.progress`; looks at no more than the folder itself and the outputs."""
        size, log_at = 0, None
        newest: list[float] = []
        with suppress(OSError), os.scandir(folder) as entries:
            for entry in islice(entries, LOOKED_AT):
                with suppress(OSError):
                    found = entry.stat(follow_symlinks=False)
                    if entry.name == "log":
                        size, log_at = found.st_size, found.st_mtime
                    elif stat.S_ISREG(found.st_mode):
                        newest.append(found.st_mtime)
        for output in outputs:
            newest += _changes(os.path.join(workdir, output))
        return Progress(size, log_at, max(newest, default=None))

    def log(self, folder: str, offset: int, limit: int) -> tuple[bytes, int]:
        """See `Files.log`; a log that is not there yet, or that its job made unreadable or a link, is empty; what was
        given back of a capped one is skipped."""
        gap_start, gap_end = _gap(folder)
        try:
            with open_regular(os.path.join(folder, "log")) as file:
                size = os.fstat(file.fileno()).st_size
                start = max(0, size + offset) if offset < 0 else min(offset, size)
                if gap_start <= start < gap_end:
                    start = gap_end
                if start < gap_start:
                    limit = min(limit, gap_start - start)
                file.seek(start)
                data = file.read(limit)
        except OSError:
            return b"", 0
        return data, start + len(data)

    def _metrics(self, folder: str, record: Mapping[str, Any]) -> dict[str, float]:
        found: dict[str, float] = {}
        if (record.get("log") or {}).get("size"):
            tail, _ = self.log(folder, -TAIL_BYTES, TAIL_BYTES)
            found.update(metrics.from_log(tail.decode("utf-8", errors="replace")))
        found.update(metrics.from_results(read_bounded(os.path.join(folder, "results.json"), LARGEST_RESULTS)))
        return found


def _is_there(pattern: str) -> bool:
    with suppress(OSError, ValueError):
        return os.path.exists(pattern) or (glob.has_magic(pattern) and bool(glob.glob(pattern, recursive=True)))
    return False


def _changes(pattern: str) -> list[float]:
    """When the files that a path or glob names were last changed; at most `LOOKED_AT`."""
    found: list[float] = []
    for path in islice(glob.iglob(pattern, recursive=True) if glob.has_magic(pattern) else [pattern], LOOKED_AT):
        with suppress(OSError, ValueError):
            found.append(os.stat(path).st_mtime)
    return found


def _gap(folder: str) -> tuple[int, int]:
    """First and past-the-last byte that the runner gave back of a log over its cap; equal when there is none."""
    try:
        start, end = (int(word) for word in read_bounded(os.path.join(folder, "log.gap"), 64).split())
    except ValueError:
        return 0, 0
    return start, end


def open_regular(path: str) -> Any:
    """Open a regular file for reading, never following a link nor waiting on a pipe; OSError otherwise."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise FileNotFoundError(path)
    return os.fdopen(descriptor, "rb")


def read_bounded(path: str, most: int) -> str:
    """The text of a file of at most `most` bytes; "" when it is missing, larger, or no regular file."""
    try:
        with open_regular(path) as file:
            data = file.read(most + 1)
    except OSError:
        return ""
    return data.decode("utf-8", errors="replace") if len(data) <= most else ""


def is_fresh(pattern: str, since: float) -> bool:
    """Whether a path or glob names at least one regular, not empty file that changed at or after `since` (wall
    seconds)."""
    paths = glob.glob(pattern, recursive=True) if glob.has_magic(pattern) else [pattern]
    return any(_is_fresh_file(Path(path), since) for path in paths)


def _is_fresh_file(path: Path, since: float) -> bool:
    try:
        found = path.stat()
    except (OSError, ValueError):
        return False
    return stat.S_ISREG(found.st_mode) and found.st_size > 0 and found.st_mtime >= since
