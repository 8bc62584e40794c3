"""Sweeps: create, list, look, start, cancel. What changes one is in `sweep_edits`. A sweep is a campaign."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from typing_extensions import TypedDict

from overnight.domain.errors import BadRequest, Conflict
from overnight.domain.nouns import Attribution, Campaign
from overnight.domain.plan import CampaignPlan
from overnight.ids import new_id
from overnight.service.context import Context
from overnight.service.steer import in_one_write
from overnight.service.wild import create, expand, grids, sweep_edits, sweep_views
from overnight.service.wild.requests import OneRun
from overnight.service.wild.sweep_edits import cancel, set_parallel
from overnight.service.wild.sweep_requests import NewSweep, NewWildSweep, SweepPage, SweepStart
from overnight.service.wild.sweep_views import SweepView
from overnight.service.wild.work import Listed, Work
from overnight.store import campaigns, listing, scope, wild
from overnight.store.base import Session
from overnight.store.campaigns import Submission
from overnight.store.listing import WantedCampaigns

NEWEST = 2**62
"""A place after every campaign."""
NOT_AT_FIRST = ("completed", "failed", "canceled")
"""What a sweep is not created as."""


class Started(TypedDict):
    """How many runs were handed to the scheduler."""

    message: str
    sweep_id: str


class Canceled(Started):
    """How many runs were cancelled, or told to stop."""

    stopped: int


def create_wild_sweep(context: Context, request: NewWildSweep) -> SweepView:
    """Make an open sweep, to which runs are added."""
    by = create.attribution(context, request, None)
    said = {
        "base_command": "",
        "workdir": create.folder_of(context, None),
        "parameters": {},
        "goal": request.goal,
        "max_runs": 0,
        "is_wild": True,
        "ui_config": None,
    }

    def change(session: Session) -> SweepView:
        campaign = _make(session, context, request.name, said, by, draft=False)
        return sweep_views.one(session, campaign)

    return in_one_write(context, change)


def create_sweep(context: Context, request: NewSweep) -> SweepView:
    """Make a sweep over a grid, with its runs unless it is a draft."""
    status = (request.status or "pending").strip().lower()
    if status in NOT_AT_FIRST:
        raise BadRequest(f"Unsupported sweep status: {request.status}", place="status", next_step="Leave it out.")
    by, said = create.attribution(context, request, None), _said(context, request, draft=status == "draft")
    grids.refuse_size(context, said)
    git = create.git_of(context, said["workdir"])
    queued = request.auto_start or status == "running"

    def change(session: Session) -> SweepView:
        campaign = _make(session, context, request.name, said, by, draft=status == "draft")
        if status != "draft":
            grids.fill(session, context, campaign, said, git, queued=queued)
        return sweep_views.one(session, campaigns.get(session, campaign.id))

    return in_one_write(context, change)


def _said(context: Context, request: NewSweep, *, draft: bool) -> dict[str, Any]:
    return {
        "base_command": request.base_command,
        "workdir": create.folder_of(context, request.workdir),
        "parameters": request.parameters,
        "goal": request.goal or "",
        "max_runs": request.max_runs,
        "is_wild": False,
        "ui_config": request.ui_config,
        "expansion": expand.expansion_of(request.parameters, request.max_runs, created=not draft),
    }


def _make(
    session: Session, context: Context, name: str, said: Mapping[str, Any], by: Attribution, *, draft: bool
) -> Campaign:
    """A campaign without sweeps: they come with the runs."""
    submission = Submission(source="", path="", code={}, by=by)
    digest = f"wild-{new_id(context.rng)}"
    campaign_id = campaigns.submit(session, CampaignPlan(name=name, sweeps=()), submission, digest, context.rng)
    asked = {"name": name, "command": said["base_command"], **said}
    kept = {**said, "creation_context": expand.creation_context(asked, said["ui_config"], session.now)}
    wild.insert_sweep(session, campaign_id, kept, draft=draft)
    return campaigns.get(session, campaign_id)


def get_sweeps(context: Context, request: SweepPage) -> list[SweepView]:
    """Sweeps, newest first; a page ends where its cursor says."""

    def read(session: Session) -> list[SweepView]:
        place = int(request.cursor[1:], 16) if request.cursor else NEWEST
        wanted = WantedCampaigns(chat=request.chat_session_id or None)
        found = listing.campaigns(session, wanted, place, request.limit)
        more = found and len(found) == request.limit
        return Listed(sweep_views.many(session, found), f"r{found[-1].seq:x}" if more else None)

    return context.store.read(read)


def get_sweep(context: Context, request: OneRun) -> SweepView:
    """One sweep, with its progress now."""
    return context.store.read(lambda session: sweep_views.one(session, _known(session, request.id)))


def _known(session: Session, sweep_id: str) -> Campaign:
    return scope.require_campaign(session, sweep_id)


def start_sweep(context: Context, request: SweepStart) -> Started:
    """Hand every ready run of a sweep to the scheduler; from now on `parallel` of them may be live at once."""

    def change(session: Session) -> Started:
        campaign = _known(session, request.id)
        kept = wild.sweep_of(session, campaign.id)
        if kept:
            _refuse_start(session, campaign, kept)
            set_parallel(session, campaign, request.parallel)
        wild.enqueue_all(session, campaign.id, wild.runs_in(session, campaign.id, ("ready",)))
        queued = sweep_views.progress(session, campaign.id, wild.launching(session)).queued
        number = min(request.parallel, queued)
        return {"message": f"Started {number}/{number} runs", "sweep_id": campaign.id}

    return in_one_write(context, change)


def _refuse_start(session: Session, campaign: Campaign, kept: wild.WildSweep) -> None:
    _, status = sweep_views.status_now(session, campaign.id, kept)
    if status == "draft":
        raise BadRequest("Sweep is a draft: it has no runs", next_step='Set its status to "pending" first.')
    if status == "canceled" and kept.cancelled:
        raise Conflict(f"Sweep is canceled: {campaign.id}", next_step="Create a new sweep.")


def cancel_sweep(context: Context, request: OneRun) -> Canceled:
    """Stop everything of a sweep; it stays cancelled."""

    def change(session: Session) -> Canceled:
        campaign = _known(session, request.id)
        stopped = cancel(session, campaign)
        return {"message": "Sweep canceled", "sweep_id": campaign.id, "stopped": stopped}

    return in_one_write(context, change)


WORK: dict[str, Work] = {
    "create_wild_sweep": Work(NewWildSweep, create_wild_sweep, SweepView),
    "create_sweep": Work(NewSweep, create_sweep, SweepView),
    "get_sweeps": Work(SweepPage, get_sweeps, list[SweepView]),
    "get_sweep": Work(OneRun, get_sweep, SweepView),
    "start_sweep": Work(SweepStart, start_sweep, Started),
    "cancel_sweep": Work(OneRun, cancel_sweep, Canceled),
    **sweep_edits.WORK,
}
"""Name of an operation -> what it takes, what carries it out, what it answers."""
