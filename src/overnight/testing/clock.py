"""A clock that moves only when it is told to, and lies about the wall as real ones do."""

from __future__ import annotations

FIRST_WALL = 1_800_000_000.0
"""Wall seconds at the start of every simulation: a day in January 2027."""

TICK = 1e-6
"""Seconds that every pause lasts longer than planned, so that rounding never ends it just before its event."""


class FakeClock:
    """Time of a simulated machine. `true` never jumps and never starts again; nobody in the machine can read it."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Begin again: first boot, right time."""
        self.true = 0.0
        self._booted_at = -1_000.0
        self._boots = 1
        self._offset = FIRST_WALL

    @property
    def boot_id(self) -> str:
        """See `Clock.boot_id`."""
        return f"boot-{self._boots}"

    def wall(self) -> float:
        """See `Clock.wall`."""
        return self._offset + self.true

    def boot(self) -> float:
        """See `Clock.boot`."""
        return self.true - self._booted_at

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        if seconds < 0:
            raise ValueError("time only goes forward; the wall clock is set with jump")
        self.true += seconds

    def jump(self, seconds: float) -> None:
        """Set the wall clock forward or back."""
        self._offset += seconds

    @property
    def jumped(self) -> float:
        """Seconds by which the wall clock is away from where it started."""
        return self._offset - FIRST_WALL

    def reboot(self) -> None:
        """The machine starts anew: the boot clock begins at zero, under another identity."""
        self._booted_at = self.true
        self._boots += 1
