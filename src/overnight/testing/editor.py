"""Edits of campaign files at random, and their application without looking at the world."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

from overnight.domain.plan import CampaignPlan, CellPlan, SweepNeed, SweepPlan
from overnight.service import update
from overnight.service.context import Context
from overnight.service.once import OnceStore
from overnight.service.preflight import Report
from overnight.service.prepare import Prepared
from overnight.store import campaigns

PATH = "/study/campaign.yaml"
"""Where every file of a simulation lies."""


def apply_plan(context: Context, campaign: str, plan: CampaignPlan, key: str | None) -> dict[str, Any]:
    """`service.update` of a plan instead of a file. NotFound when the record does not know the campaign."""
    change, store = context.change, context.store
    if key is not None:
        store = OnceStore(store, change.actor, "update", key, repr(plan))
    prepared = Prepared(plan, campaigns.digest_of(plan, PATH), PATH)
    submission = campaigns.Submission("", PATH, {})
    answer = store.write(
        change, lambda session: update.apply(session, campaign, prepared, submission, Report(), context.rng)
    )
    context.wake()
    return answer


def edited(rng: random.Random, plan: CampaignPlan, number: int) -> CampaignPlan:
    """The plan after one edit: cells come, go, move or change, or what a sweep needs and how often it tries does."""
    place = rng.randrange(len(plan.sweeps))
    edit = rng.choice((_add, _drop, _change, _retry, _depend, _depend, _depend, _move))
    return edit(rng, plan, place, number)


def _with(plan: CampaignPlan, place: int, sweep: SweepPlan) -> CampaignPlan:
    return replace(plan, sweeps=(*plan.sweeps[:place], sweep, *plan.sweeps[place + 1 :]))


def _add(rng: random.Random, plan: CampaignPlan, place: int, number: int) -> CampaignPlan:
    sweep = plan.sweeps[place]
    example = rng.choice(sweep.cells)
    made = tuple(replace(example, name=f"{plan.name}-e{number}-{it}") for it in range(rng.randint(1, 3)))
    return _with(plan, place, replace(sweep, cells=sweep.cells + made))


def _needed(plan: CampaignPlan) -> set[str]:
    return {name for sweep in plan.sweeps for cell in sweep.cells for name in cell.needs}


def _spare(plan: CampaignPlan, place: int) -> list[CellPlan]:
    """Cells that may go: nobody names them, and their sweep keeps one."""
    sweep = plan.sweeps[place]
    return [cell for cell in sweep.cells if cell.name not in _needed(plan)] if len(sweep.cells) > 1 else []


def _drop(rng: random.Random, plan: CampaignPlan, place: int, _: int) -> CampaignPlan:
    spare = _spare(plan, place)
    if not spare:
        return plan
    gone, sweep = rng.choice(spare), plan.sweeps[place]
    return _with(plan, place, replace(sweep, cells=tuple(cell for cell in sweep.cells if cell is not gone)))


def _change(rng: random.Random, plan: CampaignPlan, place: int, number: int) -> CampaignPlan:
    sweep = plan.sweeps[place]
    cells = [replace(it, env={"EDIT": str(number)}) if rng.random() < 0.5 else it for it in sweep.cells]
    return _with(plan, place, replace(sweep, cells=tuple(cells)))


def _retry(rng: random.Random, plan: CampaignPlan, place: int, _: int) -> CampaignPlan:
    sweep = plan.sweeps[place]
    return _with(plan, place, replace(sweep, retry=replace(sweep.retry, attempts=rng.choice((1, 2, 4)))))


def _depend(rng: random.Random, plan: CampaignPlan, place: int, _: int) -> CampaignPlan:
    """Needs an earlier sweep as a whole, or nothing; cells that named others do so no more."""
    before = plan.sweeps[:place]
    needs = (SweepNeed(rng.choice(before).name),) if before and rng.random() < 0.6 else ()
    cells = tuple(replace(cell, needs=()) for cell in plan.sweeps[place].cells)
    return _with(plan, place, replace(plan.sweeps[place], needs=needs, cells=cells))


def _move(rng: random.Random, plan: CampaignPlan, place: int, _: int) -> CampaignPlan:
    """A cell goes to the last sweep, with its command and without its needs."""
    spare = _spare(plan, place)
    last = len(plan.sweeps) - 1
    if not spare or place == last:
        return plan
    gone, sweep = rng.choice(spare), plan.sweeps[place]
    plan = _with(plan, place, replace(sweep, cells=tuple(cell for cell in sweep.cells if cell is not gone)))
    end = plan.sweeps[last]
    return _with(plan, last, replace(end, cells=(*end.cells, replace(gone, needs=()))))
