"""Sweeps and campaigns as the planner sees them."""

from __future__ import annotations

from overnight.domain.nouns import Campaign, Sweep
from overnight.domain.states import LIVE_RUN
from overnight.planner.place import CampaignView, Head, Lane, bound_of
from overnight.store import campaigns
from overnight.store.base import Session
from overnight.store.marks import holds


def lane_of(session: Session, sweep: Sweep, heads: tuple[Head, ...], views: dict[str, CampaignView]) -> Lane:
    """One sweep as the planner sees it; `views` keeps campaigns that were looked at before."""
    campaign_id = sweep.campaign_id
    if campaign_id and campaign_id not in views:
        views[campaign_id] = campaign_view(session, campaigns.get(session, campaign_id))
    campaign, need = views[campaign_id] if campaign_id else None, sweep.settings.need
    parallel = bound_of(need, sweep.settings.parallel, campaign.parallel if campaign else None)
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
        hold=hold_of(session, sweep),
    )


def hold_of(session: Session, sweep: Sweep) -> str | None:
    """Why nothing new of a sweep may start now: something holds it, or its target."""
    held = holds(session)
    found = held.get(sweep.id) or held.get(sweep.settings.target)
    return found[1] if found else None


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
