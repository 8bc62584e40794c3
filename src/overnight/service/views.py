"""Nouns as plain values for JSON, with stable fields."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from overnight.domain.fetch import Fetch
from overnight.domain.nouns import Attempt, Campaign, Device, Event, Run, Sweep, SweepSettings
from overnight.domain.plan import Need
from overnight.domain.states import RUN

View = dict[str, Any]
NONE_ON_PURPOSE, NAMED = 1, 2
"""See `nouns.Attribution.attributed`."""


def counts(found: Mapping[str, int]) -> dict[str, int]:
    """Runs by state, every state named, and `total`."""
    named = {state: int(found.get(state, 0)) for state in RUN.states}
    return {**named, "total": sum(named.values())}


def _attribution(it: Campaign | Run) -> View:
    """Who asked, by which surface, in which conversation. `attributed`: a conversation is named; `intentional`: it was
    said that there is none."""
    return {
        "actor": it.actor,
        "origin": it.origin,
        "chat": it.chat,
        "attributed": it.attributed == NAMED,
        "intentional": it.attributed == NONE_ON_PURPOSE,
    }


def campaign(it: Campaign, found: Mapping[str, int], labels: Mapping[str, str] | None = None) -> View:
    """A campaign with its counts."""
    return {
        "id": it.id,
        "seq": it.seq,
        "name": it.name,
        "state": it.state,
        "paused": it.gate == "paused",
        "path": it.path,
        "goal": {"metric": it.goal.metric, "direction": str(it.goal.direction)} if it.goal else None,
        "budget": {"attempts": it.budget.attempts, "wall": it.budget.wall},
        "attempts_used": it.attempts_used,
        "parallel": it.parallel,
        "code": dict(it.code),
        "counts": counts(found),
        "created_at": it.created_at,
        "started_at": it.started_at,
        "settled_at": it.settled_at,
        **_attribution(it),
        "labels": dict(labels or {}),
    }


def sweep(it: Sweep, found: Mapping[str, int], labels: Mapping[str, str] | None = None) -> View:
    """A sweep with its counts and what its runs share."""
    return {
        "id": it.id,
        "campaign_id": it.campaign_id,
        "name": it.name,
        "state": it.state,
        "paused": it.gate == "paused",
        "priority": it.priority,
        "phase": it.phase,
        **settings_of(it.settings),
        "counts": counts(found),
        "labels": dict(labels or {}),
    }


def settings_of(settings: SweepSettings) -> View:
    """What the runs of a sweep share."""
    return {
        "workdir": settings.workdir,
        "snapshot": settings.code,
        "barrier": settings.barrier,
        "targets": list(settings.targets),
        "on_disconnect": settings.on_disconnect,
        "lease": settings.lease,
        "resources": _need(settings.need),
        "retry": asdict(settings.retry),
        "time_limit": settings.time_limit,
        "grace": settings.grace,
        "parallel": settings.parallel,
        "environment": asdict(settings.environment),
        "secrets": dict(settings.secrets),
        "estimate": settings.estimate,
        "stale_after": settings.stale_after,
        "hang": settings.hang,
        "precondition_wait": settings.precondition_wait,
        "breaker": settings.breaker,
        "replicates": list(settings.replicates),
    }


def _need(it: Need) -> View:
    return {**asdict(it), "devices": None if it.devices is None else list(it.devices)}


def changed(it: Run) -> View:
    """The parameters that the declared smaller setting which a run is at has changed; empty while it is at none."""
    return dict(it.config["smaller"][it.rung - 1]["changed"]) if it.rung else {}


def run(it: Run, labels: Mapping[str, str]) -> View:
    """A run in a listing; `labels`: its own and those of what it belongs to."""
    return {
        "id": it.id,
        "seq": it.seq,
        "campaign_id": it.campaign_id,
        "sweep_id": it.sweep_id,
        "name": it.name,
        "state": it.state,
        "reason": it.reason,
        "detail": it.detail,
        "priority": it.priority,
        "parameters": dict(it.config["parameters"]),
        "rung": it.rung,
        "changed": changed(it),
        "attempts": it.attempts,
        "not_before": it.not_before,
        "created_at": it.created_at,
        "started_at": it.started_at,
        "ended_at": it.ended_at,
        "queued_at": it.queued_at,
        "archived_at": it.archived_at,
        "parent_id": it.parent_id,
        **_attribution(it),
        "labels": dict(labels),
    }


def frozen(it: Run) -> View:
    """What a run executes, as it was frozen at submission."""
    config = it.config
    own = ("time_limit", "estimate", "stale_after")
    return {
        "command": config["command"],
        "parameters": dict(config["parameters"]),
        "outputs": list(config["outputs"]),
        "environment_names": sorted(config["env"]),
        "requires": list(config.get("requires", ())),
        "skip_if_done": bool(config.get("skip_if_done")),
        "smaller": [{"changed": dict(one["changed"]), "command": one["command"]} for one in config.get("smaller", ())],
        **{name: config[name] for name in own if name in config},
    }


def attempt(it: Attempt) -> View:
    """An attempt with what its exit record says."""
    record = it.record or {}
    return {
        "id": it.id,
        "number": it.number,
        "state": it.state,
        "reason": it.reason,
        "detail": it.detail,
        "signature": it.signature,
        "fence": it.fence,
        "target": it.target,
        "devices": list(it.devices),
        "folder": it.folder,
        "pid": it.pid,
        "code": it.code,
        "signal": it.signal,
        "claimed_at": it.claimed_at,
        "started_at": it.started_at,
        "ended_at": it.ended_at,
        "seconds": record.get("duration"),
        "usage": record.get("usage"),
        "leftovers": record.get("leftovers"),
        "log": record.get("log"),
        "snapshot": record.get("snapshot"),
    }


def fetch(it: Fetch | None) -> View | None:
    """How far the copy of what an attempt left on another machine is; None where nothing is to be copied."""
    if it is None:
        return None
    return {
        "state": it.state,
        "files": it.files,
        "bytes": it.bytes,
        "problem": it.problem,
        "tries": it.tries,
        "next_at": it.not_before,
        "since": it.created_at,
    }


def device(it: Device, holder: str | None) -> View:
    """A device and who holds it."""
    return {
        "id": it.id,
        "target": it.target,
        "kind": it.kind,
        "position": it.position,
        "name": it.name,
        "memory_mib": it.memory_mib,
        "state": it.state,
        "diagnosis": it.diagnosis,
        "busy": it.busy,
        "used_mib": it.used_mib,
        "strangers": it.strangers,
        "attempt": holder,
        "seen_at": it.seen_at,
    }


def event(it: Event) -> View:
    """An event."""
    return {
        "seq": it.seq,
        "at": it.wall,
        "actor": it.actor,
        "request_id": it.request_id,
        "kind": it.kind,
        "subject": it.subject,
        "token": it.token,
        "payload": dict(it.payload),
        "hash": it.hash,
    }


def metrics(found: Mapping[str, float]) -> dict[str, float | str]:
    """Numbers as JSON can carry them: NaN and the infinities become the texts `NaN`, `Infinity`, `-Infinity`."""
    return {name: value if math.isfinite(value) else _unusual(value) for name, value in found.items()}


def _unusual(value: float) -> str:
    if math.isnan(value):
        return "NaN"
    return "Infinity" if value > 0 else "-Infinity"
