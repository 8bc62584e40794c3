"""Hours of GPUs: how many a campaign used, and how many of those that it could have used lay idle meanwhile."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from overnight.domain.nouns import Device
from overnight.reports.material import Material, SweepMaterial
from overnight.reports.phases import wall_seconds

HOUR = 3_600.0
"""Seconds."""


@dataclass(frozen=True, slots=True)
class GpuHours:
    """In hours. A GPU that runs of the campaign shared counts once; `idle` has the time in which others had it."""

    used: float
    idle: float


def gpu_hours(material: Material) -> GpuHours | None:
    """From the attempts, live ones until now; None for a campaign that used no GPU."""
    held = _held(material)
    if not held:
        return None
    used = sum(_covered(spans) for spans in held.values())
    could = {gpu.id for sweep in material.sweeps for gpu in _allowed(sweep, material.gpus)} | held.keys()
    wide = min(len(could), _widest(material) or len(could))
    return GpuHours(used / HOUR, max(0.0, wide * (wall_seconds(material) or 0.0) - used) / HOUR)


def _held(material: Material) -> dict[str, list[tuple[float, float]]]:
    """GPU -> from when to when attempts of the campaign had it."""
    found: defaultdict[str, list[tuple[float, float]]] = defaultdict(list)
    for attempt in (attempt for it in material.runs for attempt in it.made if attempt.gpus):
        if attempt.started_at is not None:
            end = material.now if attempt.ended_at is None else attempt.ended_at
            for gpu in attempt.gpus:
                found[gpu].append((attempt.started_at, end))
    return found


def _covered(spans: Iterable[tuple[float, float]]) -> float:
    """Seconds in at least one of the spans."""
    total, reached = 0.0, float("-inf")
    for start, end in sorted(spans):
        total += max(0.0, end - max(start, reached))
        reached = max(reached, end)
    return total


def _allowed(sweep: SweepMaterial, gpus: Iterable[Device]) -> list[Device]:
    settings = sweep.sweep.settings
    need = settings.need
    if need.gpus == 0:
        return []
    return [
        gpu
        for gpu in gpus
        if gpu.target in settings.targets
        and gpu.state == "healthy"
        and gpu.memory_mib >= need.gpu_memory_mib
        and (need.gpu_name is None or need.gpu_name.casefold() in gpu.name.casefold())
        and (need.devices is None or gpu.position in need.devices)
    ]


def _widest(material: Material) -> int | None:
    """GPUs that the campaign's own bound on parallel runs lets it hold at once; None = it has no such bound."""
    if material.campaign.parallel is None:
        return None
    return material.campaign.parallel * max(sweep.sweep.settings.need.gpus for sweep in material.sweeps)
