"""How long what is left of a queue should take. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median

from overnight.domain.nouns import Device, Sweep
from overnight.planner.fit import suits


@dataclass(slots=True)
class PhaseTimes:
    """What is known of a phase: seconds each, and how many of its jobs may run at once."""

    slots: int = 1
    ended: list[float] = field(default_factory=list)
    running: list[float] = field(default_factory=list)
    """How long each has run so far."""
    pending: int = 0


def eta_of(phases: Sequence[PhaseTimes]) -> float | None:
    """Seconds until every job has ended: per phase, the median of those that ended, times what is left, over the
    slots. A phase of which nothing ended takes the median of all; None before the first end."""
    if not any(phase.pending or phase.running for phase in phases):
        return 0.0
    known = [seconds for phase in phases for seconds in phase.ended]
    if not known:
        return None
    usual = median(known)
    return round(sum(_left(phase, median(phase.ended) if phase.ended else usual) for phase in phases), 3)


def _left(phase: PhaseTimes, usual: float) -> float:
    jobs = phase.pending + len(phase.running)
    work = phase.pending * usual + sum(max(0.0, usual - seconds) for seconds in phase.running)
    return work / max(1, min(phase.slots, jobs))


def slots_of(sweep: Sweep, devices: Sequence[Device], campaign_parallel: int | None) -> int:
    """How many runs of a sweep may run at once on the healthy devices of its targets; at least 1. All devices of a run
    are of one target."""
    need = sweep.settings.need
    bounds = [bound for bound in (sweep.settings.parallel, campaign_parallel) if bound is not None]
    number = need.gpus or need.slots
    if number:
        able = [it for it in devices if it.state == "healthy" and suits(it, need)]
        there = Counter(it.target for it in able)
        bounds.append(sum(there[target] * need.share // number for target in sweep.settings.targets))
    return max(1, min(bounds, default=1))
