"""What is worth saying of an attempt that lives: slow, silent, idle, hung. Pure.

Only what we ourselves saw counts: stillness is the time between our own looks, each step bounded, so that neither a
clock that was set, nor a machine that slept, nor a server that was away makes a healthy attempt look still.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from overnight.domain.reasons import Mark, Reason

SLOWEST_PACE, FASTEST_PACE = 20.0, 0.25
"""Seconds between two looks at an attempt, at most and at least."""
LOOKS = 4
"""Looks within the shortest length that matters to an attempt."""
SLOW_FACTOR = 2.0
"""An attempt is slow beyond this many times its estimate."""
IDLE_BELOW = 5
"""Percent of utilisation below which a GPU is idle."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Lengths in seconds that an attempt is watched for; None = not at all."""

    estimate: float | None
    stale_after: float | None
    hang: float | None

    @property
    def pace(self) -> float:
        """Seconds between two looks: several within the shortest of the lengths."""
        slow = None if self.estimate is None else SLOW_FACTOR * self.estimate
        given = [length for length in (slow, self.stale_after, self.hang) if length is not None]
        return max(FASTEST_PACE, min([SLOWEST_PACE, *(length / LOOKS for length in given)]))

    @property
    def any(self) -> bool:
        """Whether there is anything to watch for."""
        return self != Limits(None, None, None)


@dataclass(frozen=True, slots=True)
class Glimpse:
    """What one look saw."""

    log: int
    """Bytes of the log."""
    files: float | None
    """Newest change of a file of the attempt, in whatever clock its host has; None = there is none."""
    whole: bool
    """Whether everything that could have moved was looked at."""
    idle: bool
    """Whether all its GPUs are known to be idle."""


@dataclass(frozen=True, slots=True)
class Watched:
    """What several looks saw: seconds."""

    seen: float
    """The last look, on the boot clock."""
    last: Glimpse
    age: float
    """How long it runs, as far as we were there to see it."""
    still: float = 0.0
    """How long neither its log nor a file of it was seen to move."""
    idle: float = 0.0


@dataclass(frozen=True, slots=True)
class Notice:
    """Something to say of an attempt, once: a mark, or `Reason.HANG`, which ends it."""

    kind: Mark | Reason
    detail: str


def first_look(glimpse: Glimpse, age: float, now: float) -> Watched:
    """Begin to watch an attempt that has run for `age` seconds already."""
    return Watched(now, glimpse, max(0.0, age))


def next_look(before: Watched, glimpse: Glimpse, limits: Limits, now: float) -> Watched:
    """Take in one more look. What could not be seen whole counts as having moved."""
    step = min(max(0.0, now - before.seen), 2 * limits.pace)
    moved = not glimpse.whole or (glimpse.log, glimpse.files) != (before.last.log, before.last.files)
    return Watched(
        now,
        glimpse,
        before.age + step,
        0.0 if moved else before.still + step,
        before.idle + step if glimpse.idle and before.last.idle else 0.0,
    )


def notices(limits: Limits, watched: Watched) -> list[Notice]:
    """Everything that is to be said of it now, whether it was said before or not."""
    found = []
    if limits.estimate is not None and watched.age > SLOW_FACTOR * limits.estimate:
        detail = f"has run for {length(watched.age)}, more than twice its estimate of {length(limits.estimate)}"
        found.append(Notice(Mark.SLOW, detail))
    if limits.stale_after is not None:
        if watched.still >= limits.stale_after:
            found.append(Notice(Mark.SILENT, f"neither its log nor its files have moved for {length(watched.still)}"))
        if watched.idle >= limits.stale_after:
            detail = f"all its GPUs have been below {IDLE_BELOW} % for {length(watched.idle)}"
            found.append(Notice(Mark.IDLE, detail))
    if limits.hang is not None and watched.still >= limits.hang:
        found.append(Notice(Reason.HANG, f"hang: no output and no progress for {length(watched.still)}"))
    return found


def all_idle(utilisations: Sequence[int | None]) -> bool:
    """Whether these are GPUs, and all of them are known to be idle."""
    return bool(utilisations) and all(percent is not None and percent < IDLE_BELOW for percent in utilisations)


def length(seconds: float) -> str:
    """`45 s`, `31 min`, `2.5 h`."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
