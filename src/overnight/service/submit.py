"""Operations that bring work: plan, submit."""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import replace
from functools import lru_cache

from overnight.domain.errors import InvalidFile, Refused
from overnight.domain.nouns import Attribution
from overnight.domain.plan import NOTHING, CellPlan, Need, Retry, SweepPlan
from overnight.service import targets, views
from overnight.service.code import identify
from overnight.service.context import Context
from overnight.service.freeze import frozen, refuse_unfrozen
from overnight.service.limits import refuse_many
from overnight.service.preflight import Report
from overnight.service.prepare import Prepared, looked_at, read_file, warnings_of
from overnight.service.requests import CampaignFile, SingleRunRequest, SingleRuns, Submission
from overnight.service.views import View
from overnight.store import campaigns, labels, rows, scope
from overnight.store.base import Session


def plan(context: Context, request: CampaignFile) -> View:
    """Expand, check and preflight a file; nothing changes."""
    try:
        prepared = read_file(context, request)
    except InvalidFile as refused:
        errors = [{"place": it.place, "line": it.line, "message": it.message} for it in refused.problems]
        return {"campaign": None, "sweeps": [], "cells": [], "warnings": [], "preflight": [], "errors": errors}
    report = looked_at(context, prepared)
    sweeps = prepared.plan.sweeps
    return {
        "campaign": prepared.plan.name,
        "parallel": prepared.plan.parallel,
        "analyze": prepared.plan.analyze,
        "sweeps": [_sweep(sweep) for sweep in sweeps],
        "cells": [_cell(sweep, cell, report.blocked(sweep, cell)) for sweep in sweeps for cell in sweep.cells],
        "warnings": warnings_of(report),
        "preflight": [{"sweep": name, **it.view} for name, found in report.sweeps.items() for it in found],
        "errors": [],
    }


def _sweep(sweep: SweepPlan) -> View:
    settings = rows.sweep_settings(rows.settings_of(sweep))
    about = {"name": sweep.name, "phase": sweep.phase_name, "runs": len(sweep.cells), "priority": sweep.priority}
    return {**about, **views.settings_of(settings)}


def _cell(sweep: SweepPlan, cell: CellPlan, blocked: View | None) -> View:
    whole = [need.sweep for need in sweep.needs if need.match is None]
    return {
        "id": cell.name,
        "sweep": sweep.name,
        "phase": sweep.phase_name,
        "command": cell.command if isinstance(cell.command, str) else list(cell.command),
        "parameters": dict(cell.parameters),
        "gpus": sweep.need.gpus,
        "outputs": list(cell.outputs),
        "requires": list(cell.requires),
        "depends_on": [*whole, *cell.needs],
        "skip_if_done": cell.skip_if_done,
        "time_limit": sweep.time_limit if cell.time_limit is None else cell.time_limit,
        "estimate": sweep.estimate if cell.estimate is None else cell.estimate,
        "stale_after": sweep.stale_after if cell.stale_after is None else cell.stale_after,
        "blocked": blocked,
    }


def attribution_of(context: Context, request: Submission | SingleRuns) -> Attribution:
    """In which conversation something is asked for: named, none on purpose (null), or nothing said of it."""
    if "chat_session_id" not in request.model_fields_set:
        return Attribution(context.origin)
    return Attribution(context.origin, request.chat_session_id, 1 if request.chat_session_id is None else 2)


def submit(context: Context, request: Submission) -> View:
    """Store a campaign. The same file again, while its campaign is still active, is that campaign.

    Raises PreflightFailed, and stores nothing, when something is missing that all runs of a sweep need.
    """
    prepared = read_file(context, request)
    refuse_many(context, prepared.plan.cells)
    known = context.store.read(lambda session: scope.under_way(session, prepared.digest))
    report = Report() if known is not None else looked_at(context, prepared)
    if known is None and not report.sweeps:
        prepared = replace(prepared, plan=frozen(context, prepared.plan))
    code = identify(prepared.plan.sweeps[0].workdir, context.configuration.untouchable)
    submission = campaigns.Submission(request.file, prepared.path, code, attribution_of(context, request))

    def change(session: Session) -> View:
        targets.keep(context, session, targets.named_by(prepared.plan))
        campaign, resumed = _stored(session, prepared, submission, report, context.rng)
        about = {"id": campaign, "name": prepared.plan.name}
        return {"campaign": about, "runs": prepared.plan.cells, "resumed": resumed, "warnings": warnings_of(report)}

    answer = context.store.write(context.change, change)
    context.wake()
    return answer


