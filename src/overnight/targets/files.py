"""Looking into the files of attempts on this machine."""

from __future__ import annotations

import glob
import os
import stat
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Any

from overnight.domain import metrics
from overnight.domain.clues import read_log
from overnight.runner.snapshot import changed_below
from overnight.targets.artifacts import left
from overnight.targets.base import Artifact, Evidence, Progress, Room
from overnight.targets.progress import progress
from overnight.targets.put import put

TAIL_BYTES = 256 * 1024
"""How much of a log's end is searched for final numbers."""
LARGEST_RESULTS = 16 * 1024 * 1024
"""Bytes of a `results.json` that is still read."""
LARGEST_COMPLAINT = 64 * 1024
"""Bytes of the text about an environment that is still read."""
ENVIRONMENT_FAILED = "environment_failed"
"""File in an attempt's folder that the launch leaves when the environment could not be activated: why."""
PIECE_BYTES = 1024 * 1024
"""Bytes of a log that are read at once."""
END_BYTES = 64 * 1024
"""Bytes of the beginning and of the end of a CSV that are read: its header and its last row."""
MOST_STALE = 5
"""Changed files of a frozen copy that are named."""
MOST_OUTPUTS = 20
"""Files of one declared output whose numbers are read."""
CLOCK_GRAIN = 0.05
"""Seconds by which a file's time may lag the clock that stamped the attempt's start: the kernel stamps files per
tick."""


class LocalFiles:
    """The files of this machine, read as hostile data."""

    def evidence(self, folder: str, workdir: str, outputs: Sequence[str], record: Mapping[str, Any]) -> Evidence:
        """See `Files.evidence`; the log is read as a whole, which takes about 1 s per 50 MB."""
        since = float(record.get("started_at") or 0.0) - CLOCK_GRAIN
        paths = {output: os.path.join(workdir, output) for output in outputs}
        fresh = [path for path in paths.values() if is_fresh(path, since)]
        missing = tuple(output for output, path in paths.items() if path not in fresh)
        numbers = self._metrics(folder, record, fresh, since)
        stale = tuple(changed_below(workdir, MOST_STALE))
        if record.get("code") == 0:
            return Evidence(numbers, missing, rooms=(self.room(workdir),) if missing else (), stale=stale)
        reading = read_log(self._pieces(folder), record.get("code"))
        environment = read_bounded(os.path.join(folder, ENVIRONMENT_FAILED), LARGEST_COMPLAINT) or None
        rooms = (self.room(workdir), self.room(folder))
        return Evidence(numbers, missing, reading.clues, reading.signature, environment, rooms, stale)

    def _pieces(self, folder: str) -> Iterator[bytes]:
        offset = 0
        while True:
            data, offset = self.log(folder, offset, PIECE_BYTES)
            if not data:
                return
            yield data

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
        inodes, most = (found.f_favail, found.f_files) if found.f_files else (None, None)
        return Room(str(place), found.f_bavail * found.f_frsize, inodes, found.f_blocks * found.f_frsize, most)

    def progress(self, folder: str, workdir: str, outputs: Sequence[str]) -> Progress:
        """See `Files.progress`."""
        return progress(folder, workdir, outputs)

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

    def part(self, folder: str, name: str, offset: int, limit: int) -> tuple[bytes, int]:
        """See `Files.part`."""
        if "/" in name or name in ("", ".", ".."):
            return b"", 0
        try:
            with open_regular(os.path.join(folder, name)) as file:
                size = os.fstat(file.fileno()).st_size
                start = max(0, size + offset) if offset < 0 else min(offset, size)
                file.seek(start)
                data = file.read(limit)
        except (OSError, ValueError):
            return b"", 0
        return data, start + len(data)

    def left(self, folder: str, workdir: str, outputs: Sequence[str], during: tuple[float, float]) -> list[Artifact]:
        """See `Files.left`."""
        return left(folder, workdir, outputs, during)

    def put(self, folder: str, name: str, text: str) -> None:
        """See `Files.put`."""
        put(folder, name, text)

    def _metrics(
        self, folder: str, record: Mapping[str, Any], outputs: Sequence[str], since: float
    ) -> dict[str, float]:
        """Final numbers: of the log, above them those of declared outputs, above all those of `results.json`."""
        found: dict[str, float] = {}
        if (record.get("log") or {}).get("size"):
            tail, _ = self.log(folder, -TAIL_BYTES, TAIL_BYTES)
            found.update(metrics.from_log(tail.decode("utf-8", errors="replace")))
        for pattern in outputs:
            for path in islice(_named(pattern), MOST_OUTPUTS):
                if _is_fresh_file(Path(path), since):
                    found.update(numbers_in(path))
        found.update(metrics.from_results(read_bounded(os.path.join(folder, "results.json"), LARGEST_RESULTS)))
        return dict(islice(found.items(), metrics.MOST_METRICS))


def numbers_in(path: str) -> dict[str, float]:
    """Numbers of one output: the numeric keys of a JSON object, the last row of a CSV; nothing of any other file."""
    kind = os.path.splitext(path)[1].lower()
    if kind == ".json":
        return metrics.from_results(read_bounded(path, LARGEST_RESULTS, follow=True))
    if kind == ".csv":
        return metrics.from_csv(*_both_ends(path))
    return {}


def _both_ends(path: str) -> tuple[str, str]:
    """The first and the last bytes of a file as text; ("", "") when it cannot be read."""
    try:
        with open_regular(path, follow=True) as file:
            head = file.read(END_BYTES)
            file.seek(max(0, os.fstat(file.fileno()).st_size - END_BYTES))
            tail = file.read(END_BYTES)
    except (OSError, ValueError):
        return "", ""
    return head.decode("utf-8", errors="replace"), tail.decode("utf-8", errors="replace")


def _named(pattern: str) -> Iterator[str]:
    """What a path or glob names, perhaps nothing."""
    return glob.iglob(pattern, recursive=True) if glob.has_magic(pattern) else iter([pattern])


def _is_there(pattern: str) -> bool:
    with suppress(OSError, ValueError):
        return os.path.exists(pattern) or (glob.has_magic(pattern) and bool(glob.glob(pattern, recursive=True)))
    return False


def _gap(folder: str) -> tuple[int, int]:
    """First and past-the-last byte that the runner gave back of a log over its cap; equal when there is none."""
    try:
        start, end = (int(word) for word in read_bounded(os.path.join(folder, "log.gap"), 64).split())
    except ValueError:
        return 0, 0
    return start, end


def open_regular(path: str, *, follow: bool = False) -> Any:
    """Open a regular file for reading, never waiting on a pipe, nor following a link unless told; OSError otherwise."""
    links = 0 if follow else os.O_NOFOLLOW
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | links)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise FileNotFoundError(path)
    return os.fdopen(descriptor, "rb")


def read_bounded(path: str, most: int, *, follow: bool = False) -> str:
    """The text of a file of at most `most` bytes; "" when it is missing, larger, or no regular file."""
    try:
        with open_regular(path, follow=follow) as file:
            data = file.read(most + 1)
    except OSError:
        return ""
    return data.decode("utf-8", errors="replace") if len(data) <= most else ""


def is_fresh(pattern: str, since: float) -> bool:
    """Whether a path or glob names at least one regular, not empty file that changed at or after `since` (wall
    seconds)."""
    return any(_is_fresh_file(Path(path), since) for path in _named(pattern))


def _is_fresh_file(path: Path, since: float) -> bool:
    try:
        found = path.stat()
    except (OSError, ValueError):
        return False
    return stat.S_ISREG(found.st_mode) and found.st_size > 0 and found.st_mtime >= since
