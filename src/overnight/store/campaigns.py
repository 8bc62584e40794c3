"""Campaigns and sweeps: submission, look-up, counts."""

from __future__ import annotations

import hashlib
import posixpath
import random
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, fields, replace
from itertools import groupby
from operator import itemgetter
from typing import Any

from overnight.domain.errors import NotFound
from overnight.domain.nouns import Attribution, Campaign, Sweep, SweepSettings
from overnight.domain.plan import CampaignPlan, CellPlan, Smaller, SweepPlan
from overnight.domain.states import SWEEP
from overnight.ids import new_id
from overnight.store import rows, tokens
from overnight.store.base import Session
from overnight.store.moves import CHUNK, move

UNSAID = Attribution()
"""Nothing was said of a conversation."""


@dataclass(frozen=True, slots=True)
class Submission:
    """What is stored beside a plan: the file as it was written, where it lay, the identity of the code, for whom."""

    source: str
    path: str
    code: Mapping[str, Any]
    by: Attribution = UNSAID


@dataclass(frozen=True, slots=True)
class SingleRun:
    """A run outside any campaign."""

    name: str
    cell: CellPlan
    sweep: SweepPlan
    """Its settings; `cells` is ignored."""


def digest_of(plan: CampaignPlan, path: str) -> str:
    """sha256 of where a file lies and everything that it says: equal for the same file, unchanged."""
    return hashlib.sha256(f"{path}\n{plan!r}".encode()).hexdigest()


def submit(session: Session, plan: CampaignPlan, submission: Submission, digest: str, rng: random.Random) -> str:
    """Store a campaign with all its sweeps and runs; returns its id."""
    campaign_id = new_id(rng)
    session.rows(
        "campaign_insert",
        seq=session.value("campaign_last_seq") + 1,
        id=campaign_id,
        name=plan.name,
        digest=digest,
        path=submission.path,
        source=submission.source,
        settings=campaign_settings(plan, submission.code),
        now=session.now,
        actor=session.change.actor,
        **asdict(submission.by),
    )
    said = {"chat": submission.by.chat} if submission.by.chat else {}
    session.record("campaign.create", campaign_id, name=plan.name, path=submission.path, runs=plan.cells, **said)
    sweep_ids = {sweep.name: insert_sweep(session, campaign_id, sweep, rng) for sweep in plan.sweeps}
    for sweep in plan.sweeps:
        whole = [need.sweep for need in sweep.needs if need.match is None]
        session.many(
            "sweep_need_insert", [{"sweep_id": sweep_ids[sweep.name], "needs_id": sweep_ids[name]} for name in whole]
        )
    cell_ids: dict[str, str] = {}
    for sweep in plan.sweeps:
        for cell in sweep.cells:
            cell_ids[cell.name] = new_id(rng)
    for sweep in plan.sweeps:
        insert_cells(session, campaign_id, sweep_ids[sweep.name], sweep, cell_ids, submission.by)
    for sweep in plan.sweeps:
        needs = [{"run_id": cell_ids[c.name], "needs_id": cell_ids[n]} for c in sweep.cells for n in c.needs]
        session.many("run_need_insert", needs)
    return campaign_id


def campaign_settings(plan: CampaignPlan, code: Mapping[str, Any]) -> str:
    """The JSON form of what holds for a whole campaign, with the identity of the code."""
    goal = asdict(plan.goal) if plan.goal else None
    return rows.encode(
        {
            "goal": goal,
            "budget": asdict(plan.budget),
            "parallel": plan.parallel,
            "code": code,
            "analyze": plan.analyze,
        }
    )


def insert_sweep(session: Session, campaign_id: str | None, plan: SweepPlan, rng: random.Random) -> str:
    """Store one sweep without its runs; returns its id."""
    sweep_id = new_id(rng)
    session.rows(
        "sweep_insert",
        seq=session.value("sweep_last_seq") + 1,
        id=sweep_id,
        campaign_id=campaign_id,
        name=plan.name,
        priority=plan.priority,
        settings=rows.settings_of(plan),
        now=session.now,
    )
    session.record("sweep.create", sweep_id, campaign=campaign_id, name=plan.name)
    return sweep_id


