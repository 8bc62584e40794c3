"""How far a campaign and each of its phases came, and how long that took."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from overnight.domain.states import OPEN_RUN, RUN
from overnight.reports.material import Material, RunMaterial, SweepMaterial


@dataclass(frozen=True, slots=True)
class Phase:
    """The sweeps of one phase in one line; most phases are one sweep."""

    name: str
    state: str
    """`settled` when all its sweeps are, else `active`."""
    sweeps: tuple[str, ...]
    runs: int
    succeeded: int
    failed: int
    other: int
    """Runs in any further state."""
    retried: int
    """Runs that took more than one attempt."""
    retried_to_success: int
    """Those of them that succeeded in the end."""
    memory_retries: int
    """Attempts that were made because the one before ran out of memory, of the device or of the host."""
    packed: int
    """Runs that shared their GPU with others."""
    counts: Mapping[str, int]
    seconds: float | None
    """First start to last end, or until now while something goes on; None before the first start."""


def counts(runs: Iterable[RunMaterial]) -> dict[str, int]:
    """Runs by state, every state named, and `total`."""
    found = Counter(it.run.state for it in runs)
    named = {state: found[state] for state in RUN.states}
    return {**named, "total": sum(named.values())}


def phases(material: Material) -> tuple[Phase, ...]:
    """The phases in the order in which their first sweeps stand in the plan."""
    groups: dict[str, list[SweepMaterial]] = {}
    for sweep in material.sweeps:
        groups.setdefault(sweep.sweep.phase, []).append(sweep)
    return tuple(_phase(name, sweeps, material.now) for name, sweeps in groups.items())


def _phase(name: str, sweeps: Sequence[SweepMaterial], now: float) -> Phase:
    runs = [it for sweep in sweeps for it in sweep.runs]
    found = counts(runs)
    open_sweeps = [sweep.sweep.state for sweep in sweeps if sweep.sweep.state != "settled"]
    return Phase(
        name=name,
        state=open_sweeps[0] if open_sweeps else "settled",
        sweeps=tuple(sweep.sweep.name for sweep in sweeps),
        runs=found["total"],
        succeeded=found["succeeded"],
        failed=found["failed"],
        other=found["total"] - found["succeeded"] - found["failed"],
        retried=sum(it.attempts > 1 for it in runs),
        retried_to_success=sum(it.attempts > 1 and it.run.state == "succeeded" for it in runs),
        memory_retries=sum(it.memory_retries for it in runs),
        packed=sum(it.packed for it in runs),
        counts=found,
        seconds=_length(runs, now),
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
        return _length(material.runs, material.now)
    end = material.now if campaign.settled_at is None else campaign.settled_at
    return max(0.0, end - campaign.started_at)
