"""What changes a run without carrying it out: edit, make again, archive, move into a sweep."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from typing_extensions import TypedDict

from overnight.domain.errors import BadRequest, Conflict
from overnight.domain.nouns import Attribution, Campaign, Run
from overnight.domain.plan import SweepPlan
from overnight.planner.capacity import pinned
from overnight.planner.wild import ACTIVE, TERMINAL
from overnight.service import consequences
from overnight.service.context import Context
from overnight.service.steer import in_one_write
from overnight.service.wild import create, views
from overnight.service.wild.create import Home, New, Recipe
from overnight.service.wild.requests import OneRun
from overnight.service.wild.run_requests import Joining, Rerun, RunEdit, plain
from overnight.service.wild.views import RunView
from overnight.service.wild.work import Work
from overnight.store import campaigns, runs, scope, wild
from overnight.store.base import Session


class Archived(TypedDict):
    """A run that listings leave out, or show again."""

    message: str
    run: RunView


class Message(TypedDict):
    """What was done."""

    message: str


def edit_run(context: Context, request: RunEdit) -> RunView:
    """Change what a run is called or does: only its name while it is carried out, nothing when it is over."""
    for name in ("name", "command", "workdir"):
        value = getattr(request, name)
        if value is not None and not value.strip():
            raise BadRequest(f"{name} must not be blank", place=name, next_step="Leave it out to keep it.")

    def change(session: Session) -> RunView:
        run = scope.require_run(session, request.id)
        _refuse_edit(session, run, request)
        _rename(session, run, request.name)
        _recast(session, context, run, request)
        return views.one(session, runs.get(session, run.id))

    return in_one_write(context, change)


def _refuse_edit(session: Session, run: Run, request: RunEdit) -> None:
    status = views.status_of(session, run)
    if status in TERMINAL:
        raise Conflict(f"Run is over (status: {status})", next_step="Make a new one with /rerun.")
    carried_out = request.command is not None or request.workdir is not None
    if carried_out and status in ACTIVE:
        raise Conflict(f"Run is being carried out (status: {status})", next_step="Stop it, then make a new one.")
    if "wild" not in run.config:
        raise Conflict("Run was not made by this protocol", next_step="Change its campaign file and update it.")


def _rename(session: Session, run: Run, name: str | None) -> None:
    if name is None or name == run.name:
        return
    session.record("run.update", run.id, **wild.told(run, before={"name": run.name}, after={"name": name}))
    session.rows("run_named", id=run.id, name=name)


def _recast(session: Session, context: Context, run: Run, request: RunEdit) -> None:
    before = campaigns.get_sweep(session, run.sweep_id).settings.workdir
    workdir = before if request.workdir is None else create.folder_of(context, request.workdir)
    command = run.config["command"] if request.command is None else request.command
    recast(session, context, run, command, workdir)


def recast(session: Session, context: Context, run: Run, command: str, workdir: str) -> bool:
    """Give a run that does not run another command or working folder, and so maybe another hidden sweep; False when it
    has them already."""
    plan = campaigns.plan_of(campaigns.get_sweep(session, run.sweep_id))
    before, after = (run.config["command"], plan.workdir), (command, workdir)
    if before == after:
        return False
    sweep_id = campaigns.shared_sweep(session, _with(plan, command, workdir), context.rng, run.campaign_id)
    said = {"before": _differing(before, after), "after": _differing(after, before)}
    wild.replace_config(session, run, {**run.config, "command": command}, sweep_id, **said)
    consequences.settle_sweeps(session, {run.sweep_id} - {sweep_id})
    return True


def _differing(values: tuple[str, str], others: tuple[str, str]) -> dict[str, str]:
    names = ("command", "workdir")
    return {name: it for name, it, other in zip(names, values, others, strict=True) if it != other}


def _with(plan: SweepPlan, command: str, workdir: str) -> SweepPlan:
    pin = pinned(command)
    return replace(plan, workdir=workdir, need=replace(plan.need, gpus=len(pin or ()), devices=pin))


def rerun_run(context: Context, request: Rerun) -> RunView:
    """Make a new run of the same configuration, in the same sweep and conversation; the old one stays as it is."""
    if request.command is not None and not request.command.strip():
        raise BadRequest("No command to run again", place="command", next_step="Give a command.")
    workdir = context.store.read(lambda session: _workdir(session, scope.require_run(session, request.id)))
    git = create.git_of(context, workdir)

    def change(session: Session) -> RunView:
        old = scope.require_run(session, request.id)
        campaign = create.joinable(session, old.campaign_id) if old.campaign_id else None
        home = Home(campaign, Attribution(create.origin_of(context), old.chat, old.attributed), old.id)
        config = _config_again(old, request, git)
        new = New(f"{old.name} (Rerun)", config)
        plan = _plan_again(session, old, config, campaign)
        (run_id,) = create.insert(session, context, home, plan, [new], queued=request.auto_start)
        return views.one(session, runs.get(session, run_id))

    return in_one_write(context, change)


def _workdir(session: Session, run: Run) -> str:
    return campaigns.get_sweep(session, run.sweep_id).settings.workdir


def _config_again(old: Run, request: Rerun, git: Mapping[str, Any]) -> dict[str, Any]:
    command = old.config["command"] if request.command is None else request.command
    kept = {"gpuwrap_config": None, **(old.config.get("wild") or {})}
    if request.gpuwrap_config is not None:
        kept["gpuwrap_config"] = plain(request.gpuwrap_config)
    kept |= {"origin_alert_id": request.origin_alert_id, "git": dict(git)}
    return {**old.config, "command": command, "wild": kept}


def _plan_again(session: Session, old: Run, config: Mapping[str, Any], campaign: Campaign | None) -> SweepPlan:
    """As the old run, with what is asked for now; a run of another dialect keeps the settings that it has there."""
    if "wild" not in old.config:
        return campaigns.plan_of(campaigns.get_sweep(session, old.sweep_id))
    recipe = Recipe(config["command"], _workdir(session, old), config["wild"]["gpuwrap_config"])
    return create.plan_of(recipe, in_sweep=campaign is not None)


def archive_run(context: Context, request: OneRun) -> Archived:
    """Have listings leave a run out that is not carried out."""
    return _archive(context, request, archived=True)


def unarchive_run(context: Context, request: OneRun) -> Archived:
    """Have listings show a run again."""
    return _archive(context, request, archived=False)


def _archive(context: Context, request: OneRun, *, archived: bool) -> Archived:
    def change(session: Session) -> Archived:
        run = scope.require_run(session, request.id)
        status = views.status_of(session, run)
        if archived and status in ACTIVE:
            raise Conflict(f"Run is being carried out (status: {status})", next_step="Stop it first.")
        if archived != (run.archived_at is not None):
            session.rows("run_archived_put", id=run.id, archived_at=session.now if archived else None)
            kind = "run.archive" if archived else "run.unarchive"
            session.record(kind, run.id, **wild.told(run, before=not archived, after=archived))
        word = "archived" if archived else "unarchived"
        return {"message": f"Run {word}", "run": views.one(session, runs.get(session, run.id))}

    return in_one_write(context, change)


def add_run_to_sweep(context: Context, request: Joining) -> Message:
    """Move a run into a sweep: one that is not queued or carried out, or has no sweep yet."""

    def change(session: Session) -> Message:
        run = scope.require_run(session, request.id)
        campaign = create.joinable(session, request.sweep_id)
        if run.campaign_id != campaign.id:
            _refuse_join(session, run)
            _join(session, context, run, campaign)
        return {"message": "Run added to sweep"}

    return in_one_write(context, change)


def _refuse_join(session: Session, run: Run) -> None:
    if run.campaign_id is None:
        return
    if wild.sweep_of(session, run.campaign_id) is None:
        raise Conflict("Run was made from a campaign file", next_step="Make a new run in the sweep.")
    status = views.status_of(session, run)
    if status not in ("ready", *TERMINAL):
        raise Conflict(f"Run has a sweep and is {status}", next_step="Stop it, then make a new one in the sweep.")


def _join(session: Session, context: Context, run: Run, campaign: Campaign) -> None:
    plan = replace(campaigns.plan_of(campaigns.get_sweep(session, run.sweep_id)), phase=create.PHASE)
    sweep_id = campaigns.shared_sweep(session, plan, context.rng, campaign.id)
    said = wild.told(run, before={"sweep_id": run.campaign_id}, after={"sweep_id": campaign.id})
    session.record("run.join", run.id, sweep=sweep_id, **said)
    wild.change_sweep(session, run, campaign.id, sweep_id)
    consequences.reopen(session, [run.id])
    consequences.settle_sweeps(session, {run.sweep_id, sweep_id})


WORK: dict[str, Work] = {
    "edit_run": Work(RunEdit, edit_run, RunView),
    "rerun_run": Work(Rerun, rerun_run, RunView),
    "archive_run": Work(OneRun, archive_run, Archived),
    "unarchive_run": Work(OneRun, unarchive_run, Archived),
    "add_run_to_sweep": Work(Joining, add_run_to_sweep, Message),
}
"""Name of an operation -> what it takes, what carries it out, what it answers."""
