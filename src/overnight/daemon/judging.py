"""What becomes of the run of an ended attempt, and what is worth saying of it. Part of the settle pass."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from overnight.domain.alerts import AlertKind
from overnight.domain.nouns import Attempt, Sweep
from overnight.domain.reasons import Mark, Reason
from overnight.domain.states import RUN
from overnight.planner.breaker import is_due, trips
from overnight.planner.judge import Outcome, Standing, Verdict, verdict_of
from overnight.planner.pace import too_fast
from overnight.service import consequences
from overnight.service.consequences import EndedRun
from overnight.service.recall import RELEASED, recall_unmet
from overnight.store import campaigns, marks, rows, runs
from overnight.store.base import Row, Session
from overnight.store.moves import move

SAMPLE = 40
"""The first runs of a sweep among which the usual time is looked for."""


def judge(
    session: Session,
    attempt: Attempt,
    outcome: Outcome,
    seconds: float | None,
    metrics: Mapping[str, float],
    *,
    here: bool = True,
) -> list[EndedRun]:
    """Move the run of an attempt whose end was just accepted; returns the runs that changed their state by it.

    `seconds` is how long the attempt took (None = not known), `metrics` its final numbers. Unless what it left is
    `here`, a run that would succeed is `collecting` first.
    """
    found = session.row("run_judging", id=attempt.run_id)
    if found is None:
        return []
    sweep, config = campaigns.get_sweep(session, found[1]), json.loads(found[8])
    standing = _standing(session, attempt, outcome, seconds, (*found[:8], len(config.get("smaller", ()))))
    standing = replace(standing, gives_up=sweep.settings.on_disconnect == "kill")
    verdict = verdict_of(outcome, sweep.settings.retry, standing, session.now)
    well = verdict.transition == "succeed"
    if well and not here:
        verdict = replace(verdict, transition="collect")
    payload = {"reason": verdict.reason, "attempt": attempt.id}
    if not move(session, RUN, attempt.run_id, verdict.transition, fence=attempt.fence, **payload):
        return []
    _keep(session, attempt.run_id, verdict)
    if metrics or well:  # what a former attempt reported is no result of this one
        runs.keep_results(session, attempt.run_id, metrics)
    ended = [EndedRun(attempt.run_id, sweep.id, sweep.campaign_id, RUN.arrow(verdict.transition).target)]
    if well:
        _mark_suspicious(session, attempt, sweep, seconds, metrics, config.get("estimate"))
    elif verdict.transition == "fail":
        tell_stuck(session, attempt.id, sweep.campaign_id, found[7], verdict.reason, verdict.detail)
        ended += _break(session, sweep, attempt, verdict)
    elif ended[0].state in RELEASED:
        recall_unmet(session, attempt.run_id, sweep.id)
    return ended


def _standing(session: Session, attempt: Attempt, outcome: Outcome, seconds: float | None, found: Row) -> Standing:
    state, _, _, failures, interruptions, rung, hint, _, rungs = found
    return Standing(
        failures=failures,
        interruptions=interruptions,
        cancelling=state == "cancelling",
        rung=rung,
        rungs=rungs,
        avoid=tuple(json.loads(hint).get("avoid", ())) if hint else (),
        devices=attempt.devices,
        killed=_killed(session, attempt, outcome),
        seconds=seconds,
        before=_before(session, attempt, outcome),
    )


def _killed(session: Session, attempt: Attempt, outcome: Outcome) -> int:
    if outcome.reason is not Reason.KILLED:
        return 0
    return int(session.value("attempts_killed", run_id=attempt.run_id, before=attempt.number))


def _before(session: Session, attempt: Attempt, outcome: Outcome) -> tuple[str, float] | None:
    if outcome.reason is not Reason.NONZERO_EXIT:
        return None
    found = session.row("attempt_before", run_id=attempt.run_id, number=attempt.number - 1)
    if found is None or found[0] != Reason.NONZERO_EXIT or found[1] is None or found[2] is None:
        return None
    return found[1], found[2]


def _keep(session: Session, run_id: str, verdict: Verdict) -> None:
    final = RUN.arrow(verdict.transition).target in RUN.terminal
    session.rows(
        "run_judged",
        id=run_id,
        reason=verdict.reason,
        detail=verdict.detail,
        failures=verdict.failures,
        interruptions=verdict.interruptions,
        not_before=verdict.not_before,
        rung=verdict.rung,
        hint=rows.encode(verdict.hint) if verdict.hint else None,
        ended_at=session.now if final else None,
    )


def _mark_suspicious(
    session: Session,
    attempt: Attempt,
    sweep: Sweep,
    seconds: float | None,
    metrics: Mapping[str, float],
    estimate: Any,
) -> None:
    wrong = [f"{name} is {value}" for name, value in sorted(metrics.items()) if not math.isfinite(value)]
    if wrong:
        marks.mark(session, attempt.id, attempt.run_id, Mark.DIVERGED, ", ".join(wrong[:3]))
    if seconds is None:
        return
    others = _seconds_of_others(session, attempt, sweep)
    why = too_fast(seconds, others, sweep.settings.estimate if estimate is None else estimate)
    if why:
        marks.mark(session, attempt.id, attempt.run_id, Mark.TOO_FAST, why)


def _seconds_of_others(session: Session, attempt: Attempt, sweep: Sweep) -> list[float]:
    """How long runs like it took. Runs that were submitted one by one share a sweep, but need not be alike."""
    if sweep.campaign_id is None or sweep.settings.capacity:
        return []
    return [row[0] for row in session.rows("seconds_of_others", sweep_id=sweep.id, run_id=attempt.run_id, limit=SAMPLE)]


def tell_stuck(session: Session, attempt: str, campaign: str | None, name: str, reason: str, detail: str) -> None:
    """Have people hear that a run failed for good."""
    title = f"{name} failed: {reason}"
    marks.alert(session, AlertKind.STUCK, attempt, campaign_id=campaign, title=title, detail=detail)


def _break(session: Session, sweep: Sweep, attempt: Attempt, verdict: Verdict) -> list[EndedRun]:
    """Block what is left of a sweep whose first runs all failed in the same way. Never for runs submitted alone."""
    breaker = sweep.settings.breaker
    if breaker is None or sweep.campaign_id is None or not is_due(breaker, campaigns.sweep_counts(session, sweep.id)):
        return []
    failures = session.rows("failures_of_sweep", sweep_id=sweep.id, limit=breaker)
    if not trips(breaker, [(reason, signature) for reason, signature in failures]):
        return []
    states = json.dumps(["waiting", "queued"])
    rest = [row[0] for row in session.rows("runs_in_states_of_sweep", sweep_id=sweep.id, states=states)]
    title = f"{sweep.name}: its first {breaker} runs failed in the same way"
    detail = f"{verdict.reason}: {verdict.detail}; correct it, then: overnight retry {sweep.id}"
    moved = consequences.block(session, rest, Reason.BREAKER, f"{title} ({detail})", subject=sweep.id)
    marks.alert(session, "breaker", attempt.id, campaign_id=sweep.campaign_id, title=title, detail=detail)
    return [EndedRun(run, sweep.id, sweep.campaign_id, "blocked") for run in moved]
