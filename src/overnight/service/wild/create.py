"""Making runs of the Wild V2 protocol: where they belong, whose they are, how they are carried out. Source: the
protocol, 2.2, 2.5 and decisions 2 to 4."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from overnight.domain.errors import Conflict, InvalidRequest
from overnight.domain.nouns import Attribution, Campaign
from overnight.domain.plan import NOTHING, CellPlan, Need, Retry, Scalar, SweepPlan
from overnight.domain.states import CAMPAIGN
from overnight.ids import new_id
from overnight.planner.capacity import pinned
from overnight.service.context import Context
from overnight.service.wild.run_requests import NewRun, plain
from overnight.service.wild.sweep_requests import NewSweep, NewWildSweep
from overnight.store import campaigns, rows, scope, wild
from overnight.store.base import Session
from overnight.store.moves import move

PHASE = "runs"
"""What the runs that were added to a sweep are reported under."""
RETRIES = 2
"""Retries of a run whose GPU was busy or full, where nothing else is said."""
RETRY_SECONDS = 5.0
"""Pause before each of them."""
ENDLESS = 1_000_000
"""Attempts of a run that is tried again for ever."""
SHELL = "/bin/bash"
"""What reads commands, where it is there."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a run is carried out."""

    command: str
    workdir: str
    """Absolute."""
    gpuwrap: Mapping[str, Any] | None = None
    """As it was said: `enabled, retries, retry_delay_seconds`."""


def plan_of(recipe: Recipe, *, in_sweep: bool) -> SweepPlan:
    """The settings that runs of this recipe share."""
    pin = pinned(recipe.command)
    return SweepPlan(
        name="",
        cells=(),
        workdir=recipe.workdir,
        need=Need(gpus=len(pin or ()), slots=0, devices=pin),
        retry=retry_of(recipe.gpuwrap),
        phase=PHASE if in_sweep else "",
        breaker=None,
        capacity=True,
        shell=SHELL if os.path.exists(SHELL) else "/bin/sh",
    )


def retry_of(gpuwrap: Mapping[str, Any] | None) -> Retry:
    """What `gpuwrap_config` means."""
    said = {name: value for name, value in (gpuwrap or {}).items() if value is not None}
    retries = said.get("retries", RETRIES) if said.get("enabled", True) else 0
    return Retry(
        attempts=ENDLESS if retries < 0 else retries + 1,
        delay=said.get("retry_delay_seconds", RETRY_SECONDS),
        factor=1.0,
        only_gpu_memory=True,
    )


def folder_of(context: Context, workdir: str | None) -> str:
    """The working folder that is meant: the server's own, or one that a relative path starts from there."""
    return os.path.join(context.folder, workdir) if workdir else context.folder


def git_of(context: Context, workdir: str) -> dict[str, Any]:
    """The commit of a working folder now. Runs a program: not for a transaction."""
    head = context.heads.of(workdir, context.store.clock.boot())
    return {"sha": head.sha, "dirty": head.dirty}


@dataclass(frozen=True, slots=True)
class New:
    """A run to be made."""

    name: str
    config: Mapping[str, Any]
    """See `config_of`."""


def config_of(command: str, kept: Mapping[str, Any], parameters: Mapping[str, Scalar] = NOTHING) -> dict[str, Any]:
    """What is frozen of a run. `kept`: what the protocol alone knows of it, `gpuwrap_config, origin_alert_id, git` and,
    in a grid, `sweep_params`."""
    cell = CellPlan(name="", parameters=parameters, command=command)
    return {**json.loads(campaigns.config_of(cell)), "wild": dict(kept)}


@dataclass(frozen=True, slots=True)
class Home:
    """Where new runs belong, and whose they are."""

    campaign: Campaign | None
    by: Attribution
    parent_id: str | None = None


def insert(
    session: Session, context: Context, home: Home, plan: SweepPlan, new: Iterable[New], *, queued: bool
) -> list[str]:
    """Make runs of one shape; returns their ids. An ended sweep goes on."""
    campaign_id = home.campaign.id if home.campaign else None
    if home.campaign and home.campaign.state != "active":
        move(session, CAMPAIGN, home.campaign.id, "reopen")
    sweep_id = campaigns.shared_sweep(session, plan, context.rng, campaign_id)
    made = [(new_id(context.rng), it.name, rows.encode(it.config)) for it in new]
    state = "queued" if queued else "ready"
    campaigns.insert_runs(session, campaign_id, sweep_id, made, state=state, by=home.by, parent_id=home.parent_id)
    return [run_id for run_id, _, _ in made]


def home_of(session: Session, context: Context, request: NewRun, sweep_id: str | None) -> Home:
    """Where a new run belongs; InvalidRequest where a strict server wants to be told, NotFound, Conflict."""
    campaign = joinable(session, sweep_id) if sweep_id else None
    by = attribution(context, request, campaign)
    if campaign is None and context.configuration.wild.strict and by.chat is not None:
        campaign = _only_sweep(session, by.chat)
    return Home(campaign, by, request.parent_run_id or None)


def joinable(session: Session, sweep_id: str) -> Campaign:
    """A sweep to which runs may be added; NotFound, or Conflict for one that was cancelled or comes from a file."""
    campaign = scope.require_campaign(session, sweep_id)
    kept = wild.sweep_of(session, sweep_id)
    if kept is None:
        raise Conflict(f"Sweep was made from a campaign file: {sweep_id}", next_step="Change the file and update it.")
    if kept.cancelled:
        raise Conflict(f"Sweep is canceled: {sweep_id}", next_step="Create a new sweep.")
    return campaign


def attribution(context: Context, request: NewRun | NewSweep | NewWildSweep, campaign: Campaign | None) -> Attribution:
    """In which conversation something is made: as is said, else that of its sweep."""
    origin, chat = origin_of(context), request.chat_session_id
    if "chat_session_id" in request.model_fields_set and chat != "":
        return Attribution(origin, chat, 1 if chat is None else 2)
    by = Attribution(origin, campaign.chat, campaign.attributed) if campaign else Attribution(origin)
    if context.configuration.wild.strict and not by.attributed:
        raise _missing("chat_session_id", "send the conversation's id, or null if there is none on purpose")
    return by


def origin_of(context: Context) -> str:
    """The surface by which something is made: this protocol, unless another one speaks for it."""
    return "wild" if context.origin == "native" else context.origin


def _missing(name: str, what: str) -> InvalidRequest:
    message = f"this server is strict: {what}"
    detail = {"type": "missing", "loc": ["body", name], "msg": message, "input": None}
    return InvalidRequest(f"{name}: {message}", place=name, next_step="Send it.", details=[detail])


def _only_sweep(session: Session, chat: str) -> Campaign:
    """The one open sweep of a conversation: of those that are not over, else of all that were not cancelled."""
    found = [row for row in session.rows("wild_sweeps_open", chat=chat, limit=1_000) if json.loads(row[2])["is_wild"]]
    found = [row for row in found if scope.visible(session, "campaign", row[0])]
    going_on = [row for row in found if row[1] == "active"] or found
    if len(going_on) != 1:
        many = "no open wild sweep" if not going_on else "several open wild sweeps"
        raise _missing("sweep_id", f"send the sweep's id, for the conversation has {many}")
    return campaigns.get(session, going_on[0][0])


def kept_of(request: NewRun, git: Mapping[str, Any]) -> dict[str, Any]:
    """What the protocol alone knows of a run that is asked for."""
    return {
        "gpuwrap_config": plain(request.gpuwrap_config),
        "origin_alert_id": request.origin_alert_id,
        "git": dict(git),
    }
