"""What changes a sweep: its words, its runs that wait, its end. Source: the protocol, 2.3 and decisions 10 to 12."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from overnight.domain.errors import BadRequest, Conflict
from overnight.domain.nouns import Campaign
from overnight.service import steer
from overnight.service.chosen import Chosen
from overnight.service.context import Context
from overnight.service.steer import in_one_write
from overnight.service.wild import create, edits, expand, grids, sweep_views
from overnight.service.wild.sweep_requests import SweepEdit
from overnight.service.wild.sweep_views import SweepView
from overnight.service.wild.work import Work
from overnight.store import campaigns, rows, runs, scope, wild
from overnight.store.base import Session
from overnight.store.wild import WildSweep

GRID = ("base_command", "parameters", "max_runs")
"""What stays as it is while a sweep runs; of these all but the command stay once there are runs."""
WAITING = ("ready", "waiting", "queued", "delayed")
"""States of runs that a new command reaches."""


def edit_sweep(context: Context, request: SweepEdit) -> SweepView:
    """Change what a sweep is called and makes; a new command reaches the runs of its grid that wait."""
    for name in ("name", "base_command"):
        value = getattr(request, name)
        if value is not None and not value.strip():
            raise BadRequest(f"{name} must not be blank", place=name, next_step="Leave it out to keep it.")
    status = request.status.strip().lower() if request.status is not None else None
    if status in ("completed", "failed"):
        raise BadRequest(f"Unsupported sweep status: {request.status}", place="status", next_step="Leave it out.")
    git = create.git_of(context, _workdir(context, request))

    def change(session: Session) -> SweepView:
        campaign = scope.require_campaign(session, request.id)
        kept = wild.sweep_of(session, campaign.id)
        if kept is None:
            raise Conflict("Sweep was made from a campaign file", next_step="Change the file and update it.")
        _refuse(session, campaign, kept, request, status)
        _say(session, context, campaign, kept, request)
        _enter(session, context, campaign, status, git)
        return sweep_views.one(session, campaigns.get(session, campaign.id))

    return in_one_write(context, change)


def _workdir(context: Context, request: SweepEdit) -> str:
    """Where runs of a draft would work that becomes a grid now."""
    if request.workdir is not None:
        return create.folder_of(context, request.workdir)

    def read(session: Session) -> str:
        kept = wild.sweep_of(session, scope.require_campaign(session, request.id).id)
        return str(kept.settings["workdir"]) if kept else context.folder

    return context.store.read(read)


def _refuse(session: Session, campaign: Campaign, kept: WildSweep, request: SweepEdit, status: str | None) -> None:
    progress, now = sweep_views.status_now(session, campaign.id, kept)
    asked = [name for name in GRID if getattr(request, name) is not None]
    if asked and now == "running":
        raise Conflict(f"{asked[0]} cannot change while the sweep runs", place=asked[0], next_step="Cancel it first.")
    if progress.total and asked not in ([], ["base_command"]):
        raise Conflict(f"{asked[-1]} cannot change: there are runs", place=asked[-1], next_step="Make a new sweep.")
    if progress.total and status == "draft":
        raise Conflict("A sweep with runs is no draft any more", place="status", next_step="Make a new sweep.")
    if kept.cancelled and status not in (None, "canceled"):
        raise Conflict(f"Sweep is canceled: {campaign.id}", place="status", next_step="Make a new sweep.")


def _say(session: Session, context: Context, campaign: Campaign, kept: WildSweep, request: SweepEdit) -> None:
    """Keep the new words; one event with what they were and are."""
    asked = request.model_dump(exclude={"id", "status"}, exclude_none=True)
    if "workdir" in asked:
        asked["workdir"] = create.folder_of(context, asked["workdir"])
    before = {"name": campaign.name, **kept.settings}
    changed = {name: value for name, value in asked.items() if before.get(name) != value}
    if not changed:
        return
    _record(session, campaign, {name: before.get(name) for name in changed}, changed)
    settings = {**kept.settings, **changed}
    name = settings.pop("name", campaign.name)
    wild.save_campaign(session, campaign, name=name, parallel=campaign.parallel)
    wild.save_sweep(session, campaign.id, replace(kept, settings=settings))
    if "base_command" in changed:
        _rewrite(session, context, campaign.id, changed["base_command"])


def _record(session: Session, campaign: Campaign, before: Mapping[str, Any], after: Mapping[str, Any]) -> None:
    chat = {"chat": campaign.chat} if campaign.chat else {}
    session.record("campaign.update", campaign.id, before=_short(before), after=_short(after), **chat)


def _short(values: Mapping[str, Any]) -> dict[str, Any]:
    """Values for an event: lists and objects as text that may be cut."""
    return {
        name: wild.shown(rows.encode(value) if isinstance(value, dict | list) else value)
        for name, value in values.items()
    }


def _rewrite(session: Session, context: Context, campaign_id: str, base: str) -> None:
    """Give the runs of the grid that wait the new command."""
    for run_id in wild.runs_in(session, campaign_id, WAITING):
        run = runs.get(session, run_id)
        values = run.config.get("wild", {}).get("sweep_params")
        if values is not None:
            workdir = campaigns.get_sweep(session, run.sweep_id).settings.workdir
            edits.recast(session, context, run, expand.command_of(base, values), workdir)


def _enter(session: Session, context: Context, campaign: Campaign, status: str | None, git: Mapping[str, Any]) -> None:
    """What a status means that somebody sets: cancel, or turn a draft into a grid and back."""
    kept = wild.sweep_of(session, campaign.id)
    if status is None or kept is None:
        return
    if status == "canceled":
        cancel(session, campaign)
        return
    if kept.draft != (status == "draft"):
        _record(session, campaign, {"draft": kept.draft}, {"draft": status == "draft"})
        wild.save_sweep(session, campaign.id, _redrafted(kept, draft=status == "draft"))
        if status != "draft":
            _fill(session, context, campaign.id, kept.settings, git)
    if status == "running":
        wild.enqueue_all(session, campaign.id, wild.runs_in(session, campaign.id, ("ready",)))


def _redrafted(kept: WildSweep, *, draft: bool) -> WildSweep:
    said = kept.settings
    if said["is_wild"]:
        return replace(kept, draft=draft)
    expansion = expand.expansion_of(said["parameters"], said["max_runs"], created=not draft)
    return replace(kept, draft=draft, settings={**said, "expansion": expansion})


def _fill(
    session: Session, context: Context, campaign_id: str, said: Mapping[str, Any], git: Mapping[str, Any]
) -> None:
    if not said["is_wild"]:
        grids.refuse_size(context, said)
        grids.fill(session, context, campaigns.get(session, campaign_id), said, git, queued=False)


def cancel(session: Session, campaign: Campaign) -> int:
    """Stop everything of a sweep, for good; returns how many runs were cancelled or told to stop."""
    wild.keep_cancelled(session, campaign)
    sweeps = [Chosen(sweep.id) for sweep in reversed(campaigns.sweeps_of(session, campaign.id))]
    return sum(steer.cancel_all(session, sweeps))


def set_parallel(session: Session, campaign: Campaign, parallel: int) -> None:
    """From now on so many runs of a sweep may be live at once."""
    if campaign.parallel != parallel:
        _record(session, campaign, {"parallel": campaign.parallel}, {"parallel": parallel})
        wild.save_campaign(session, campaign, name=campaign.name, parallel=parallel)


WORK: dict[str, Work] = {"edit_sweep": Work(SweepEdit, edit_sweep, SweepView)}
"""Name of an operation -> what it takes, what carries it out, what it answers."""
