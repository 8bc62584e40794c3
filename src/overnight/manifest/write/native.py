"""A plan as the text of a native campaign file that means the same, read back before it is given away."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace

from overnight.domain.errors import InvalidFile, Refused
from overnight.domain.plan import CampaignPlan, SweepPlan
from overnight.manifest.dialects import load
from overnight.manifest.write.infer import axes_of, texts_of
from overnight.manifest.write.lines import json_lines
from overnight.manifest.write.runs import listed
from overnight.manifest.write.settings import USUAL, duration, own_keys, settings_of
from overnight.manifest.write.text import Block, Value, yaml

MANY = 500
"""Runs of one sweep above which a list of them is written as JSON."""


def native_text(plan: CampaignPlan) -> str:
    """The text of a native campaign file whose plan is equal, lines apart.

    Sweeps are written as templates where these can be found, else run by run. Folders are absolute, so the file may lie
    anywhere. Raises Refused for a plan that no native file can say, such as one of too many runs without a template.
    """
    templated = {sweep.name for sweep in plan.sweeps}
    while True:
        text = _text(plan, templated)
        wrong = _differing(plan, text)
        if not wrong:
            return text
        if not templated:
            raise _refusal(plan, text)
        templated = templated - wrong if templated & wrong else set()


def _differing(plan: CampaignPlan, text: str) -> set[str]:
    """Names of the sweeps that are not the same when the text is read; all where that cannot be told."""
    every = {sweep.name for sweep in plan.sweeps}
    try:
        found = load(text, "converted", "/")
    except InvalidFile as refusal:
        places = [f"{problem.place}." for problem in refusal.problems]
        return {name for name in every if any(place.startswith(f"sweeps.{name}.") for place in places)} or every
    if replace(found, sweeps=()) != replace(plan, sweeps=()) or len(found.sweeps) != len(plan.sweeps):
        return every
    pairs = zip(plan.sweeps, found.sweeps, strict=True)
    return {one.name for one, other in pairs if without_lines(one) != without_lines(other)}


def without_lines(sweep: SweepPlan) -> SweepPlan:
    """A sweep whose cells do not know where they came from."""
    return replace(sweep, cells=tuple([replace(cell, line=None) for cell in sweep.cells]))


def _refusal(plan: CampaignPlan, text: str) -> Refused:
    why = "it would not mean the same"
    try:
        load(text, "converted", "/")
    except InvalidFile as refusal:
        first = refusal.problems[0]
        why = f"{first.place}: {first.message}"
    return Refused(
        f"campaign {plan.name!r} cannot be written as a native file: {why}",
        next_step="Run the file as it is; every dialect is read.",
    )


def _text(plan: CampaignPlan, templated: Collection[str]) -> str:
    sweeps = {sweep.name: _sweep(sweep, plan.priority, sweep.name in templated) for sweep in plan.sweeps}
    shared = _shared(sweeps)
    values: dict[str, Value] = {
        **_head(plan),
        **{key: value for key, value in shared.items() if value != USUAL.get(key)},
        "sweeps": Block({name: _own(keys, shared) for name, keys in sweeps.items()}),
    }
    return json_lines(values) if any(map(_lists_many, sweeps.values())) else yaml(values)


def _lists_many(keys: Mapping[str, Value]) -> bool:
    lists = (keys.get("runs"), keys.get("cells"))
    return any(isinstance(one, list) and len(one) > MANY for one in lists)


def _head(plan: CampaignPlan) -> dict[str, Value]:
    goal = plan.goal
    wall = plan.budget.wall
    limits: dict[str, Value] = {
        "parallel": plan.parallel,
        "attempts": plan.budget.attempts,
        "wall": None if wall is None else duration(wall),
    }
    limits = {key: value for key, value in limits.items() if value is not None}
    keys: dict[str, Value] = {
        "campaign": plan.name,
        "goal": None if goal is None else {"metric": goal.metric, "direction": goal.direction.value},
        "limits": limits or None,
        "priority": plan.priority or None,
        "analyze": plan.analyze or None,
    }
    return {key: value for key, value in keys.items() if value is not None}


def _sweep(sweep: SweepPlan, priority: int, as_template: bool) -> dict[str, Value]:
    """All that the file says about a sweep, usual settings included."""
    own: dict[str, Value] = {} if sweep.priority == priority else {"priority": sweep.priority}
    cells = _template(sweep) if as_template else None
    return {**settings_of(sweep), **own, **own_keys(sweep), **(listed(sweep) if cells is None else cells)}


def _template(sweep: SweepPlan) -> dict[str, Value] | None:
    """Parameters and texts of a sweep; None where its runs have no common template."""
    cells = sweep.cells
    alike = len({cell.skip_if_done for cell in cells}) == 1
    own = any((cell.time_limit, cell.estimate, cell.stale_after) != (None, None, None) for cell in cells)
    axes = axes_of(cells) if alike and not own else None
    texts = None if axes is None else texts_of(cells, sweep.name)
    return None if axes is None or texts is None else {**axes, **texts}


def _shared(sweeps: Mapping[str, Mapping[str, Value]]) -> dict[str, Value]:
    """The settings that all sweeps have in common."""
    first = next(iter(sweeps.values()))
    common = (key for key in (*USUAL, "env") if key in first)
    return {key: first[key] for key in common if all(keys.get(key) == first[key] for keys in sweeps.values())}


def _own(keys: Mapping[str, Value], shared: Mapping[str, Value]) -> Block:
    """What a sweep says itself."""
    return Block(
        {key: value for key, value in keys.items() if key not in shared and not (key in USUAL and value == USUAL[key])}
    )
