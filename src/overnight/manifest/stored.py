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
    SweepNeed,
    SweepPlan,
)

FORMAT = 1
"""Version of the stored form; a reader refuses any other."""


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
        "sweeps": [_sweep(sweep) for sweep in plan.sweeps],
    }


def _sweep(sweep: SweepPlan) -> dict[str, Any]:
    return {
        "name": sweep.name,
        "workdir": sweep.workdir,
        "needs": [{"sweep": one.sweep, "match": None if one.match is None else list(one.match)} for one in sweep.needs],
        "need": asdict(sweep.need),
        "retry": asdict(sweep.retry),
        "environment": asdict(sweep.environment),
        "time_limit": sweep.time_limit,
        "grace": sweep.grace,
        "parallel": sweep.parallel,
        "priority": sweep.priority,
        "replicates": list(sweep.replicates),
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
        "line": cell.line,
    }


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
    )


def _sweep_from(stored: Mapping[str, Any]) -> SweepPlan:
    return SweepPlan(
        name=stored["name"],
        cells=tuple([_cell_from(cell) for cell in stored["cells"]]),
        workdir=stored["workdir"],
        needs=tuple(
            SweepNeed(one["sweep"], None if one["match"] is None else tuple(one["match"])) for one in stored["needs"]
        ),
        need=Need(**stored["need"]),
        retry=Retry(**stored["retry"]),
        environment=EnvironmentPlan(**stored["environment"]),
        time_limit=stored["time_limit"],
        grace=stored["grace"],
        parallel=stored["parallel"],
        priority=stored["priority"],
        replicates=tuple(stored["replicates"]),
    )


def _cell_from(stored: Mapping[str, Any]) -> CellPlan:
    command = stored["command"]
    return CellPlan(
        name=stored["name"],
        parameters=dict(stored["parameters"]),
        command=command if isinstance(command, str) else tuple(command),
        outputs=tuple(stored["outputs"]),
        env=dict(stored["env"]),
        needs=tuple(stored["needs"]),
        line=stored["line"],
    )
