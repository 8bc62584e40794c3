"""How long attempts may live without their server: each ends by itself in good time before its lease does.

The runner sends beats and writes down when it sent the newest one that was answered. Executors read that, so that the
lease of an attempt ends without the runner too. All times are of the boot clock, which counts while the machine sleeps.
"""

from __future__ import annotations

import os

from . import moment
from .order import StopOrder

FILE = "lease"
"""Name inside the state folder: the boot, and when the newest answered beat was sent."""
WIDTH = 80
"""Bytes of the file, always the same: a full disk keeps nobody from renewing."""
EVERY = 10.0
"""Seconds between two beats; also the longest sleep of who waits for a lease to end, since timers stand still while
the machine sleeps."""
LONGEST_MARGIN = 30.0
"""Seconds before the end of the lease at which the last process must be gone; a quarter of it if that is less."""
TICKS = 1_000_000
"""Per second: beats are named by the time at which they were sent."""


class Renewal:
    """The runner's side: writes the file."""

    __slots__ = ("_boot_id", "_path", "at")

    def __init__(self, state_dir: str, boot_id: str) -> None:
        self._path = f"{state_dir}/{FILE}"
        self._boot_id = boot_id
        self.at = read(state_dir, boot_id)
        """When the newest answered beat was sent; None = none of this boot was answered."""

    def answered(self, beat: int) -> None:
        """A server has this beat; older ones and those of a time to come say nothing. Raises OSError."""
        sent = beat / TICKS
        if sent <= moment.boot() and (self.at is None or sent > self.at):
            self._write(sent)
            self.at = sent

    def _write(self, sent: float) -> None:
        descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.pwrite(descriptor, f"{self._boot_id} {sent:.6f}".ljust(WIDTH).encode("ascii"), 0)
        finally:
            os.close(descriptor)


def read(state_dir: str, boot_id: str) -> float | None:
    """Return when the newest answered beat of this boot was sent, None when there is none."""
    try:
        with open(f"{state_dir}/{FILE}", "rb") as file:
            boot, sent = file.read(WIDTH).split()
        return (float(sent) or None) if boot.decode("ascii") == boot_id else None
    except (OSError, ValueError):
        return None


def name_of_beat() -> int:
    """The name of a beat that is sent now."""
    return int(moment.boot() * TICKS)


class Tenancy:
    """The lease of one attempt, seen by whoever must end it."""

    __slots__ = ("_boot_id", "_heard", "_margin", "_seconds", "_state_dir", "due", "order")

    def __init__(self, state_dir: str, boot_id: str, seconds: float, grace: float) -> None:
        self._state_dir = state_dir
        self._boot_id = boot_id
        self._seconds = seconds
        bounded = min(grace, seconds / 4)
        self._margin = min(LONGEST_MARGIN, seconds / 4) + bounded
        self.order = StopOrder(bounded, f"No server was heard for the {seconds:g} s of its lease.")
        """How it is ended; its last process is gone before the lease is."""
        self._heard = 0.0
        self.due = 0.0
        """When to look at the latest; never later than its end."""
        self.ended(moment.boot())

    def ended(self, now: float) -> bool:
        """Tell whether it is time to end the attempt."""
        if now >= self.due:
            sent = read(self._state_dir, self._boot_id)
            if sent is not None and self._heard < sent <= now:
                self._heard = sent
            self.due = self._heard + self._seconds - self._margin
        return now >= self.due
