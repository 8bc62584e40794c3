"""When the runs of a sweep that needs other sweeps may start, or never will; when a campaign is over."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum

from overnight.domain.states import OPEN_RUN


class Standing(Enum):
    """What a sweep says to those that need it as a whole."""

    OPEN = "open"
    """Some run goes on by itself: wait."""
    MET = "met"
    """Every run succeeded."""
    LOST = "lost"
    """Nothing goes on and something did not succeed."""


def standing(counts: Mapping[str, int]) -> Standing:
    """Judge a sweep by its numbers of runs per state."""
    if any(counts.get(state, 0) for state in OPEN_RUN):
        return Standing.OPEN
    others = sum(number for state, number in counts.items() if state != "succeeded")
    return Standing.LOST if others else Standing.MET


def campaign_end(counts: Mapping[str, int]) -> str | None:
    """The arrow that a campaign takes when nothing of it goes on any more; None while something does."""
    if any(counts.get(state, 0) for state in OPEN_RUN):
        return None
    if counts.get("failed") or counts.get("blocked"):
        return "fail"
    return "cancel" if counts.get("cancelled") else "succeed"
