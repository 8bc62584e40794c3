"""A plan as JSON values, loss-free: what the store keeps of a campaign."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from overnight.domain.plan import (
    Budget,
    CampaignPlan,
    CellPlan,
    Direction,
    EnvironmentPlan,
    Goal,
    Need,
    Retry,
    Smaller,
    SweepNeed,
    SweepPlan,
)

FORMAT = 1
"""Version of the stored form; a reader refuses any other."""


_SWEEP_PLAIN = (
    "name", "workdir", "time_limit", "grace", "parallel", "priority", "phase", "barrier", "estimate",
    "stale_after", "hang", "precondition_wait", "breaker", "mirror", "on_disconnect", "lease",
)  # fmt: skip
_SWEEP_ADDED = frozenset({"mirror", "on_disconnect", "lease"})
"""Settings that plans of earlier versions do not have."""
_CELL_PLAIN = ("line", "skip_if_done", "time_limit", "estimate", "stale_after")


def dump(plan: CampaignPlan) -> dict[str, Any]:
    """The plan as dicts, lists, texts and numbers that `json` can write and read back unchanged."""
    goal = plan.goal
    return {
        "format": FORMAT,
        "name": plan.name,
        "goal": None if goal is None else {"metric": goal.metric, "direction": goal.direction.value},
        "budget": asdict(plan.budget),
        "parallel": plan.parallel,
        "priority": plan.priority,
        "analyze": plan.analyze,
        "sweeps": [_sweep(sweep) for sweep in plan.sweeps],
    }


def _sweep(sweep: SweepPlan) -> dict[str, Any]:
    return {
        **{name: getattr(sweep, name) for name in _SWEEP_PLAIN},
        "secrets": [list(pair) for pair in sweep.secrets],
        "needs": [{"sweep": one.sweep, "match": None if one.match is None else list(one.match)} for one in sweep.needs],
        "need": asdict(sweep.need),
        "retry": asdict(sweep.retry),
        "environment": asdict(sweep.environment),
        "replicates": list(sweep.replicates),
        "targets": list(sweep.targets),
        "exclude": list(sweep.exclude),
        "cells": [_cell(cell) for cell in sweep.cells],
    }


def _cell(cell: CellPlan) -> dict[str, Any]:
    return {
        "name": cell.name,
        "parameters": dict(cell.parameters),
        "command": cell.command if isinstance(cell.command, str) else list(cell.command),
        "outputs": list(cell.outputs),
        "env": dict(cell.env),
        "needs": list(cell.needs),
        "requires": list(cell.requires),
        "smaller": [_smaller(it) for it in cell.smaller],
        **{name: getattr(cell, name) for name in _CELL_PLAIN},
    }


def _smaller(it: Smaller) -> dict[str, Any]:
    command = it.command if isinstance(it.command, str) else list(it.command)
    return {"changed": dict(it.changed), "command": command, "env": dict(it.env)}


def plan_from(stored: Mapping[str, Any]) -> CampaignPlan:
    """The plan that `dump` wrote; raises ValueError for any other format."""
    if stored.get("format") != FORMAT:
        raise ValueError(f"stored plan has format {stored.get('format')!r}; this version reads format {FORMAT}")
    goal = stored["goal"]
    return CampaignPlan(
        name=stored["name"],
        sweeps=tuple(_sweep_from(sweep) for sweep in stored["sweeps"]),
        goal=None if goal is None else Goal(goal["metric"], Direction(goal["direction"])),
        budget=Budget(**stored["budget"]),
        parallel=stored["parallel"],
        priority=stored["priority"],
        analyze=stored["analyze"],
    )


def _sweep_from(stored: Mapping[str, Any]) -> SweepPlan:
    return SweepPlan(
        **{name: stored[name] for name in _SWEEP_PLAIN if name not in _SWEEP_ADDED or name in stored},
        targets=tuple(stored.get("targets") or [stored["target"]]),
        exclude=tuple(stored.get("exclude", ())),
        cells=tuple([_cell_from(cell) for cell in stored["cells"]]),
        secrets=tuple((name, reference) for name, reference in stored["secrets"]),
        needs=tuple(
            SweepNeed(one["sweep"], None if one["match"] is None else tuple(one["match"])) for one in stored["needs"]
        ),
        need=_need_from(stored["need"]),
        retry=Retry(**stored["retry"]),
        environment=EnvironmentPlan(**stored["environment"]),
        replicates=tuple(stored["replicates"]),
    )


def _need_from(stored: Mapping[str, Any]) -> Need:
    devices = stored["devices"]
    return Need(**{**stored, "devices": None if devices is None else tuple(devices)})


def _cell_from(stored: Mapping[str, Any]) -> CellPlan:
    return CellPlan(
        name=stored["name"],
        parameters=dict(stored["parameters"]),
        command=_command_from(stored["command"]),
        outputs=tuple(stored["outputs"]),
        env=dict(stored["env"]),
        needs=tuple(stored["needs"]),
        requires=tuple(stored["requires"]),
        smaller=tuple(
            Smaller(dict(it["changed"]), _command_from(it["command"]), dict(it["env"])) for it in stored["smaller"]
        ),
        **{name: stored[name] for name in _CELL_PLAIN},
    )


def _command_from(stored: str | list[str]) -> str | tuple[str, ...]:
    return stored if isinstance(stored, str) else tuple(stored)