def config_of(cell: CellPlan) -> str:
    """The JSON form of what a run executes, frozen. `command, parameters, outputs, env` always; of `requires`,
    `skip_if_done`, `time_limit`, `estimate`, `stale_after` and `smaller` what the cell has."""
    own = {
        "requires": list(cell.requires),
        "skip_if_done": cell.skip_if_done or None,
        "time_limit": cell.time_limit,
        "estimate": cell.estimate,
        "stale_after": cell.stale_after,
        "smaller": [_smaller(it) for it in cell.smaller],
    }
    return rows.encode(
        {
            "command": _command(cell.command),
            "parameters": dict(cell.parameters),
            "outputs": list(cell.outputs),
            "env": dict(cell.env),
            **{name: value for name, value in own.items() if value not in (None, [])},
        }
    )


def _command(command: str | tuple[str, ...]) -> str | list[str]:
    return command if isinstance(command, str) else list(command)


def _smaller(it: Smaller) -> dict[str, Any]:
    return {"changed": dict(it.changed), "command": _command(it.command), "env": dict(it.env)}


def insert_cells(
    session: Session,
    campaign_id: str,
    sweep_id: str,
    plan: SweepPlan,
    ids: Mapping[str, str],
    by: Attribution = UNSAID,
) -> None:
    """The runs of a sweep in file order; those with conditions wait until these were looked at."""
    whole = any(need.match is None for need in plan.needs)
    waits = [whole or bool(cell.needs) or has_conditions(cell) for cell in plan.cells]
    for waiting, pairs in groupby(zip(waits, plan.cells, strict=True), key=itemgetter(0)):
        state = "waiting" if waiting else "queued"
        made = [(ids[cell.name], cell.name, config_of(cell)) for _, cell in pairs]
        insert_runs(session, campaign_id, sweep_id, made, state=state, by=by)
    insert_conditions(session, sweep_id, plan, ids)


def has_conditions(cell: CellPlan) -> bool:
    """Whether its files must be looked at before it may start."""
    return bool(cell.requires) or cell.skip_if_done


def insert_conditions(session: Session, sweep_id: str, plan: SweepPlan, ids: Mapping[str, str]) -> None:
    """Store what the runs require and which outputs they claim; `ids`: cell name -> run id, of those to store."""
    cells = [cell for cell in plan.cells if cell.name in ids]
    conditions = [
        {
            "run_id": ids[cell.name],
            "sweep_id": sweep_id,
            "requires": rows.encode(list(cell.requires)),
            "skip": int(cell.skip_if_done),
        }
        for cell in cells
        if has_conditions(cell)
    ]
    session.many("condition_insert", conditions)
    outputs = [
        {"path": posixpath.normpath(posixpath.join(plan.workdir, output)), "run_id": ids[cell.name]}
        for cell in cells
        for output in cell.outputs
        if not output.startswith("${run_dir}")
    ]
    session.many("output_insert", outputs)


def insert_runs(
    session: Session,
    campaign_id: str | None,
    sweep_id: str,
    made: Iterable[tuple[str, str, str]],
    *,
    state: str,
    by: Attribution = UNSAID,
    parent_id: str | None = None,
) -> None:
    """Store runs (id, name, config text) of one sweep, all in the same first state; one event per chunk.

    LimitExceeded when the token by which it is asked may not create so many more.
    """
    last: int = session.value("run_last_seq")
    shared = {
        "campaign_id": campaign_id,
        "sweep_id": sweep_id,
        "state": state,
        "priority": 0,
        "now": session.now,
        "actor": session.change.actor,
        "parent_id": parent_id,
        "queued_at": session.now if state == "queued" else None,
        **asdict(by),
    }
    table = [
        {**shared, "seq": seq, "id": run_id, "name": name, "config": config}
        for seq, (run_id, name, config) in enumerate(made, start=last + 1)
    ]
    tokens.spend(session, len(table))
    session.many("run_insert", table)
    session.rows("tally_add", sweep_id=sweep_id, state=state, change=len(table))
    session.rows("total_add", state=state, change=len(table))
    for start in range(0, len(table), CHUNK):
        ids = [row["id"] for row in table[start : start + CHUNK]]
        session.record("run.create", sweep_id, ids=ids, state=state, **({"chat": by.chat} if by.chat else {}))


