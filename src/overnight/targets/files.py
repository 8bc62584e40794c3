"""Looking into the files of attempts on this machine."""

from __future__ import annotations

import glob
import os
import stat
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from overnight.domain import metrics
from overnight.targets.base import Evidence

TAIL_BYTES = 256 * 1024
"""How much of a log's end is searched for final numbers."""
LARGEST_RESULTS = 16 * 1024 * 1024
"""Bytes of a `results.json` that is still read."""
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
