"""Runs and attempts: claim, end, judge, look up."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

from overnight.domain.errors import NotFound
from overnight.domain.nouns import Attempt, Run
from overnight.domain.states import ATTEMPT, LEASE, RUN
from overnight.ids import attempt_id
from overnight.store import rows
from overnight.store.base import Session
from overnight.store.moves import move


def get(session: Session, run_id: str) -> Run:
    """The run; NotFound for an unknown id."""
    found = session.row("run_get", id=run_id)
    if not found:
        raise NotFound(f"there is no run {run_id}", next_step="List the runs with: overnight ls --runs")
    return rows.run(found)


def attempts(session: Session, run_id: str) -> list[Attempt]:
    """All attempts of a run, oldest first."""
    return [rows.attempt(row) for row in session.rows("attempts_of", run_id=run_id)]


def get_attempt(session: Session, attempt: str) -> Attempt | None:
    """The attempt, or None."""
    found = session.row("attempt_get", id=attempt)
    return rows.attempt(found) if found else None


def live_attempts(session: Session, target: str) -> list[Attempt]:
    """Attempts of a target that may be alive, oldest fence first."""
    return [rows.attempt(row) for row in session.rows("attempts_live", target=target)]


def claim(  # noqa: PLR0913 - one row of a table, by name
    session: Session,
    run_id: str,
    number: int,
    *,
    target: str,
    folder: str,
    devices: Sequence[str],
    part: int = 0,
    share: int = 1,
    lease: float | None = None,
) -> int | None:
    """Give a queued run its next attempt: fence, devices, folder. Returns the fence; None if the run is not queued
    any more.

    `number` is the attempt's number, one more than the run has made. With `share` above 1 it bears as many runs on its
    one device, itself included, and gets the `part` of it that nobody has. `lease`: seconds without a word of us after
    which its host ends it by itself; None = never. The database refuses a second live attempt
    of a run and a second live lease of the same part of a device.
    """
    fence: int = session.value("fence_next")
    attempt = attempt_id(run_id, number)
    more: dict[str, Any] = {"share": share} if share > 1 else {}
    if lease is not None:
        more["lease"] = lease
    given = list(devices)
    if not move(session, RUN, run_id, "claim", attempt=attempt, token=fence, target=target, devices=given, **more):
        return None
    session.rows("run_claimed", id=run_id, fence=fence, now=session.now)
    session.rows(
        "attempt_insert",
        id=attempt,
        run_id=run_id,
        number=number,
        fence=fence,
        target=target,
        folder=folder,
        devices=json.dumps(given),
        now=session.now,
    )
    leases = [{"device_id": device, "attempt_id": attempt, "part": part, "now": session.now} for device in given]
    session.many("lease_insert", leases)
    return fence


def end_attempt(session: Session, attempt: Attempt, transition: str, outcome: Mapping[str, Any]) -> bool:
    """Accept the end of an attempt, once, by its own fence; False when it had ended before.

    `outcome` has `reason`, `detail` and, where known, `code, signal, pid, started_at, ended_at, record, signature`;
    `lease`: the numbers of `planner.lease.evidence`, where they alone prove the end.
    """
    payload: dict[str, Any] = {
        "reason": outcome["reason"],
        "code": outcome.get("code"),
        "signal": outcome.get("signal"),
        "run": attempt.run_id,
    }
    if outcome.get("lease"):
        payload["lease"] = dict(outcome["lease"])
    if not move(session, ATTEMPT, attempt.id, transition, fence=attempt.fence, **payload):
        return False
    record = outcome.get("record")
    session.rows(
        "attempt_ended",
        id=attempt.id,
        fence=attempt.fence,
        reason=outcome["reason"],
        detail=outcome.get("detail"),
        code=outcome.get("code"),
        signal=outcome.get("signal"),
        pid=outcome.get("pid"),
        started_at=outcome.get("started_at"),
        ended_at=outcome.get("ended_at") or session.now,
        record=rows.encode(record) if record else None,
        signature=outcome.get("signature"),
    )
    return True


def release_leases(session: Session, attempt: Attempt) -> list[str]:
    """Give back every device that an attempt holds; returns them. A second call gives back nothing."""
    devices = [row[0] for row in session.rows("leases_release", attempt_id=attempt.id, now=session.now)]
    if devices:
        session.record(f"{LEASE.noun}.release", attempt.id, attempt.fence, devices=devices)
    return devices


def keep_results(session: Session, run_id: str, metrics: Mapping[str, float]) -> None:
    """Replace the final numbers of a run; NaN and infinities are kept as text."""
    session.rows("result_delete", run_id=run_id)
    table = [
        {"run_id": run_id, "metric": name, "number": None if math.isnan(value) else value, "text": repr(float(value))}
        for name, value in metrics.items()
    ]
    if table:
        session.many("result_insert", table)


def results(session: Session, run_id: str) -> dict[str, float]:
    """The final numbers of a run."""
    return {metric: float(text) for metric, text in session.rows("results_of_run", run_id=run_id)}


def campaign_results(session: Session, campaign_id: str) -> dict[str, dict[str, float]]:
    """run id -> final numbers, over a campaign."""
    found: dict[str, dict[str, float]] = {}
    for run_id, metric, text in session.rows("results_of_campaign", campaign_id=campaign_id):
        found.setdefault(run_id, {})[metric] = float(text)
    return found
