"""The only place that reads a clock."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Protocol


class Clock(Protocol):
    """Three readings: the wall for display and leases, the boot clock for intervals, and which boot this is."""

    @property
    def boot_id(self) -> str:
        """Identity of this boot of this machine."""

    def wall(self) -> float:
        """Seconds since 1970; may jump."""

    def boot(self) -> float:
        """Seconds since boot, suspends included; never jumps."""


class SystemClock:
    """The machine's clocks."""

    def __init__(self) -> None:
        self._boot_id = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()

    @property
    def boot_id(self) -> str:
        """Identity of this boot, from the kernel."""
        return self._boot_id

    def wall(self) -> float:
        """Seconds since 1970."""
        return time.time()

    def boot(self) -> float:
        """CLOCK_BOOTTIME in seconds."""
        return time.clock_gettime(time.CLOCK_BOOTTIME)


def pause(seconds: float) -> None:
    """Sleep; handed as an argument to whatever must wait, so that tests need not."""
    time.sleep(seconds)
