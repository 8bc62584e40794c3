"""Rows become nouns, nouns become rows: the JSON forms of settings, in one place."""

from __future__ import annotations

import json
from dataclasses import asdict
from functools import lru_cache
from typing import Any

from overnight.domain.nouns import Attempt, Campaign, Device, Event, Run, Sweep, SweepSettings
from overnight.domain.plan import Budget, Direction, EnvironmentPlan, Goal, Need, Retry, SweepPlan
from overnight.store.base import Row

encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode
"""Canonical JSON text."""


def campaign(row: Row) -> Campaign:
    """From `campaign_get` and its like."""
    id_, seq, name, state, gate, digest, path, settings, used, created, started, settled, actor = row
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
        attempts_used=used,
        created_at=created,
        started_at=started,
        settled_at=settled,
        actor=actor,
    )


def settings_of(plan: SweepPlan) -> str:
    """The JSON form of what all runs of a sweep share."""
    return encode(
        {
            "workdir": plan.workdir,
            "need": asdict(plan.need),
            "retry": asdict(plan.retry),
            "environment": asdict(plan.environment),
            "time_limit": plan.time_limit,
            "grace": plan.grace,
            "parallel": plan.parallel,
            "replicates": list(plan.replicates),
        }
    )


@lru_cache(maxsize=4096)
def sweep_settings(text: str) -> SweepSettings:
    """The other direction; cached, since every pass reads the same few."""
    kept = json.loads(text)
    return SweepSettings(
        workdir=kept["workdir"],
        need=Need(**kept["need"]),
        retry=Retry(**kept["retry"]),
        environment=EnvironmentPlan(**kept["environment"]),
        time_limit=kept["time_limit"],
        grace=kept["grace"],
        parallel=kept["parallel"],
        replicates=tuple(kept["replicates"]),
    )


def sweep(row: Row) -> Sweep:
    """From `sweep_get` and its like."""
    id_, seq, campaign_id, name, state, gate, priority, settings, created, settled = row
    return Sweep(id_, seq, campaign_id, name, state, gate, priority, sweep_settings(settings), created, settled)


def run(row: Row) -> Run:
    """From `run_get` and its like."""
    columns: list[Any] = list(row)
    columns[9] = json.loads(row[9])
    return Run(*columns)


def attempt(row: Row) -> Attempt:
    """From `attempt_get` and its like."""
    columns: list[Any] = list(row)
    columns[10] = tuple(json.loads(row[10]))
    columns[18] = json.loads(row[18]) if row[18] else None
    return Attempt(*columns)


def device(row: Row) -> Device:
    """From `device_get` and its like."""
    return Device(*row)


def event(row: Row) -> Event:
    """From `events_after` and its like."""
    columns: list[Any] = list(row)
    columns[8] = json.loads(row[8])
    return Event(*columns)
