"""Which queued runs get which free devices now, and why the others do not."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from overnight.domain.plan import Need

PATIENCE = 300.0
"""Seconds after its submission from which a run that does not fit is no longer overtaken by later ones of its kind."""


@dataclass(frozen=True, slots=True)
class FreeDevice:
    """A device that may be given now."""

    id: str
    kind: str
    position: int
    memory_mib: int
    name: str


@dataclass(frozen=True, slots=True)
class Head:
    """A queued run at the front of its sweep."""

    run_id: str
    seq: int
    priority: int
    attempts: int
    """Attempts made so far."""
    created_at: float


@dataclass(frozen=True, slots=True)
class CampaignView:
    """What bounds all sweeps of a campaign together."""

    id: str
    open: bool
    live: int
    """Runs with a possibly live attempt."""
    parallel: int | None
    attempts_left: int | None
    wall_left: float | None
    """Seconds until the campaign's time is used up."""


@dataclass(frozen=True, slots=True)
class Lane:
    """A sweep as the planner sees it: equal resources, a line of queued runs."""

    sweep_id: str
    campaign: CampaignView | None
    open: bool
    priority: int
    need: Need
    live: int
    parallel: int | None
    heads: tuple[Head, ...]
    """At least as many as there are free devices, in order."""
    hold: str | None = None
    """Why nothing new of it may start now, whatever is free (a barrier, a full disk); None = nothing holds it."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything that one placement looks at."""

    lanes: tuple[Lane, ...]
    free: tuple[FreeDevice, ...]
    well: tuple[FreeDevice, ...] | None = None
    """Every healthy device of the target, taken or not: what a run that waits may hope for. None = everything."""


@dataclass(frozen=True, slots=True)
class Placement:
    """A run and the devices that it gets."""

    run_id: str
    sweep_id: str
    attempts: int
    devices: tuple[FreeDevice, ...]


@dataclass(slots=True)
class _Room:
    """What is left while placements are made."""

    free: list[FreeDevice]
    well: tuple[FreeDevice, ...] | None
    sweeps: dict[str, int] = field(default_factory=dict)
    campaigns: dict[str, int] = field(default_factory=dict)
    closed: set[str] = field(default_factory=set)
    """Kinds of device kept for a run that waits too long already."""

    def take(self, lane: Lane, devices: Sequence[FreeDevice]) -> None:
        for device in devices:
            self.free.remove(device)
        self.sweeps[lane.sweep_id] = self.sweeps.get(lane.sweep_id, 0) + 1
        if lane.campaign:
            self.campaigns[lane.campaign.id] = self.campaigns.get(lane.campaign.id, 0) + 1


def place(snapshot: Snapshot, now: float) -> tuple[Placement, ...]:
    """Give free devices to runs: priority first, then submission order, smaller runs filling gaps.

    Bounds hold for the sum of what is live and what is placed here. A run that has waited for `PATIENCE` and does
    not fit
    keeps the free devices of its kind for itself, so that a stream of small runs cannot starve it (I39); one that
    the target could never hold keeps nothing.
    """
    room = _Room(list(snapshot.free), snapshot.well)
    placed: list[Placement] = []
    skipped: set[str] = set()
    for lane, head in _in_order(snapshot.lanes):
        if not room.free:
            break
        if lane.sweep_id in skipped:
            continue
        devices = _fit(lane, head, room, now) if limit_of(lane, room.sweeps, room.campaigns) is None else None
        if devices is None:
            skipped.add(lane.sweep_id)
            continue
        room.take(lane, devices)
        placed.append(Placement(head.run_id, lane.sweep_id, head.attempts, tuple(devices)))
    return tuple(placed)


def _in_order(lanes: Sequence[Lane]) -> Iterator[tuple[Lane, Head]]:
    """All heads of all lanes: highest priority first, then oldest submission."""
    lines = [
        [(-(lane.priority + head.priority), head.seq, number) for head in lane.heads]
        for number, lane in enumerate(lanes)
    ]
    places = [0] * len(lanes)
    for *_, number in heapq.merge(*lines):
        yield lanes[number], lanes[number].heads[places[number]]
        places[number] += 1


def limit_of(lane: Lane, sweeps: dict[str, int], campaigns: dict[str, int]) -> str | None:
    """The bound that keeps a lane from starting one more run, given what was placed already; None when none does."""
    campaign = lane.campaign
    if not lane.open:
        return "sweep_paused"
    if lane.hold is not None:
        return "held"
    if lane.parallel is not None and lane.live + sweeps.get(lane.sweep_id, 0) >= lane.parallel:
        return "sweep_parallel"
    if campaign is None:
        return None
    placed = campaigns.get(campaign.id, 0)
    if not campaign.open:
        return "campaign_paused"
    if campaign.parallel is not None and campaign.live + placed >= campaign.parallel:
        return "campaign_parallel"
    if campaign.attempts_left is not None and placed >= campaign.attempts_left:
        return "budget_attempts"
    if campaign.wall_left is not None and campaign.wall_left <= 0:
        return "budget_wall"
    return None


def _fit(lane: Lane, head: Head, room: _Room, now: float) -> list[FreeDevice] | None:
    kind, number = kind_and_number(lane.need)
    if kind in room.closed:
        return None
    able = [device for device in room.free if suits(device.kind, device.memory_mib, lane.need)]
    if len(able) >= number:
        return sorted(able, key=lambda device: (device.memory_mib, device.position))[:number]
    hope = room.well is None or sum(suits(it.kind, it.memory_mib, lane.need) for it in room.well) >= number
    if hope and now - head.created_at >= PATIENCE:
        room.closed.add(kind)
    return None


def kind_and_number(need: Need) -> tuple[str, int]:
    """Which devices a need takes, and how many."""
    return ("gpu", need.gpus) if need.gpus else ("slot", need.slots)


def suits(kind: str, memory_mib: int, need: Need) -> bool:
    """Whether one device is of the kind and size that a need asks for."""
    wanted, _ = kind_and_number(need)
    return kind == wanted and (wanted != "gpu" or memory_mib >= need.gpu_memory_mib)
