"""Sweeps as the Wild V2 protocol shows them; campaigns of other dialects too. Source: the protocol, 2.3."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any

from typing_extensions import TypedDict

from overnight.domain.nouns import Campaign
from overnight.planner.wild import Progress, SweepStatus, progress_of, sweep_status
from overnight.service.wild.expand import creation_context
from overnight.store import campaigns, wild
from overnight.store.base import Session
from overnight.store.wild import WildSweep

ENDED = ("completed", "failed", "canceled")
"""Nothing of the sweep goes on."""


class ProgressView(TypedDict):
    """Numbers of a sweep's runs."""

    total: int
    completed: int
    failed: int
    running: int
    launching: int
    ready: int
    queued: int
    canceled: int


class Expansion(TypedDict):
    """What became of a product of parameters."""

    combinations: int
    created: int
    truncated: bool


class SweepView(TypedDict):
    """A sweep. Times are epoch seconds; None = not yet."""

    id: str
    name: str
    base_command: str
    workdir: str | None
    parameters: dict[str, Any]
    run_ids: list[str]
    status: SweepStatus
    created_at: float
    goal: str
    max_runs: int
    is_wild: bool
    chat_session_id: str | None
    ui_config: dict[str, Any] | None
    creation_context: dict[str, Any]
    progress: ProgressView
    started_at: float | None
    completed_at: float | None
    expansion: Expansion | None


NATIVE: Mapping[str, Any] = MappingProxyType(
    {
        "base_command": "",
        "workdir": None,
        "parameters": {},
        "goal": "",
        "max_runs": 0,
        "is_wild": False,
        "ui_config": None,
        "expansion": None,
        "canceled_at": None,
    }
)
"""What is shown of a campaign of another dialect."""


def progress(session: Session, campaign_id: str, launching: Mapping[str | None, int]) -> Progress:
    """Numbers of a sweep's runs now; `launching` as `store.wild.launching` answers it."""
    return progress_of(campaigns.counts(session, campaign_id), launching.get(campaign_id, 0))


def status_now(session: Session, campaign_id: str, kept: WildSweep) -> tuple[Progress, SweepStatus]:
    """How a sweep stands now."""
    found = progress(session, campaign_id, wild.launching(session))
    return found, sweep_status(found, draft=kept.draft, cancelled=kept.cancelled)


def one(session: Session, campaign: Campaign) -> SweepView:
    """A sweep."""
    return many(session, [campaign])[0]


def many(session: Session, found: Iterable[Campaign]) -> list[SweepView]:
    """A page of sweeps."""
    launching = wild.launching(session)
    return [_view(session, campaign, launching) for campaign in found]


def _view(session: Session, campaign: Campaign, launching: Mapping[str | None, int]) -> SweepView:
    known = wild.sweep_of(session, campaign.id)
    kept = known or WildSweep(NATIVE, draft=False, cancelled=False)
    said = {**NATIVE, **kept.settings}
    counts = progress(session, campaign.id, launching)
    status = sweep_status(counts, draft=kept.draft, cancelled=kept.cancelled)
    return {
        "id": campaign.id,
        "name": campaign.name,
        "base_command": said["base_command"],
        "workdir": said["workdir"],
        "parameters": said["parameters"],
        "run_ids": [row[0] for row in session.rows("run_ids_of_campaign", campaign_id=campaign.id)],
        "status": status,
        "created_at": campaign.created_at,
        "goal": said["goal"],
        "max_runs": said["max_runs"] if known else counts.total,
        "is_wild": said["is_wild"],
        "chat_session_id": campaign.chat,
        "ui_config": said["ui_config"],
        "creation_context": said.get("creation_context") or _context(campaign, said),
        "progress": _shown(counts),
        "started_at": campaign.started_at,
        "completed_at": _completed(campaign, status, said["canceled_at"]),
        "expansion": said["expansion"],
    }


def _shown(it: Progress) -> ProgressView:
    return {
        "total": it.total,
        "completed": it.completed,
        "failed": it.failed,
        "running": it.running,
        "launching": it.launching,
        "ready": it.ready,
        "queued": it.queued,
        "canceled": it.canceled,
    }


def _context(campaign: Campaign, said: Mapping[str, Any]) -> dict[str, Any]:
    asked = {"name": campaign.name, "command": said["base_command"], **said}
    return creation_context(asked, None, campaign.created_at)


def _completed(campaign: Campaign, status: SweepStatus, canceled_at: float | None) -> float | None:
    if status not in ENDED:
        return None
    return campaign.settled_at if campaign.settled_at is not None else canceled_at
