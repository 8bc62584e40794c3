"""How far a campaign and each of its sweeps came, and how long that took."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from overnight.domain.states import OPEN_RUN, RUN
from overnight.reports.material import Material, RunMaterial, SweepMaterial


@dataclass(frozen=True, slots=True)
class Phase:
    """A sweep in one line."""

    name: str
    state: str
    runs: int
    succeeded: int
    failed: int
    other: int
    """Runs in any further state."""
    retried: int
    """Runs that took more than one attempt."""
    retried_to_success: int
    """Those of them that succeeded in the end."""
    counts: Mapping[str, int]
    seconds: float | None
    """First start to last end, or until now while something goes on; None before the first start."""


def counts(runs: Iterable[RunMaterial]) -> dict[str, int]:
    """Runs by state, every state named, and `total`."""
    found = Counter(it.run.state for it in runs)
    named = {state: found[state] for state in RUN.states}
    return {**named, "total": sum(named.values())}


def phase(material: SweepMaterial, now: float) -> Phase:
    """One sweep, as of `now`."""
    found = counts(material.runs)
    return Phase(
        name=material.sweep.name,
        state=material.sweep.state,
        runs=found["total"],
        succeeded=found["succeeded"],
        failed=found["failed"],
        other=found["total"] - found["succeeded"] - found["failed"],
        retried=sum(it.attempts > 1 for it in material.runs),
        retried_to_success=sum(it.attempts > 1 and it.run.state == "succeeded" for it in material.runs),
        counts=found,
        seconds=_length(material.runs, now),
    )


def _length(runs: Iterable[RunMaterial], now: float) -> float | None:
    started = [it for it in runs if it.run.started_at is not None]
    if not started:
        return None
    first = min(it.run.started_at for it in started if it.run.started_at is not None)
    ends = [now if it.run.state in OPEN_RUN or it.run.ended_at is None else it.run.ended_at for it in started]
    return max(0.0, max(ends) - first)


def wall_seconds(material: Material) -> float | None:
    """First start of the campaign to its end, or until now; None before it started."""
    campaign = material.campaign
    if campaign.started_at is None:
        return _length([it for sweep in material.sweeps for it in sweep.runs], material.now)
    end = material.now if campaign.settled_at is None else campaign.settled_at
    return max(0.0, end - campaign.started_at)
