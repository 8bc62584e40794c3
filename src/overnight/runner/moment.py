"""The runner's two clocks. Nothing else in this package asks for the time."""

from __future__ import annotations

import time


def wall() -> float:
    """Return seconds since 1970: for people to read, never for intervals."""
    return time.time()


def boot() -> float:
    """Return seconds since boot, suspend included: for every interval and limit."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def pause(seconds: float) -> None:
    """Sleep."""
    time.sleep(seconds)