def _stored(
    session: Session, prepared: Prepared, submission: campaigns.Submission, report: Report, rng: random.Random
) -> tuple[str, bool]:
    """The campaign's id, and whether it was there already: then nothing is refused, for it goes on."""
    known = scope.under_way(session, prepared.digest)
    if known is not None:
        return known, True
    report.refuse(prepared.path)
    refuse_unfrozen(prepared.plan)
    return campaigns.submit(session, prepared.plan, submission, prepared.digest, rng), False


def submit_runs(context: Context, request: SingleRuns) -> View:
    """Store runs outside any campaign."""
    refuse_many(context, len(request.runs))
    singles = [single_of(run) for run in request.runs]
    named = list(dict.fromkeys(target for run in request.runs for target in run.targets))
    targets.admit(context, named)
    _refuse_unknown(context, named)
    by = attribution_of(context, request)

    def change(session: Session) -> View:
        targets.keep(context, session, named)
        ids = campaigns.submit_single(session, singles, context.rng, by)
        own = {id_: {**request.labels, **run.labels} for id_, run in zip(ids, request.runs, strict=True)}
        labels.put_on_new(session, own)
        return {"ids": ids}

    answer = context.store.write(context.change, change)
    context.wake()
    return answer


def _refuse_unknown(context: Context, named: Iterable[str]) -> None:
    """Nobody looks before runs that are submitted alone: what they name must be there."""
    unknown = [name for name in named if name not in context.spots]
    if unknown:
        raise Refused(
            f"there is no target named {unknown[0]}; known are {', '.join(sorted(context.spots))}",
            place="targets",
            next_step=f"Add [targets.{unknown[0]}] to config.toml, or a `Host {unknown[0]}` to ~/.ssh/config.",
        )


def single_of(request: SingleRunRequest) -> campaigns.SingleRun:
    """A requested run as the store takes it; Refused when it could never be started."""
    command = request.command if isinstance(request.command, str) else tuple(request.command)
    texts = (command,) if isinstance(command, str) else command
    if not texts or not texts[0].strip():
        raise Refused(f"run {request.name!r} has no command", place="command", next_step="Give a command.")
    if "\0" in "".join((*texts, *request.env, *request.env.values(), request.workdir, request.name)):
        raise Refused(f"run {request.name!r} has a NUL character in a text", next_step="Remove it.")
    if not request.workdir.startswith("/"):
        raise Refused(
            f"workdir {request.workdir!r} is not absolute", place="workdir", next_step="Give an absolute path."
        )
    if request.env:
        _refuse_reserved(request.env)
    settings = _settings(
        request.workdir,
        Need(request.gpus, request.slots),
        Retry(request.attempts, request.delay),
        request.time_limit,
        request.grace,
        request.priority,
        tuple(dict.fromkeys(request.targets)),
    )
    return campaigns.SingleRun(request.name, CellPlan(request.name, NOTHING, command, (), request.env), settings)


def _refuse_reserved(names: Iterable[str]) -> None:
    reserved = [name for name in names if name.startswith("OVERNIGHT_") or "=" in name or not name]
    if reserved:
        raise Refused(f"the variable {reserved[0]!r} may not be set", place="env", next_step="Choose another name.")


@lru_cache(maxsize=256)
def _settings(
    workdir: str,
    need: Need,
    retry: Retry,
    time_limit: float | None,
    grace: float,
    priority: int,
    named: tuple[str, ...],
) -> SweepPlan:
    """The settings of runs that were submitted alone; most of a batch share them."""
    return SweepPlan(
        name="alone",
        cells=(),
        workdir=workdir,
        need=need,
        retry=retry,
        time_limit=time_limit,
        grace=grace,
        priority=priority,
        targets=named,
    )
