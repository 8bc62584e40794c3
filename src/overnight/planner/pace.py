"""Whether a run that ended well ended suspiciously soon."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

TOO_FAST = 0.5
"""Share of the usual time below which a success is suspicious."""
FEWEST = 3
"""Other runs that it takes to know the usual time."""
SHORTEST = 10.0
"""Seconds: where runs take less anyway, nothing can be told from their times."""


def too_fast(seconds: float, others: Sequence[float], estimate: float | None) -> str | None:
    """Why a success after `seconds` is suspicious, by the times of its like and by its estimate; None = it is not."""
    usual = median(others) if len(others) >= FEWEST else 0.0
    if usual > SHORTEST and seconds < TOO_FAST * usual:
        return f"took {seconds:.0f} s, others of its sweep took {usual:.0f} s"
    if estimate is not None and seconds < TOO_FAST * estimate:
        return f"took {seconds:.0f} s, {estimate:.0f} s were estimated"
    return None
