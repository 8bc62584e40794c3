"""The operation that applies an edited file to a campaign that is under way."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from overnight.domain.errors import Conflict
from overnight.domain.nouns import Attribution, Campaign
from overnight.domain.plan import CampaignPlan, CellPlan, SweepPlan
from overnight.domain.reasons import Reason
from overnight.ids import new_id
from overnight.planner.update import Changes, Known, Said, changes_of
from overnight.service import consequences
from overnight.service.code import identify
from overnight.service.context import Context
from overnight.service.freeze import frozen
from overnight.service.limits import refuse_many
from overnight.service.preflight import Report
from overnight.service.prepare import Prepared, looked_at, read_file, warnings_of
from overnight.service.recall import recall_after
from overnight.service.requests import Update
from overnight.service.steer import cancel_idle, in_one_write
from overnight.service.submit import attribution_of
from overnight.service.views import View
from overnight.store import campaigns, references, updates, wild
from overnight.store.base import Session
from overnight.store.campaigns import Submission
from overnight.store.moves import move_runs
from overnight.store.updates import Replacement


@dataclass(slots=True)
class Edit:
    """A campaign as it was before its file is applied, and what its sweeps and runs are called on record."""

    campaign: Campaign
    plan: CampaignPlan
    known: dict[str, Known]
    needs: dict[str, set[str]]
    """Run id -> ids of the runs that it needs, before."""
    sweeps: dict[str, str]
    """Name -> id; new ones are added as they are stored."""
    cells: dict[str, tuple[SweepPlan, CellPlan]]
    ids: dict[str, str] = field(default_factory=dict)
    """Run name -> id, of everything that the file has."""


def update(context: Context, request: Update) -> View:
    """Apply an edited file: new runs are added, pending ones get what it says of them, pending ones that it has no more
    are cancelled; running and ended ones stay as they are. The same file again changes nothing, unless a folder that is
    copied for its runs has changed: what starts from now on, retries too, works in the new copy.

    Raises PreflightFailed, and changes nothing, when something is missing that added or changed runs need.
    """
    prepared = read_file(context, request)
    refuse_many(context, prepared.plan.cells)
    campaign_id = context.store.read(lambda session: references.campaign_of(session, request.id))
    report = looked_at(context, prepared, campaign_id)
    prepared = replace(prepared, plan=frozen(context, prepared.plan))
    code = identify(prepared.plan.sweeps[0].workdir, context.configuration.untouchable)
    submission = Submission(request.file, prepared.path, code, attribution_of(context, request))

    return in_one_write(context, lambda session: apply(session, campaign_id, prepared, submission, report, context.rng))


def apply(
    session: Session, campaign_id: str, prepared: Prepared, submission: Submission, report: Report, rng: random.Random
) -> View:
    """Carry the changes out, in the transaction of the session; returns what `update` answers."""
    if wild.sweep_of(session, campaign_id):
        raise Conflict(f"{campaign_id} was not made from a file", next_step="Submit the file as a campaign of its own.")
    edit = _edit_of(session, campaigns.get(session, campaign_id), prepared.plan)
    changes = changes_of(edit.known, _said(prepared.plan))
    _refuse(report, edit, changes, prepared.path)
    changed = updates.update_campaign(session, campaign_id, prepared.plan, submission, prepared.digest)
    changed |= _update_sweeps(session, edit, rng)
    _add(session, edit, changes, _by(edit.campaign, submission.by), rng)
    _replace(session, edit, changes)
    _remove(session, edit, changes)
    consequences.survey(session)
    consequences.reconsider(session, edit.sweeps.values())
    changed |= bool(changes.added or changes.replaced or changes.removed)
    return {**_answer(edit, changes), "changed": changed, "warnings": warnings_of(report)}


def _refuse(report: Report, edit: Edit, changes: Changes, path: str) -> None:
    """Only what keeps added or changed runs from starting matters: the rest may have ended long ago."""
    touched = {edit.cells[name][0].name for name in (*changes.added, *changes.replaced)}
    Report({name: found for name, found in report.sweeps.items() if name in touched}).refuse(path)


def _answer(edit: Edit, changes: Changes) -> View:
    return {
        "campaign": {"id": edit.campaign.id, "name": edit.campaign.name},
        "added": len(changes.added),
        "replaced": len(changes.replaced),
        "cancelled": len(changes.removed),
        "unchanged": len(changes.unchanged),
        "untouched": list(changes.untouched),
    }


def _edit_of(session: Session, campaign: Campaign, plan: CampaignPlan) -> Edit:
    sweeps = {sweep.id: sweep for sweep in campaigns.sweeps_of(session, campaign.id)}
    names = {id_: sweep.name for id_, sweep in sweeps.items()}
    whole = {id_: frozenset(names[row[0]] for row in session.rows("sweep_needs", id=id_)) for id_ in sweeps}
    needs: dict[str, set[str]] = {}
    needed: dict[str, set[str]] = {}
    for run, other, name in session.rows("needs_known", campaign_id=campaign.id):
        needs.setdefault(run, set()).add(other)
        needed.setdefault(run, set()).add(name)
    known = {
        name: Known(
            run,
            state,
            Said(names[sweep], config, sweeps[sweep].settings.workdir, frozenset(needed.get(run, ())), whole[sweep]),
        )
        for run, name, sweep, state, config in session.rows("runs_known", campaign_id=campaign.id)
    }
    cells = {cell.name: (sweep, cell) for sweep in plan.sweeps for cell in sweep.cells}
    return Edit(campaign, plan, known, needs, {name: id_ for id_, name in names.items()}, cells)


def _said(plan: CampaignPlan) -> dict[str, Said]:
    return {
        cell.name: Said(sweep.name, campaigns.config_of(cell), sweep.workdir, frozenset(cell.needs), whole_needs(sweep))
        for sweep in plan.sweeps
        for cell in sweep.cells
    }


def whole_needs(sweep: SweepPlan) -> frozenset[str]:
    """Names of the sweeps that a sweep needs as a whole."""
    return frozenset(need.sweep for need in sweep.needs if need.match is None)


def _update_sweeps(session: Session, edit: Edit, rng: random.Random) -> bool:
    """Store new sweeps, and what the file says of those that are there; whether anything changed."""
    changed = False
    for plan in edit.plan.sweeps:
        if plan.name in edit.sweeps:
            changed |= updates.update_sweep(session, campaigns.get_sweep(session, edit.sweeps[plan.name]), plan)
        else:
            edit.sweeps[plan.name] = campaigns.insert_sweep(session, edit.campaign.id, plan, rng)
            changed = True
    updates.order_sweeps(session, edit.campaign.id, [plan.name for plan in edit.plan.sweeps])
    for plan in edit.plan.sweeps:
        needed = [edit.sweeps[name] for name in whole_needs(plan)]
        changed |= updates.update_sweep_needs(session, edit.sweeps[plan.name], needed)
    return changed


def _by(campaign: Campaign, said: Attribution) -> Attribution:
    """For whom runs are added: for the campaign's conversation, unless another one is named."""
    return said if said.attributed else replace(said, chat=campaign.chat, attributed=campaign.attributed)


