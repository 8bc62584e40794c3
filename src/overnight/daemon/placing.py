"""Gives queued runs their devices: reads a snapshot, asks the planner, writes the claims. All in one transaction."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence, Set
from dataclasses import dataclass
from pathlib import Path

from overnight.daemon import sharing
from overnight.daemon.launches import Claimed, effective, lease_of, workdir_of
from overnight.daemon.world import World
from overnight.domain.cluster import HERE, Capacity
from overnight.domain.nouns import Attempt, Sweep, SweepSettings
from overnight.domain.plan import Need
from overnight.domain.reasons import Reason
from overnight.ids import attempt_id
from overnight.planner.fit import FreeDevice, takes_nothing
from overnight.planner.place import PATIENCE, CampaignView, Head, Lane, Placement, Snapshot, limit_of, place
from overnight.service import consequences
from overnight.service.lanes import lane_of, need_of
from overnight.store import campaigns, cluster, marks, rows, runs
from overnight.store.base import Session

FRESH_SECONDS = 60.0
"""A device whose last probe is older gets nothing."""
DEVICELESS_AT_ONCE = 64
"""Runs of one sweep without any device that one pass starts at most."""
MANY = 64
"""Sweeps with queued runs from which on one pass leaves out those whose turn cannot come."""


def place_runs(session: Session, world: World) -> list[Claimed]:
    """Claim as many runs as fit on the reachable targets."""
    sweeps = [rows.sweep(row) for row in session.rows("sweeps_startable")]
    refuse_impossible(session, sweeps)
    snapshot = snapshot_of(session, sweeps, world.reachable)
    if not snapshot.lanes:
        return []
    placements = place(snapshot, session.now)
    claimed = [made for made in (_claim(session, world, placement) for placement in placements) if made]
    _block_without_budget(session, snapshot, placements)
    return claimed


def snapshot_of(session: Session, sweeps: Sequence[Sweep], reached: Set[str]) -> Snapshot:
    """What the planner looks at: those of the sweeps that may start something now on targets that are reached, and the
    devices of these."""
    standing = [sweep for sweep in sweeps if not reached.isdisjoint(sweep.settings.targets)]
    named = sorted({it for sweep in standing for it in sweep.settings.targets} & reached)
    sharing_on = {it for sweep in standing if sweep.settings.need.share > 1 for it in sweep.settings.targets}
    free = [device for target in named for device in free_devices(session, target, shared=target in sharing_on)]
    found = lanes(session, standing, free, reached, capacity_of(session, standing))
    patient = not any(session.now - head.created_at >= PATIENCE for lane in found for head in lane.heads)
    well = None if patient else [device for target in named for device in well_devices(session, target)]
    return Snapshot(found, tuple(free), None if well is None else tuple(well))


def free_devices(session: Session, target: str, *, shared: bool = False) -> list[FreeDevice]:
    """The devices that nobody of ours holds; `shared`: also those whose holders bear company."""
    since = session.now - FRESH_SECONDS
    found = session.rows("devices_free", target=target, seen_since=since)
    free = [FreeDevice(*(*row[:7], bool(row[7]), (), target)) for row in found]
    return free + sharing.shared_devices(session, target, since) if shared else free


def well_devices(session: Session, target: str) -> list[FreeDevice]:
    """All that may be given some time, whoever has it now."""
    found = [rows.device(row) for row in session.rows("devices_of", target=target)]
    return [
        FreeDevice(it.id, it.kind, it.position, it.memory_mib, it.name, strangers=it.strangers, target=target)
        for it in found
        if it.state == "healthy"
    ]


def capacity_of(session: Session, sweeps: Sequence[Sweep]) -> Capacity | None:
    """What bounds those of the sweeps that bring no bound of their own; None = all of them do."""
    return cluster.capacity(session) if any(sweep.settings.capacity for sweep in sweeps) else None


def refuse_impossible(session: Session, sweeps: Sequence[Sweep]) -> None:
    """Fail queued runs whose commands chose GPUs that are not there: they would wait for ever."""
    choosing = [sweep for sweep in sweeps if sweep.settings.need.devices]
    capacity = capacity_of(session, choosing)
    for sweep in choosing if capacity else ():
        missing = capacity.missing(sweep.settings.need) if capacity and sweep.settings.capacity else ()
        if missing:
            queued = session.rows("runs_queued_head", sweep_id=sweep.id, limit=consequences.AT_ONCE)
            consequences.refuse(session, [row[0] for row in queued], no_such_gpu(missing), subject=sweep.id)


def no_such_gpu(positions: Sequence[int]) -> str:
    """The sentence about GPUs that a command chose in vain."""
    named = ", ".join(str(it) for it in positions)
    return f"the command chooses GPU {named} (CUDA_VISIBLE_DEVICES), and this machine has no such GPU"


def lanes(
    session: Session,
    sweeps: Sequence[Sweep],
    free: Sequence[FreeDevice],
    reached: Set[str],
    capacity: Capacity | None = None,
) -> tuple[Lane, ...]:
    """These sweeps with as many queued runs as could find a place; of many that ask for the same only the first."""
    views: dict[str, CampaignView] = {}
    held = marks.holds(session)
    models = sorted({device.name for device in free if device.kind == "gpu"})
    stock = Stock(free)
    found: list[Lane] = []
    able: Counter[tuple[Need, bool, str | None, tuple[str, ...]]] = Counter()
    for sweep in _in_line(session, sweeps):
        settings, need = sweep.settings, need_of(sweep, capacity)
        alike = (settings.need, settings.capacity, sweep.campaign_id, settings.targets)
        room = capacity.room if capacity is not None and settings.capacity else DEVICELESS_AT_ONCE
        limit = stock.depth(need, room, settings.targets)
        if not limit or (len(sweeps) > MANY and need.share == 1 and able[alike] >= limit):
            continue
        heads = _heads(session, sweep, need, min(limit, settings.parallel or limit), models)
        if heads:
            found.append(lane_of(session, sweep, heads, views, held, capacity, reached))
            able[alike] += limit_of(found[-1], {}, {}) is None
    return tuple(found)


def _in_line(session: Session, sweeps: Sequence[Sweep]) -> Sequence[Sweep]:
    """The sweeps; where they are many in the order of their next runs, so that those behind need no look."""
    if len(sweeps) <= MANY:
        return sweeps
    known = {sweep.id: sweep for sweep in sweeps}
    return [known[row[0]] for row in session.rows("sweeps_in_line") if row[0] in known]


def _heads(session: Session, sweep: Sweep, need: Need, limit: int, models: Sequence[str]) -> tuple[Head, ...]:
    found = session.rows("runs_queued_head", sweep_id=sweep.id, limit=limit)
    heads = [Head(run, seq, priority, made, at, _avoid(hint)) for run, seq, priority, made, at, hint in found]
    if need.share > 1:
        heads = [sharing.with_peaks(session, head, models) for head in heads]
    return tuple(heads)


class Stock:
    """How many runs the free devices have room for at most, counted once for all sweeps that ask alike."""

    def __init__(self, free: Sequence[FreeDevice]) -> None:
        self._holders: dict[str, list[int]] = {}
        for device in free:
            self._holders.setdefault(device.target, []).append(len(device.holders))
        self._known: dict[tuple[int, tuple[str, ...]], int] = {}

    def depth(self, need: Need, room: int, targets: tuple[str, ...]) -> int:
        """How many runs alike one pass has to look at: all that it could start, and one that may wait too long. `room`:
        the most that may start."""
        if takes_nothing(need):
            return min(room, DEVICELESS_AT_ONCE)
        key = (need.share, targets)
        if key not in self._known:
            there = [holders for target in targets for holders in self._holders.get(target, ())]
            self._known[key] = sum(max(1, need.share - holders) for holders in there)
        return self._known[key] if room else 0


def _avoid(hint: str | None) -> frozenset[str]:
    """The devices where a run ran out of memory."""
    return frozenset(json.loads(hint).get("avoid", ())) if hint else frozenset()


def _claim(session: Session, world: World, placement: Placement) -> Claimed | None:
    number, target = placement.attempts + 1, placement.target
    folder = str(world.places[target].runs / placement.run_id / str(number))
    devices = [device.id for device in placement.devices]
    sweep = campaigns.get_sweep(session, placement.sweep_id)
    part, share = placement.part, sweep.settings.need.share
    fence = runs.claim(
        session,
        placement.run_id,
        number,
        target=target,
        folder=folder,
        devices=devices,
        part=part,
        share=share,
        lease=lease_of(sweep.settings),
    )
    if fence is None:
        return None
    if sweep.campaign_id:
        session.rows("campaign_used", id=sweep.campaign_id, now=session.now)
    if sweep.settings.barrier:
        session.rows("sweep_started", id=sweep.id, now=session.now)
    spot = Spot(attempt_id(placement.run_id, number), placement.run_id, number, fence, target, folder)
    sharing.mark_packed(session, placement, spot.attempt)
    return _claimed(session, world, spot, placement.devices, sweep.settings)


@dataclass(frozen=True, slots=True)
class Spot:
    """Which attempt, and where."""

    attempt: str
    run: str
    number: int
    fence: int
    target: str
    folder: str


def claimed_again(session: Session, world: World, attempt: Attempt) -> Claimed:
    """The claim of an attempt, made from the record alone: the same however often it is made."""
    found = [session.row("device_get", id=device) for device in attempt.devices]
    devices = [FreeDevice(row[0], row[2], row[3], row[6], row[5]) for row in found if row]
    spot = Spot(attempt.id, attempt.run_id, attempt.number, attempt.fence, attempt.target, attempt.folder)
    sweep = campaigns.get_sweep(session, session.rows("run_standing", id=attempt.run_id)[0][1])
    kept = session.value("attempt_settings", id=attempt.id)
    return _claimed(session, world, spot, devices, rows.sweep_settings(kept) if kept else sweep.settings)


def _claimed(
    session: Session, world: World, spot: Spot, devices: Sequence[FreeDevice], settings: SweepSettings
) -> Claimed:
    text, rung = session.rows("run_config", id=spot.run)[0]
    upstream, borrowed = _upstream(session, world, spot) if "${needs." in text else ({}, frozenset())
    return Claimed(
        attempt=spot.attempt,
        run=spot.run,
        number=spot.number,
        fence=spot.fence,
        target=spot.target,
        folder=spot.folder,
        devices=devices,
        config=effective(json.loads(text), rung),
        settings=settings,
        upstream=upstream,
        borrowed=borrowed,
        log_cap=world.places[spot.target].log_cap,
        workdir=workdir_of(settings, spot.folder),
    )


def _upstream(session: Session, world: World, spot: Spot) -> tuple[dict[str, str], frozenset[str]]:
    """Sweep -> folder of the run of it that this run waited for, and the sweeps of which that folder is here and must
    be brought to the run's target."""
    folders: dict[str, str] = {}
    borrowed: set[str] = set()
    for sweep, folder, target in session.rows("run_upstream", run_id=spot.run):
        folders[sweep] = folder
        if target != spot.target:
            folders[sweep] = folder if target == HERE else str(at_home(world, folder))
            borrowed |= {sweep} - ({sweep} if spot.target == HERE else set())
    return folders, frozenset(borrowed)


