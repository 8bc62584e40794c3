"""Manifests as plans, and what is wrong with them."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from overnight.domain.errors import InvalidFile, Problem
from overnight.domain.plan import CampaignPlan, CellPlan
from overnight.manifest import load

Manifest = str | dict[str, Any]


def text_of(manifest: Manifest) -> str:
    """YAML text as it is, anything else as JSON."""
    return manifest if isinstance(manifest, str) else json.dumps(manifest)


def plan_of(manifest: Manifest, directory: str = "/base") -> CampaignPlan:
    """The plan of a manifest that is right."""
    return load(text_of(manifest), "m.yaml", directory)


def cells_of(manifest: Manifest) -> list[CellPlan]:
    """All jobs of a manifest, in the order of the plan."""
    return [cell for sweep in plan_of(manifest).sweeps for cell in sweep.cells]


def only_cell(manifest: Manifest) -> CellPlan:
    """The one job of a manifest."""
    (cell,) = cells_of(manifest)
    return cell


def job_of(**keys: Any) -> CellPlan:
    """A manifest of one job with these keys."""
    return only_cell({"jobs": [{"id": "a", "cmd": "true", **keys}]})


def problems(manifest: Manifest) -> tuple[Problem, ...]:
    """Everything that is wrong with a manifest."""
    with pytest.raises(InvalidFile) as refusal:
        load(text_of(manifest), "m.yaml", "/base")
    return refusal.value.problems


def without_lines(plan: CampaignPlan) -> CampaignPlan:
    """The plan as if it came from nowhere."""
    sweeps = (replace(sweep, cells=tuple(replace(cell, line=None) for cell in sweep.cells)) for sweep in plan.sweeps)
    return replace(plan, sweeps=tuple(sweeps))
