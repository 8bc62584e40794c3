"""When the runs of a sweep that needs other sweeps, or has a barrier, may start; when a campaign is over."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from overnight.domain.nouns import Device
from overnight.domain.plan import Need
from overnight.domain.states import UNFINISHED_RUN
from overnight.planner.fit import is_free, suits

FRESH_SECONDS = 60.0
"""A GPU whose last probe is older may hold anything by now."""
NAMED = 3
"""Things that a sentence names before it only counts them."""


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
    if any(counts.get(state, 0) for state in UNFINISHED_RUN):
        return Standing.OPEN
    others = sum(number for state, number in counts.items() if state != "succeeded")
    return Standing.LOST if others else Standing.MET


def campaign_end(counts: Mapping[str, int]) -> str | None:
    """The arrow that a campaign takes when nothing of it goes on any more; None while something does, is still to be
    started, or when nothing was ever added to it."""
    if not any(counts.values()) or any(counts.get(state, 0) for state in UNFINISHED_RUN):
        return None
    if counts.get("failed") or counts.get("blocked"):
        return "fail"
    return "cancel" if counts.get("cancelled") else "succeed"


@dataclass(frozen=True, slots=True)
class Wave:
    """What a barrier looks at: all that the phases before may have left."""

    going_on: Mapping[str, int]
    """Phase -> runs of it that are not over."""
    holding: Sequence[str]
    """Devices that their attempts have not been proven to have left."""
    devices: Sequence[Device]
    """Of the target, for a sweep that wants GPUs."""


def unsettled(wave: Wave, need: Need, now: float) -> str | None:
    """What a barrier waits for, as a sentence; None when it is open."""
    if wave.going_on:
        return f"its barrier waits for {_list(f'{phase} ({_runs(n)} not over)' for phase, n in wave.going_on.items())}"
    if wave.holding:
        return f"its barrier waits until processes and memory of earlier runs are gone from {_list(wave.holding)}"
    unclean = [f"{it.name} {it.position}: {why}" for it in wave.devices if (why := _unclean(it, need, now))]
    return f"its barrier waits for clean GPUs: {_list(unclean)}" if unclean else None


def _unclean(device: Device, need: Need, now: float) -> str | None:
    """Why an allowed GPU may still hold something; a sick one gets no runs and holds nothing up."""
    if device.state != "healthy" or not suits(device, need):
        return None
    if now - device.seen_at > FRESH_SECONDS:
        return "it was not looked at lately"
    return None if is_free(device, need) else device.busy or f"{device.used_mib} MiB of its memory are in use"


def _runs(number: int) -> str:
    return f"{number} run{'s' if number != 1 else ''}"


def _list(words: Iterable[str]) -> str:
    found = list(words)
    more = len(found) - NAMED
    return ", ".join(found[:NAMED]) + (f" and {more} more" if more > 0 else "")
