"""The attempt's log and its cap.

The job writes straight into the file, so nothing of ours can block it and every byte is its own. When the file
takes more room than allowed, its middle is given back to the file system as a hole: offsets never move, the head
and the tail stay, and `log.gap` says what is missing.
"""

from __future__ import annotations

import ctypes
import os

from .record import write_file

FILE = "log"
"""Name inside the attempt's folder: stdout and stderr, merged."""
GAP_FILE = "log.gap"
"""Name inside the attempt's folder: two integers, first and past-the-last missing byte."""
HEAD = 64 * 1024
"""Bytes kept from the beginning of a capped log (a quarter of the cap if that is less)."""
BLOCK = 4096
"""Holes are made of whole blocks of this many bytes."""
FASTEST = 0.25
"""Seconds between two looks at a log that grows."""
SLOWEST = 2.0
"""Seconds between two looks at a log that rests."""
_PUNCH_HOLE_KEEP_SIZE = 0x02 | 0x01


class CappedLog:
    """An open log that is kept near cap bytes of room on the disk; cap None leaves it alone."""

    __slots__ = ("_cap", "_folder", "_interval", "_last_size", "_problem", "descriptor", "due", "gap")

    def __init__(self, folder: str, descriptor: int, cap: int | None, now: float) -> None:
        self.descriptor = descriptor
        self.gap: tuple[int, int] | None = None
        self._folder = folder
        self._cap = cap
        self._interval = FASTEST
        self._last_size = 0
        self._problem: str | None = None
        self.due = now + FASTEST if cap is not None else None
        """When the next look is due on the boot clock, None for never."""

    def look(self, now: float) -> None:
        """Give room back if the log has outgrown its cap, and say when to look again."""
        if self._cap is None:
            return
        stat = os.fstat(self.descriptor)
        if self._problem is None and stat.st_blocks * 512 > self._cap + max(self._cap // 8, 16 * BLOCK):
            self._punch(stat.st_size, self._cap)
        grows = stat.st_size != self._last_size
        self._interval = FASTEST if grows else min(self._interval * 2, SLOWEST)
        self._last_size = stat.st_size
        self.due = now + self._interval if self._problem is None else None

    def close(self) -> dict[str, object]:
        """Close the log and return what the record says about it."""
        if self.gap is not None or self._cap is not None:
            self.look(0.0)
        size = os.fstat(self.descriptor).st_size
        os.close(self.descriptor)
        entry: dict[str, object] = {"size": size, "gap": list(self.gap) if self.gap else None}
        if self._problem is not None:
            entry["problem"] = self._problem
        return entry

    def _punch(self, size: int, cap: int) -> None:
        head = min(HEAD, cap // 4)
        start = -(-head // BLOCK) * BLOCK
        end = (size - (cap - head)) // BLOCK * BLOCK
        done = self.gap[1] if self.gap else start
        if end <= done:
            return
        self.gap = (start, end)
        try:
            # Announced first: a reader may miss bytes that are still there, never take zeros for output.
            write_file(f"{self._folder}/{GAP_FILE}", f"{start} {end}\n".encode("ascii"))
            _punch_hole(self.descriptor, done, end - done)
        except OSError as error:
            self._give_up(done if done > start else None, start, error)

    def _give_up(self, done: int | None, start: int, error: OSError) -> None:
        self.gap = (start, done) if done is not None else None
        self._problem = f"The log could not be capped: {error.strerror}."
        try:
            if self.gap is None:
                os.unlink(f"{self._folder}/{GAP_FILE}")
            else:
                write_file(f"{self._folder}/{GAP_FILE}", f"{start} {done}\n".encode("ascii"))
        except OSError:
            return  # the job deleted its folder, or the disk is full: the record says how it is


def _punch_hole(descriptor: int, offset: int, length: int) -> None:
    library = ctypes.CDLL(None, use_errno=True)
    fallocate = library.fallocate
    fallocate.argtypes = (ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64)
    if fallocate(descriptor, _PUNCH_HOLE_KEEP_SIZE, offset, length) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
