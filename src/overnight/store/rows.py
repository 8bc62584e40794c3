"""Rows become nouns, nouns become rows: the JSON forms of settings, in one place."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict
from functools import lru_cache
from typing import Any

from overnight.domain.nouns import Attempt, Campaign, Device, Event, Run, Sweep, SweepSettings
from overnight.domain.plan import Budget, Direction, EnvironmentPlan, Goal, Need, Retry, SweepPlan
from overnight.store.base import Row

encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode
"""Canonical JSON text."""


def digest(text: str) -> str:
    """16 hex digits that are equal for equal texts, for events."""
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def campaign(row: Row) -> Campaign:
    """From `campaign_get` and its like."""
    id_, seq, name, state, gate, digest, path, settings, used, created, started, settled, actor, *by = row
    origin, chat, attributed = by
    kept = json.loads(settings)
    goal = kept["goal"]
    return Campaign(
        id=id_,
        seq=seq,
        name=name,
        state=state,
        gate=gate,
        digest=digest,
        path=path,
        goal=Goal(goal["metric"], Direction(goal["direction"])) if goal else None,
        budget=Budget(**kept["budget"]),
        parallel=kept["parallel"],
        code=kept["code"],
        analyze=kept.get("analyze", False),
        attempts_used=used,
        created_at=created,
        started_at=started,
        settled_at=settled,
        actor=actor,
        origin=origin,
        chat=chat,
        attributed=attributed,
    )


_PLAIN = (
    "workdir", "time_limit", "grace", "parallel", "phase", "barrier", "estimate", "stale_after", "hang",
    "precondition_wait", "breaker", "capacity", "shell", "on_disconnect", "lease", "code",
)  # fmt: skip
"""Settings of a sweep that are the same in the plan, in the store and in the noun."""
_ADDED = {
    "phase": "", "barrier": False, "targets": None, "target": "here", "code": None, "estimate": None,
    "stale_after": None, "hang": None, "precondition_wait": 0.0, "breaker": None, "capacity": False,
    "shell": "/bin/sh", "on_disconnect": "hold", "lease": 900.0,
}  # fmt: skip
"""What rows that were written before these settings existed mean by their absence."""


def settings_of(plan: SweepPlan) -> str:
    """The JSON form of what all runs of a sweep share."""
    return encode(
        {
            **{name: getattr(plan, name) for name in _PLAIN},
            "need": asdict(plan.need),
            "retry": asdict(plan.retry),
            "environment": asdict(plan.environment),
            "replicates": list(plan.replicates),
            "targets": list(plan.targets),
            "secrets": [list(pair) for pair in plan.secrets],
        }
    )


@lru_cache(maxsize=16_384)
def sweep_settings(text: str) -> SweepSettings:
    """The other direction; cached, since every pass reads the same few."""
    kept = {**_ADDED, **json.loads(text)}
    return SweepSettings(
        **{name: kept[name] for name in _PLAIN},
        need=need_from(kept["need"]),
        retry=Retry(**kept["retry"]),
        environment=EnvironmentPlan(**kept["environment"]),
        replicates=tuple(kept["replicates"]),
        targets=tuple(kept["targets"] or [kept["target"]]),
        secrets=tuple((name, reference) for name, reference in kept.get("secrets", ())),
    )


def need_from(kept: Mapping[str, Any]) -> Need:
    """A need from its JSON form."""
    devices = kept.get("devices")
    return Need(**{**kept, "devices": None if devices is None else tuple(devices)})


def sweep(row: Row) -> Sweep:
    """From `sweep_get` and its like."""
    columns: list[Any] = list(row)
    columns[7] = sweep_settings(row[7])
    return Sweep(*columns)


def run(row: Row) -> Run:
    """From `run_get` and its like."""
    columns: list[Any] = list(row)
    columns[9] = json.loads(row[9])
    columns[19] = json.loads(row[19]) if row[19] else None
    return Run(*columns)


def attempt(row: Row) -> Attempt:
    """From `attempt_get` and its like."""
    columns: list[Any] = list(row)
    columns[10] = tuple(json.loads(row[10]))
    columns[18] = json.loads(row[18]) if row[18] else None
    return Attempt(*columns)


def device(row: Row) -> Device:
    """From `device_get` and its like."""
    columns: list[Any] = list(row)
    columns[12] = bool(row[12])
    return Device(*columns)


def event(row: Row) -> Event:
    """From `events_after` and its like."""
    columns: list[Any] = list(row)
    columns[8] = json.loads(row[8])
    return Event(*columns)