def _add(session: Session, edit: Edit, changes: Changes, by: Attribution, rng: random.Random) -> None:
    edit.ids = {name: run.id for name, run in edit.known.items() if name in edit.cells}
    edit.ids |= {name: new_id(rng) for name in changes.added}
    for sweep, cells in _by_sweep(edit, changes.added):
        mine = {cell.name: edit.ids[cell.name] for cell in cells}
        sweep_id, plan = edit.sweeps[sweep.name], replace(sweep, cells=cells)
        campaigns.insert_cells(session, edit.campaign.id, sweep_id, plan, mine, by)
        _receive(session, sweep_id, list(mine.values()))
    _need(session, edit, changes.added)


def _by_sweep(edit: Edit, names: Iterable[str]) -> list[tuple[SweepPlan, tuple[CellPlan, ...]]]:
    found: dict[str, list[CellPlan]] = {}
    plans: Mapping[str, SweepPlan] = {sweep.name: sweep for sweep in edit.plan.sweeps}
    for name in names:
        sweep, cell = edit.cells[name]
        found.setdefault(sweep.name, []).append(cell)
    return [(plans[name], tuple(cells)) for name, cells in found.items()]


def _need(session: Session, edit: Edit, names: Iterable[str]) -> None:
    wanted = {edit.ids[name]: {edit.ids[it] for it in edit.cells[name][1].needs} for name in names}
    updates.update_run_needs(session, edit.needs, wanted)


def _replace(session: Session, edit: Edit, changes: Changes) -> None:
    for sweep, cells in _by_sweep(edit, changes.replaced):
        changed = [_replacement(edit, sweep, cell) for cell in cells]
        updates.replace_runs(session, edit.sweeps[sweep.name], sweep, changed)
        _receive(session, edit.sweeps[sweep.name], [it.run_id for it in changed if it.moves])
        waiting = [it.run_id for it in changed if _waits_anew(edit.known[it.cell.name].state, sweep, it.cell)]
        recalled = move_runs(session, waiting, "recall", subject=edit.sweeps[sweep.name])
        consequences.reopen(session, recalled)
    _need(session, edit, changes.replaced)


def _replacement(edit: Edit, sweep: SweepPlan, cell: CellPlan) -> Replacement:
    known = edit.known[cell.name]
    return Replacement(known.id, known.said.config, cell, moves=known.said.sweep != sweep.name)


def _receive(session: Session, sweep_id: str, ids: Sequence[str]) -> None:
    """There is more to do in a sweep: it goes on, and who needs it as a whole waits."""
    if ids:
        recall_after(session, [sweep_id])
        consequences.reopen(session, ids)


def _waits_anew(state: str, sweep: SweepPlan, cell: CellPlan) -> bool:
    """A queued run stays where it is when there is nothing that it could wait for."""
    return state in ("delayed", "blocked") or bool(sweep.needs) or campaigns.has_conditions(cell)


def _remove(session: Session, edit: Edit, changes: Changes) -> None:
    found: dict[str, list[str]] = {}
    for name in changes.removed:
        found.setdefault(edit.known[name].said.sweep, []).append(edit.known[name].id)
    for sweep, ids in found.items():
        cancel_idle(session, edit.sweeps[sweep], ids, Reason.REMOVED)
