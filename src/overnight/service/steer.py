"""Operations that steer: cancel, retry, pause, resume. Each is one transaction; the loop carries out what follows."""

from __future__ import annotations

import json
from collections.abc import Sequence

from overnight.domain.errors import Conflict
from overnight.domain.reasons import Reason
from overnight.domain.states import ATTEMPT, CAMPAIGN_GATE, RUN, SWEEP_GATE
from overnight.service import consequences
from overnight.service.consequences import EndedRun
from overnight.service.context import Context
from overnight.service.requests import One, Retry
from overnight.service.views import View
from overnight.store import campaigns, references
from overnight.store.base import Session
from overnight.store.moves import move, move_runs

NOT_RUNNING = ("waiting", "queued", "delayed", "blocked")
"""States in which a run is cancelled at once."""


def cancel(context: Context, request: One) -> View:
    """Cancel what has not run, order the stop of what runs. Repeating it changes nothing more."""

    def change(session: Session) -> View:
        noun, thing = references.resolve(session, request.id)
        cancelled, stopping = 0, 0
        for sweep_id, chosen in _runs_of(session, noun, thing):
            cancelled += _cancel_idle(session, sweep_id, _in_states(session, sweep_id, NOT_RUNNING, chosen))
            stopping += sum(_order_stop(session, run) for run in _in_states(session, sweep_id, ("running",), chosen))
        return {"id": thing, "kind": noun, "cancelled": cancelled, "stopping": stopping}

    answer = context.store.write(context.change, change)
    context.wake()
    return answer


def _runs_of(session: Session, noun: str, thing: str) -> list[tuple[str, str | None]]:
    """(sweep id, the one run that is meant or None for all) of whatever an id names."""
    if noun == "run":
        return [(session.rows("run_standing", id=thing)[0][1], thing)]
    if noun == "sweep":
        return [(thing, None)]
    return [(sweep.id, None) for sweep in reversed(campaigns.sweeps_of(session, thing))]


def _in_states(session: Session, sweep_id: str, states: Sequence[str], chosen: str | None) -> list[str]:
    if chosen is not None:
        return [chosen] if session.rows("run_standing", id=chosen)[0][0] in states else []
    return [row[0] for row in session.rows("runs_in_states_of_sweep", sweep_id=sweep_id, states=json.dumps(states))]


def _cancel_idle(session: Session, sweep_id: str, ids: Sequence[str]) -> int:
    moved = move_runs(session, ids, "cancel", subject=sweep_id, reason=Reason.CANCELLED)
    asked = f"by {session.change.actor}"
    table = [{"id": run, "reason": Reason.CANCELLED, "detail": asked, "now": session.now} for run in moved]
    session.many("run_cancelled", table)
    consequences.follow(session, [EndedRun(run, sweep_id, None, "cancelled") for run in moved])
    return len(moved)


def _order_stop(session: Session, run_id: str) -> bool:
    if not move(session, RUN, run_id, "order_stop"):
        return False
    attempt = session.value("attempt_live_of_run", run_id=run_id)
    if attempt is not None:
        move(session, ATTEMPT, attempt, "order_stop", run=run_id)
    return True


def retry(context: Context, request: Retry) -> View:
    """Try failed (and, without `failed`, cancelled) runs again; what they had blocked waits for them again."""

    def change(session: Session) -> View:
        noun, thing = references.resolve(session, request.id)
        states = ("failed",) if request.failed else ("failed", "cancelled")
        again = [
            run for sweep, one in _runs_of(session, noun, thing) for run in _in_states(session, sweep, states, one)
        ]
        blocked = [
            run
            for sweep, one in _runs_of(session, noun, thing)
            for run in _in_states(session, sweep, ("blocked",), one)
        ]
        if not again and not blocked:
            raise Conflict(
                f"nothing of {request.id} has failed",
                next_step=f"See how it stands with: overnight explain {request.id}",
            )
        moved = _try_again(session, again, thing)
        moved += _try_again(session, [run for run in blocked if _is(session, run, "blocked")], thing)
        consequences.survey(session)
        return {"id": thing, "kind": noun, "retried": len(moved)}

    answer = context.store.write(context.change, change)
    context.wake()
    return answer


def _is(session: Session, run_id: str, state: str) -> bool:
    return bool(session.rows("run_standing", id=run_id)[0][0] == state)


def _try_again(session: Session, ids: Sequence[str], subject: str) -> list[str]:
    moved = move_runs(session, ids, "retry", subject=subject)
    session.many("run_reset", [{"id": run} for run in moved])
    consequences.reopen(session, moved)
    for run in moved:
        consequences.unblock_dependants(session, run)
    return moved


def pause(context: Context, request: One) -> View:
    """Nothing new of a campaign or sweep starts; what runs goes on."""
    return _gate(context, request, "pause")


def resume(context: Context, request: One) -> View:
    """Starts of a campaign or sweep are allowed again."""
    return _gate(context, request, "resume")


def _gate(context: Context, request: One, transition: str) -> View:
    def change(session: Session) -> View:
        noun, thing = references.resolve(session, request.id)
        if noun == "run":
            raise Conflict(
                f"{request.id} is a run; campaigns and sweeps can be paused", next_step="Give the campaign's id."
            )
        moved = move(session, CAMPAIGN_GATE if noun == "campaign" else SWEEP_GATE, thing, transition)
        return {"id": thing, "kind": noun, "paused": transition == "pause", "changed": moved}

    answer = context.store.write(context.change, change)
    context.wake()
    return answer