def submit_single(
    session: Session, runs: Iterable[SingleRun], rng: random.Random, by: Attribution = UNSAID
) -> list[str]:
    """Store runs outside any campaign; runs of one shape of settings share a hidden sweep. Returns their ids."""
    ids: list[str] = []
    groups: dict[SweepPlan, list[tuple[str, str, str]]] = {}
    for single in runs:
        ids.append(new_id(rng))
        groups.setdefault(single.sweep, []).append((ids[-1], single.name, config_of(single.cell)))
    for plan, made in groups.items():
        insert_runs(session, None, shared_sweep(session, plan, rng), made, state="queued", by=by)
    return ids


def shape_of(plan: SweepPlan) -> str:
    """16 hex digits that are equal for equal settings and priority. Not cached: plans are equal that differ in text
    (5 and 5.0), so that what was asked for before would decide."""
    return hashlib.sha256(f"{rows.settings_of(plan)}{plan.priority}".encode()).hexdigest()[:16]


def shared_sweep(session: Session, plan: SweepPlan, rng: random.Random, campaign_id: str | None = None) -> str:
    """The hidden sweep of runs of one shape of settings, outside any campaign or added to one; active again if it had
    settled, and made if there is none. Returns its id."""
    name = f"{'runs' if campaign_id else 'alone'}-{shape_of(plan)}"
    found = (
        session.row("sweep_shared", campaign_id=campaign_id, name=name)
        if campaign_id
        else session.row("sweep_alone", name=name)
    )
    if found:
        sweep_id, state = found
        if state == "settled":
            move(session, SWEEP, sweep_id, "reopen")
        return str(sweep_id)
    return insert_sweep(session, campaign_id, replace(plan, name=name, cells=()), rng)


def plan_of(sweep: Sweep) -> SweepPlan:
    """A sweep's settings as a plan, without cells: to have others like it."""
    settings = {it.name: getattr(sweep.settings, it.name) for it in fields(SweepSettings)}
    return SweepPlan(name=sweep.name, cells=(), priority=sweep.priority, **settings)


def get(session: Session, campaign_id: str) -> Campaign:
    """The campaign; NotFound for an unknown id."""
    found = session.row("campaign_get", id=campaign_id)
    if not found:
        raise NotFound(f"there is no campaign {campaign_id}", next_step="List the campaigns with: overnight ls")
    return rows.campaign(found)


def get_sweep(session: Session, sweep_id: str) -> Sweep:
    """The sweep; NotFound for an unknown id."""
    found = session.row("sweep_get", id=sweep_id)
    if not found:
        raise NotFound(f"there is no sweep {sweep_id}", next_step="List the campaigns with: overnight ls")
    return rows.sweep(found)


def sweeps_of(session: Session, campaign_id: str) -> list[Sweep]:
    """The sweeps of a campaign, in file order."""
    return [rows.sweep(row) for row in session.rows("sweeps_of", campaign_id=campaign_id)]


def counts(session: Session, campaign_id: str) -> dict[str, int]:
    """Runs by state over a campaign."""
    return {state: int(number) for state, number in session.rows("campaign_counts", id=campaign_id) if number}


def sweep_counts(session: Session, sweep_id: str) -> dict[str, int]:
    """Runs by state over a sweep."""
    return dict(session.rows("sweep_counts", id=sweep_id))


def needed_counts(session: Session, sweep_id: str) -> dict[str, int]:
    """The same for those that need the sweep as a whole: without what the campaign's file has no more."""
    counts = sweep_counts(session, sweep_id)
    if counts.get("cancelled"):
        counts["cancelled"] -= int(session.value("sweep_removed", id=sweep_id))
    return counts


def latest(session: Session, limit: int, before: int = 2**62) -> Iterator[Campaign]:
    """Campaigns, newest first."""
    return (rows.campaign(row) for row in session.rows("campaigns_latest", before=before, limit=limit))
