"""Which queued runs get which free devices now, and why the others do not."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from overnight.domain.cluster import Capacity
from overnight.domain.plan import Need
from overnight.ids import attempt_id
from overnight.planner.fit import (
    FreeDevice,
    Holder,
    could_have,
    free_part,
    kind_and_number,
    may_have,
    suits,
    takes_nothing,
)

PATIENCE = 300.0
"""Seconds after its submission from which a run that does not fit is no longer overtaken by later ones of its kind."""


@dataclass(frozen=True, slots=True)
class Head:
    """A queued run at the front of its sweep."""

    run_id: str
    seq: int
    priority: int
    attempts: int
    """Attempts made so far."""
    created_at: float
    avoid: frozenset[str] = frozenset()
    """Devices where it ran out of memory: others first, the largest of them first."""
    peaks: Mapping[str, int] = field(default_factory=dict)
    """Name of a GPU -> most memory that runs like it were seen to use there, in MiB. Only for runs that share."""


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
    """At least as many as may find a place, in order."""
    hold: str | None = None
    """Why nothing new of it may start now, whatever is free (a barrier, a full disk); None = nothing holds it."""
    capacity: Capacity | None = None
    """What bounds its runs together with all others; None = it brings its own bounds."""


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
    """As they were before; their holders are those that this run joins."""
    part: int = 0
    """Which share of its GPU it gets; 0 where nobody else is."""


@dataclass(slots=True)
class _Room:
    """What is left while placements are made."""

    free: dict[str, FreeDevice]
    well: tuple[FreeDevice, ...] | None
    sweeps: dict[str, int] = field(default_factory=dict)
    campaigns: dict[str, int] = field(default_factory=dict)
    kept: set[str] = field(default_factory=set)
    """Devices kept for runs that wait too long already."""

    def take(self, lane: Lane, head: Head, devices: Sequence[FreeDevice]) -> None:
        for device in devices:
            del self.free[device.id]
            if lane.need.share > 1:
                self.free[device.id] = _joined(device, lane.need, head)
        self.sweeps[lane.sweep_id] = self.sweeps.get(lane.sweep_id, 0) + 1
        if lane.campaign:
            self.campaigns[lane.campaign.id] = self.campaigns.get(lane.campaign.id, 0) + 1


def _joined(device: FreeDevice, need: Need, head: Head) -> FreeDevice:
    """The device with one more run on it."""
    attempt = attempt_id(head.run_id, head.attempts + 1)
    holder = Holder(attempt, free_part(device), need.share, head.peaks.get(device.name))
    return replace(device, holders=(*device.holders, holder))


def place(snapshot: Snapshot, now: float) -> tuple[Placement, ...]:
    """Give free devices to runs: priority first, then submission order, smaller runs filling gaps.

    Bounds hold for the sum of what is live and what is placed here. A run that has waited for `PATIENCE` and does
    not fit keeps the devices that serve it for itself, so that a stream of small or sharing runs cannot starve it
    (I39); one that the target could never hold keeps nothing.
    """
    room = _Room({device.id: device for device in snapshot.free}, snapshot.well)
    placed: list[Placement] = []
    skipped: set[str] = set()
    for lane, head in _in_order(snapshot.lanes):
        if lane.sweep_id in skipped:
            continue
        devices = _fit(lane, head, room, now) if limit_of(lane, room.sweeps, room.campaigns) is None else None
        if devices is None:
            skipped.add(lane.sweep_id)
            continue
        room.take(lane, head, devices)
        part = free_part(devices[0]) if devices else 0
        placed.append(Placement(head.run_id, lane.sweep_id, head.attempts, tuple(devices), part))
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
    if lane.capacity is not None and sum(sweeps.values()) >= lane.capacity.room:
        return "capacity"
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


def bound_of(need: Need, sweep: int | None, campaign: int | None) -> int | None:
    """How many runs of a sweep may be live at once, by its own bound and its campaign's; None = what devices allow.

    Runs that take no device always have a bound: one at a time where nobody says more.
    """
    return 1 if takes_nothing(need) and sweep is None and campaign is None else sweep


def _fit(lane: Lane, head: Head, room: _Room, now: float) -> list[FreeDevice] | None:
    """The devices that a run gets; None when there are too few of them, which it may then keep for itself."""
    need = lane.need
    _, number = kind_and_number(need)
    left = [device for device in room.free.values() if device.id not in room.kept]
    able = [device for device in left if may_have(device, need, head.peaks.get(device.name))]
    if len(able) >= number:
        return sorted(able, key=lambda device: _preference(device, head))[:number]
    hope = room.well is None or sum(suits(device, need) for device in room.well) >= number
    if hope and now - head.created_at >= PATIENCE:
        room.kept.update(device.id for device in left if could_have(device, need))
    return None


def _preference(device: FreeDevice, head: Head) -> tuple[bool, int, int, int, int]:
    """What is given first: not where it ran out of memory, nobody there, little promised, the smallest that suits (the
    largest after a lack of memory), the driver's order."""
    promised = sum(holder.peak_mib or 0 for holder in device.holders)
    size = -device.memory_mib if head.avoid else device.memory_mib
    return device.id in head.avoid, len(device.holders), promised, size, device.position
