"""Sweeps and campaigns as the planner sees them."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence

from overnight.domain.cluster import Capacity
from overnight.domain.nouns import Campaign, Device, Sweep
from overnight.domain.plan import Need
from overnight.domain.states import LIVE_RUN
from overnight.planner.candidates import Lost
from overnight.planner.place import CampaignView, Head, Lane, bound_of
from overnight.planner.waves import Wave, unsettled
from overnight.store import campaigns, cluster, rows, targets
from overnight.store.base import Session

Holds = Mapping[str, tuple[str, str]]
"""What `marks.holds` says: subject -> (code, detail). Read once for all sweeps of a pass."""


class _Everything:
    """Contains whatever one asks for."""

    def __contains__(self, _: object) -> bool:
        return True


EVERYWHERE: Container[str] = _Everything()
"""For who does not ask which targets are reached."""


def lane_of(
    session: Session,
    sweep: Sweep,
    heads: tuple[Head, ...],
    views: dict[str, CampaignView],
    held: Holds,
    capacity: Capacity | None = None,
    reached: Container[str] = EVERYWHERE,
) -> Lane:
    """One sweep as the planner sees it; `views` keeps campaigns that were looked at before. `capacity`: what bounds
    sweeps that bring no bound of their own, where it was read before. `reached`: the targets that answer."""
    campaign_id = sweep.campaign_id
    bounded = (capacity or cluster.capacity(session)) if sweep.settings.capacity else None
    if campaign_id and campaign_id not in views:
        views[campaign_id] = campaign_view(session, campaigns.get(session, campaign_id))
    campaign, need = views[campaign_id] if campaign_id else None, need_of(sweep, bounded)
    parallel = sweep.settings.parallel
    if bounded is None:
        parallel = bound_of(need, parallel, campaign.parallel if campaign else None)
    counts = campaigns.sweep_counts(session, sweep.id) if parallel is not None else {}
    return Lane(
        sweep_id=sweep.id,
        campaign=campaign,
        open=sweep.gate == "open",
        priority=sweep.priority,
        need=need,
        live=sum(counts.get(state, 0) for state in LIVE_RUN),
        parallel=parallel,
        heads=heads,
        hold=hold_of(session, sweep, held),
        capacity=bounded,
        targets=targets_of(sweep, held, reached),
    )


def need_of(sweep: Sweep, capacity: Capacity | None) -> Need:
    """What a run of a sweep takes: what its settings say, or what the machines give to those that say nothing."""
    need = sweep.settings.need
    return capacity.need_of(need) if sweep.settings.capacity and capacity is not None else need


def folder_subject(sweep_id: str, targets: Sequence[str], target: str) -> str:
    """What a hold names that concerns the working folder of a sweep on one of its targets."""
    return sweep_id if len(targets) == 1 else f"{sweep_id}@{target}"


def targets_of(sweep: Sweep, held: Holds, reached: Container[str] = EVERYWHERE) -> tuple[str, ...]:
    """Where its runs may start now, in order of preference."""
    return tuple(it for it in sweep.settings.targets if it in reached and hold_there(sweep, it, held) is None)


def lost_targets(session: Session) -> dict[str, Lost]:
    """The targets that are not reached."""
    found = targets.known(session).values()
    return {it.name: Lost(it.since, it.detail) for it in found if it.state == targets.UNKNOWN}


def hold_there(sweep: Sweep, target: str, held: Holds) -> str | None:
    """Why nothing new of a sweep may start on one of its targets."""
    found = held.get(target) or held.get(folder_subject(sweep.id, sweep.settings.targets, target))
    return found[1] if found else None


def hold_of(session: Session, sweep: Sweep, held: Holds) -> str | None:
    """Why nothing new of a sweep may start now: something holds it, or all its targets, or its barrier is shut."""
    if sweep.id in held:
        return held[sweep.id][1]
    there = [hold_there(sweep, it, held) for it in sweep.settings.targets]
    return next((it for it in there if it), None) if all(there) else barrier_of(session, sweep)


def barrier_of(session: Session, sweep: Sweep) -> str | None:
    """What the barrier of a sweep waits for; None when it has none, or when it is open."""
    siblings = _siblings(session, sweep)
    if not sweep.settings.barrier or any(one.phase == sweep.phase and one.started_at is not None for one in siblings):
        return None
    wave = Wave(
        going_on=earlier_going_on(session, sweep, siblings),
        holding=_holding(session, sweep, siblings),
        devices=_devices(session, sweep),
    )
    return unsettled(wave, sweep.settings.need, session.now)


def _siblings(session: Session, sweep: Sweep) -> list[Sweep]:
    """All sweeps of its campaign, for a sweep with a barrier."""
    if not sweep.settings.barrier or sweep.campaign_id is None:
        return []
    return campaigns.sweeps_of(session, sweep.campaign_id)


def _earlier(sweep: Sweep, siblings: Sequence[Sweep]) -> dict[str, str]:
    """id -> phase of the sweeps of the phases before; those of its own phase start together with it."""
    return {one.id: one.phase for one in siblings if one.seq < sweep.seq and one.phase != sweep.phase}


def earlier_going_on(session: Session, sweep: Sweep, siblings: Sequence[Sweep]) -> dict[str, int]:
    """Phase -> runs of earlier phases that go on by themselves."""
    earlier = _earlier(sweep, siblings)
    found: dict[str, int] = {}
    for sweep_id, _, _, number in session.rows("sweeps_going_on", campaign_id=sweep.campaign_id) if earlier else ():
        if sweep_id in earlier:
            found[earlier[sweep_id]] = found.get(earlier[sweep_id], 0) + number
    return found


def _holding(session: Session, sweep: Sweep, siblings: Sequence[Sweep]) -> list[str]:
    """Devices that attempts of earlier phases have not been proven to have left."""
    earlier = _earlier(sweep, siblings)
    found = session.rows("leases_of_sweeps_before", campaign_id=sweep.campaign_id, seq=sweep.seq) if earlier else []
    return sorted({row[1] for row in found if row[0] in earlier})


def _devices(session: Session, sweep: Sweep) -> list[Device]:
    if not sweep.settings.need.gpus:
        return []
    return [rows.device(row) for target in sweep.settings.targets for row in session.rows("devices_of", target=target)]


def can_go_on(session: Session, campaign_id: str) -> bool:
    """Whether something of a campaign runs, or may run without new files: waiting runs need them, or others that do.

    Queued runs behind a barrier count as waiting: it opens when the phases before are over.
    """
    for sweep_id, _, state, _ in session.rows("sweeps_going_on", campaign_id=campaign_id):
        if state == "queued" and _behind_waiting(session, campaigns.get_sweep(session, sweep_id)):
            continue
        if state != "waiting":
            return True
    return False


def _behind_waiting(session: Session, sweep: Sweep) -> bool:
    siblings = _siblings(session, sweep)
    if any(one.phase == sweep.phase and one.started_at is not None for one in siblings):
        return False
    return bool(earlier_going_on(session, sweep, siblings))


def campaign_view(session: Session, campaign: Campaign) -> CampaignView:
    """What bounds all sweeps of a campaign."""
    budget = campaign.budget
    bounded = campaign.parallel is not None or budget.attempts is not None or budget.wall is not None
    counts = campaigns.counts(session, campaign.id) if bounded else {}
    since = campaign.started_at if campaign.started_at is not None else session.now
    return CampaignView(
        id=campaign.id,
        open=campaign.gate == "open",
        live=sum(counts.get(state, 0) for state in LIVE_RUN),
        parallel=campaign.parallel,
        attempts_left=None if budget.attempts is None else budget.attempts - campaign.attempts_used,
        wall_left=None if budget.wall is None else budget.wall - (session.now - since),
    )
