"""Gives queued runs their devices: reads a snapshot, asks the planner, writes the claims. All in one transaction."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from overnight.daemon.launches import Claimed, effective
from overnight.daemon.world import World
from overnight.domain.nouns import Attempt, SweepSettings
from overnight.domain.reasons import Reason
from overnight.ids import attempt_id
from overnight.planner.place import CampaignView, FreeDevice, Head, Lane, Placement, Snapshot, place
from overnight.service import consequences
from overnight.service.lanes import lane_of
from overnight.store import campaigns, rows, runs
from overnight.store.base import Session

FRESH_SECONDS = 60.0
"""A device whose last probe is older gets nothing."""


def place_runs(session: Session, world: World) -> list[Claimed]:
    """Claim as many runs as fit on the reachable targets."""
    claimed: list[Claimed] = []
    for name in sorted(world.reachable):
        free = free_devices(session, name)
        if free:
            snapshot = Snapshot(lanes(session, len(free)), free, well_devices(session, name))
            placements = place(snapshot, session.now)
            claimed += [made for made in (_claim(session, world, name, placement) for placement in placements) if made]
            _block_without_budget(session, snapshot, placements)
    return claimed


def free_devices(session: Session, target: str) -> tuple[FreeDevice, ...]:
    """What may be given now."""
    found = session.rows("devices_free", target=target, seen_since=session.now - FRESH_SECONDS)
    return tuple(FreeDevice(*row) for row in found)


def well_devices(session: Session, target: str) -> tuple[FreeDevice, ...]:
    """All that may be given some time, whoever has it now."""
    found = [rows.device(row) for row in session.rows("devices_of", target=target)]
    return tuple(FreeDevice(d.id, d.kind, d.position, d.memory_mib, d.name) for d in found if d.state == "healthy")


def lanes(session: Session, depth: int) -> tuple[Lane, ...]:
    """Every active sweep that has queued runs, with its first `depth` of them."""
    views: dict[str, CampaignView] = {}
    found = []
    for row in session.rows("sweeps_active"):
        sweep = rows.sweep(row)
        heads = session.rows("runs_queued_head", sweep_id=sweep.id, limit=depth)
        if heads:
            found.append(lane_of(session, sweep, tuple(Head(*head) for head in heads), views))
    return tuple(found)


def _claim(session: Session, world: World, target: str, placement: Placement) -> Claimed | None:
    number = placement.attempts + 1
    folder = str(world.places[target].folder / placement.run_id / str(number))
    devices = [device.id for device in placement.devices]
    fence = runs.claim(session, placement.run_id, number, target=target, folder=folder, devices=devices)
    if fence is None:
        return None
    sweep = campaigns.get_sweep(session, placement.sweep_id)
    if sweep.campaign_id:
        session.rows("campaign_used", id=sweep.campaign_id, now=session.now)
    spot = Spot(attempt_id(placement.run_id, number), placement.run_id, number, fence, target, folder)
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
    return _claimed(session, world, spot, devices, sweep.settings)


def _claimed(
    session: Session, world: World, spot: Spot, devices: Sequence[FreeDevice], settings: SweepSettings
) -> Claimed:
    text, rung = session.rows("run_config", id=spot.run)[0]
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
        upstream=dict(session.rows("run_upstream", run_id=spot.run)) if "${needs." in text else {},
        log_cap=world.places[spot.target].log_cap,
    )


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