def at_home(world: World, folder: str) -> Path:
    """Where the copy of an attempt's folder of another machine lies here: `RUN/N` as there."""
    return world.places[HERE].folder.joinpath(*Path(folder).parts[-2:])


def _block_without_budget(session: Session, snapshot: Snapshot, placements: Sequence[Placement]) -> None:
    """When a campaign's budget is used up and nothing of it runs any more, what is queued can never start: say so."""
    busy = {placement.sweep_id for placement in placements}
    spent = {lane.campaign.id: lane.campaign for lane in snapshot.lanes if lane.campaign and lane.sweep_id not in busy}
    for view in spent.values():
        out_of_attempts = view.attempts_left is not None and view.attempts_left <= 0
        out_of_time = view.wall_left is not None and view.wall_left <= 0
        if view.live == 0 and (out_of_attempts or out_of_time):
            detail = "the campaign has used up its " + ("attempts" if out_of_attempts else "wall time")
            for sweep in campaigns.sweeps_of(session, view.id):
                queued = [
                    row[0] for row in session.rows("runs_queued_head", sweep_id=sweep.id, limit=consequences.AT_ONCE)
                ]
                waiting = [
                    row[0] for row in session.rows("runs_waiting", sweep_id=sweep.id, limit=consequences.AT_ONCE)
                ]
                consequences.block(session, [*queued, *waiting], Reason.BUDGET, detail, subject=view.id)
