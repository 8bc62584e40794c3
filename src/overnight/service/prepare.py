"""A campaign file made ready: expanded, fitted to the devices of its targets, and looked at from all sides."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace

from overnight.domain.errors import Unavailable
from overnight.domain.plan import CampaignPlan, Need, SweepPlan
from overnight.manifest import load
from overnight.planner.fit import Card
from overnight.service import targets
from overnight.service.context import Context
from overnight.service.far_ground import unreachable
from overnight.service.preflight import Ground, Report, Spot, Trouble, preflight
from overnight.service.produced import absolute
from overnight.service.requests import CampaignFile
from overnight.store import campaigns, rows, scope
from overnight.store.base import Session
from overnight.targets.status import Unreached

ASKED_AT_ONCE = 16
"""Targets that are asked at the same time."""
NAMED = 10
"""Other campaigns that a warning names at most."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """A campaign that may be submitted. `digest` is that of the file as it was written."""

    plan: CampaignPlan
    digest: str
    path: str


def read_file(context: Context, request: CampaignFile) -> Prepared:
    """Expand and check a file, and decide what takes GPUs. Raises InvalidFile."""
    parsed = load(request.file, request.path, request.directory)
    path = os.path.join(request.directory, os.path.basename(request.path))
    targets.admit(context, targets.named_by(parsed))
    return Prepared(fitted(parsed, context), campaigns.digest_of(parsed, path), path)


def fitted(plan: CampaignPlan, context: Context) -> CampaignPlan:
    """The plan with sweeps that may do without GPUs turned to the CPU where none of their targets has one."""
    asked = {target for sweep in plan.sweeps if sweep.need.or_cpu for target in sweep.targets}
    if not asked:
        return plan
    without = {target for target in asked if _has_no_gpu(context, target)}
    on_cpu = {sweep.name for sweep in plan.sweeps if sweep.need.or_cpu and without.issuperset(sweep.targets)}
    sweeps = tuple(_fitted(sweep, on_cpu=sweep.name in on_cpu) for sweep in plan.sweeps)
    return replace(plan, sweeps=sweeps, parallel=1 if on_cpu and plan.parallel is None else plan.parallel)


def _fitted(sweep: SweepPlan, *, on_cpu: bool) -> SweepPlan:
    if not sweep.need.or_cpu:
        return sweep
    return replace(sweep, need=Need(gpus=0, slots=0) if on_cpu else replace(sweep.need, or_cpu=False))


def _has_no_gpu(context: Context, target: str) -> bool:
    cards = cards_of(context, target, ask=True)
    return bool(cards) and not any(card.kind == "gpu" for card in cards)


def cards_of(context: Context, target: str, *, ask: bool) -> Sequence[Card]:
    """The devices of a target: as it says itself, or, when it cannot be asked or need not be, as they are on record."""
    spot = context.spots.get(target)
    if spot is not None and ask:
        with suppress(Unavailable):
            return spot.target.offers()
    return context.store.read(lambda session: [rows.device(row) for row in session.rows("devices_of", target=target)])


def looked_at(context: Context, prepared: Prepared, own: str | None = None) -> Report:
    """Preflight, and what else a person should know before the campaign starts; `own`: its id, if it is there."""
    plan = prepared.plan
    ground = Ground(
        _spots(context, plan), str(context.runs_folder), context.configuration.local.reserve, dict(os.environ)
    )
    report = preflight(plan, ground)
    report.warnings += context.store.read(lambda session: _claimed(session, prepared, own))
    if plan.analyze and not context.configuration.analysis.command:
        detail = "the campaign wants its results analysed, but config.toml has no [analysis] command"
        report.warnings.append(Trouble("analysis_missing", detail))
    return report


def _spots(context: Context, plan: CampaignPlan) -> dict[str, Spot]:
    """All targets; those that the plan names are asked side by side, as one may be slow to answer."""
    found = {name: Spot(it.files, ()) for name, it in context.spots.items()}
    used = [name for name in targets.named_by(plan) if name in found]
    with ThreadPoolExecutor(ASKED_AT_ONCE) as pool:
        return {**found, **dict(pool.map(lambda name: (name, _spot(context, plan, name, len(used) > 1)), used))}


def _spot(context: Context, plan: CampaignPlan, name: str, others: bool) -> Spot:
    """One target as it is now. On this machine only GPUs are asked for: looking at them takes its time.

    A host that is away is not waited for where there are others: its next try may take half a minute.
    """
    it = context.spots[name]
    near = it.home is None
    status = it.status() if others and it.status and not near else None
    if status is not None and status.why is not None:
        return Spot(it.files, (), near=near, away=unreachable(name, Unreached(status.why)))
    with_gpus = any(sweep.need.gpus for sweep in plan.sweeps if name in sweep.targets)
    try:
        cards = cards_of(context, name, ask=with_gpus) if near else it.target.offers()
        home, folder = it.home() if it.home else None, it.folder() if it.folder else None
    except Unavailable as error:
        return Spot(it.files, (), near=near, away=unreachable(name, error))
    taken = context.store.read(lambda session: frozenset(row[0] for row in session.rows("leases_live")))
    sick = frozenset(getattr(card, "id", "") for card in cards if getattr(card, "fault", None))
    return Spot(it.files, cards, taken | sick, near, folder, home)


def _claimed(session: Session, prepared: Prepared, own: str | None) -> list[Trouble]:
    """Other campaigns under way that write the same files."""
    plan, own = prepared.plan, own or scope.under_way(session, prepared.digest)
    outputs = {absolute(sweep, output) for sweep in plan.sweeps for cell in sweep.cells for output in cell.outputs}
    paths = json.dumps(sorted(it for it in outputs if "${" not in it))
    found = session.rows("outputs_claimed", paths=paths, limit=NAMED) if outputs else []
    return [
        Trouble(
            "outputs_claimed", f"{_called(session, id_, name)} writes {number} of the same files, such as {example}"
        )
        for id_, name, number, example in found
        if id_ != own
    ]


def _called(session: Session, campaign_id: str, name: str) -> str:
    return f"campaign {name} ({campaign_id})" if scope.visible(session, "campaign", campaign_id) else "another campaign"


def warnings_of(report: Report) -> list[Mapping[str, str]]:
    """As JSON."""
    return [it.view for it in report.warnings]
