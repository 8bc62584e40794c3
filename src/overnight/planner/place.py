"""Which queued runs get which free devices now, and why the others do not."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from overnight.domain.cluster import HERE, Capacity
from overnight.domain.plan import Need
from overnight.ids import attempt_id
from overnight.planner.fit import (
    FreeDevice,
    could_have,
    free_part,
    joined,
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
    targets: tuple[str, ...] = (HERE,)
    """Where its runs may start now, in order of preference."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything that one placement looks at: all targets that may be given something, for bounds hold over them
    together."""

    lanes: tuple[Lane, ...]
    free: tuple[FreeDevice, ...]
    well: tuple[FreeDevice, ...] | None = None
    """Every healthy device, taken or not: what a run that waits may hope for. None = everything."""


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
    target: str = HERE


_Spot = tuple[str, str]
"""Target and kind of devices."""


@dataclass(slots=True)
class _Room:
    """What is left while placements are made."""

    free: dict[_Spot, dict[str, FreeDevice]]
    well: Mapping[_Spot, Mapping[str, FreeDevice]] | None
    sweeps: dict[str, int] = field(default_factory=dict)
    campaigns: dict[str, int] = field(default_factory=dict)
    kept: set[str] = field(default_factory=set)
    """Devices kept for runs that wait too long already."""

    def take(self, lane: Lane, head: Head, devices: Sequence[FreeDevice]) -> None:
        for device in devices:
            there = self.free[device.target, device.kind]
            del there[device.id]
            if lane.need.share > 1:
                attempt = attempt_id(head.run_id, head.attempts + 1)
                there[device.id] = joined(device, attempt, lane.need.share, head.peaks.get(device.name))
        self.sweeps[lane.sweep_id] = self.sweeps.get(lane.sweep_id, 0) + 1
        if lane.campaign:
            self.campaigns[lane.campaign.id] = self.campaigns.get(lane.campaign.id, 0) + 1

    def left(self, target: str, kind: str) -> list[FreeDevice]:
        """What may be given there and is kept for nobody."""
        return [device for device in self.free.get((target, kind), {}).values() if device.id not in self.kept]


def _by_spot(devices: Sequence[FreeDevice]) -> dict[_Spot, dict[str, FreeDevice]]:
    found: dict[_Spot, dict[str, FreeDevice]] = {}
    for device in devices:
        found.setdefault((device.target, device.kind), {})[device.id] = device
    return found


def place(snapshot: Snapshot, now: float) -> tuple[Placement, ...]:
    """Give free devices to runs: priority first, then submission order, smaller runs filling gaps.

    A run gets devices of one target, the first of its own that has enough of them free. Bounds hold for the sum of what
    is live and what is placed here. A run that has waited for `PATIENCE` and does not fit keeps the devices that serve
    it for itself, on the target that is nearest to having enough, so that a stream of small or sharing runs cannot
    starve it (I39); where it could never fit it keeps nothing.
    """
    room = _Room(_by_spot(snapshot.free), None if snapshot.well is None else _by_spot(snapshot.well))
    placed: list[Placement] = []
    skipped: set[str] = set()
    for lane, head in _in_order(snapshot.lanes):
        if lane.sweep_id in skipped:
            continue
        found = _fit(lane, head, room, now) if limit_of(lane, room.sweeps, room.campaigns) is None else None
        if found is None:
            skipped.add(lane.sweep_id)
            continue
        target, devices = found
        room.take(lane, head, devices)
        part = free_part(devices[0]) if devices else 0
        placed.append(Placement(head.run_id, lane.sweep_id, head.attempts, tuple(devices), part, target))
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


def _fit(lane: Lane, head: Head, room: _Room, now: float) -> tuple[str, list[FreeDevice]] | None:
    """The first target that has enough for a run, and the devices that it gets there; one where it ran out of memory
    comes last. None where nothing is enough: then it may keep some for itself."""
    kind, number = kind_and_number(lane.need)
    found: tuple[str, list[FreeDevice]] | None = None
    for target in lane.targets:
        able = [it for it in room.left(target, kind) if may_have(it, lane.need, head.peaks.get(it.name))]
        chosen = sorted(able, key=lambda device: _preference(device, head))[:number]
        if len(chosen) == number:
            found = found or (target, chosen)
            if head.avoid.isdisjoint(device.id for device in chosen):
                return target, chosen
    if found is None and now - head.created_at >= PATIENCE:
        _keep(lane, room)
    return found


def _keep(lane: Lane, room: _Room) -> None:
    """Keep what serves a run of the lane, on the target with the most of it; on none that could never hold it."""
    kind, number = kind_and_number(lane.need)
    best: tuple[bool, int] = (False, 0)
    kept: list[str] = []
    for target in lane.targets:
        well = None if room.well is None else room.well.get((target, kind), {}).values()
        hope = number if well is None else sum(suits(device, lane.need) for device in well)
        ours = number if well is None else sum(suits(it, lane.need) and not it.strangers for it in well)
        serving = [device.id for device in room.left(target, kind) if could_have(device, lane.need)]
        if hope >= number and (ours >= number, len(serving)) > best:
            best, kept = (ours >= number, len(serving)), serving
    room.kept.update(kept)


def _preference(device: FreeDevice, head: Head) -> tuple[bool, int, int, int, int]:
    """What is given first: not where it ran out of memory, nobody there, little promised, the smallest that suits (the
    largest after a lack of memory), the driver's order."""
    promised = sum(holder.peak_mib or 0 for holder in device.holders)
    size = -device.memory_mib if head.avoid else device.memory_mib
    return device.id in head.avoid, len(device.holders), promised, size, device.position
