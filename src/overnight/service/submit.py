"""Operations that bring work: plan, submit."""

from __future__ import annotations

import os
import random
from collections.abc import Iterable
from functools import lru_cache
from typing import Any

from overnight.domain.errors import InvalidFile, Refused
from overnight.domain.plan import NOTHING, CampaignPlan, CellPlan, Need, Retry, SweepPlan
from overnight.manifest import load
from overnight.service.code import identify
from overnight.service.context import Context
from overnight.service.preflight import blocked_sweeps
from overnight.service.requests import CampaignFile, SingleRunRequest, SingleRuns
from overnight.service.views import View
from overnight.store import campaigns
from overnight.store.base import Session


def plan(context: Context, request: CampaignFile) -> View:
    """Expand, check and preflight a file; nothing changes."""
    try:
        parsed = load(request.file, request.path, request.directory)
    except InvalidFile as refused:
        return {"campaign": None, "cells": [], "errors": [_problem(refused, it) for it in refused.problems]}
    devices = context.store.read(lambda session: session.rows("devices_all"))
    blocked = blocked_sweeps(parsed, [row[2] for row in devices if row[7] == "healthy"])
    cells = [_cell(sweep, cell, blocked.get(sweep.name)) for sweep in parsed.sweeps for cell in sweep.cells]
    return {"campaign": parsed.name, "cells": cells, "errors": []}


def _problem(refused: InvalidFile, problem: Any) -> View:
    line = f":{problem.line}" if problem.line else ""
    return {"place": f"{refused.path}{line} {problem.place}".strip(), "line": problem.line, "message": problem.message}


def _cell(sweep: SweepPlan, cell: CellPlan, blocked: View | None) -> View:
    whole = [need.sweep for need in sweep.needs if need.match is None]
    return {
        "id": cell.name,
        "sweep": sweep.name,
        "command": cell.command if isinstance(cell.command, str) else list(cell.command),
        "parameters": dict(cell.parameters),
        "gpus": sweep.need.gpus,
        "outputs": list(cell.outputs),
        "depends_on": [*whole, *cell.needs],
        "blocked": blocked,
    }


def submit(context: Context, request: CampaignFile) -> View:
    """Store a campaign. The same file again, while its campaign is still active, is that campaign."""
    parsed = load(request.file, request.path, request.directory)
    code = identify(parsed.sweeps[0].workdir)
    submission = campaigns.Submission(
        request.file, os.path.join(request.directory, os.path.basename(request.path)), code
    )
    answer = context.store.write(context.change, lambda session: _submit(session, parsed, submission, context.rng))
    context.wake()
    return answer


def _submit(session: Session, parsed: CampaignPlan, submission: campaigns.Submission, rng: random.Random) -> View:
    digest = campaigns.digest_of(parsed, submission.path)
    known = session.value("campaign_by_digest", digest=digest)
    resumed = known is not None
    campaign_id = known or campaigns.submit(session, parsed, submission, digest, rng)
    return {"campaign": {"id": campaign_id, "name": parsed.name}, "runs": parsed.cells, "resumed": resumed}


def submit_runs(context: Context, request: SingleRuns) -> View:
    """Store runs outside any campaign."""
    singles = [single_of(run) for run in request.runs]
    answer = context.store.write(
        context.change, lambda session: {"ids": campaigns.submit_single(session, singles, context.rng)}
    )
    context.wake()
    return answer


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
    )
    return campaigns.SingleRun(request.name, CellPlan(request.name, NOTHING, command, (), request.env), settings)


def _refuse_reserved(names: Iterable[str]) -> None:
    reserved = [name for name in names if name.startswith("OVERNIGHT_") or "=" in name or not name]
    if reserved:
        raise Refused(f"the variable {reserved[0]!r} may not be set", place="env", next_step="Choose another name.")


@lru_cache(maxsize=256)
def _settings(
    workdir: str, need: Need, retry: Retry, time_limit: float | None, grace: float, priority: int
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
    )
