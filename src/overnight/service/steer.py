"""Operations that steer: cancel, start, pause, resume, priority. Each is one transaction; the loop does the rest."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

from overnight.domain.errors import Conflict
from overnight.domain.nouns import Run
from overnight.domain.reasons import Reason
from overnight.domain.states import ATTEMPT, CAMPAIGN_GATE, PENDING_RUN, RUN, SWEEP_GATE
from overnight.service import consequences
from overnight.service.chosen import Chosen, chosen_by, in_states
from overnight.service.consequences import EndedRun
from overnight.service.context import Context
from overnight.service.requests import One, Priority
from overnight.service.views import View
from overnight.store import campaigns, references, sessions, wild
from overnight.store.base import Session
from overnight.store.moves import move, move_runs

T = TypeVar("T")

NOT_RUNNING = (*PENDING_RUN, "collecting")
"""States in which a run is cancelled at once: no process of ours is alive."""


def in_one_write(context: Context, change: Callable[[Session], T]) -> T:
    """Carry a change out in one transaction, and have the loop look at it."""
    answer = context.store.write(context.change, change)
    context.wake()
    return answer


def cancel(context: Context, request: One) -> View:
    """Cancel what has not run, order the stop of what runs. Repeating it changes nothing more. A sweep of the Wild V2
    protocol that is cancelled as a whole stays so."""

    def change(session: Session) -> View:
        noun, thing, groups = chosen_by(session, request.id)
        if noun == "campaign":
            wild.keep_cancelled(session, campaigns.get(session, thing))
        cancelled, stopping = cancel_all(session, groups)
        return {"id": thing, "kind": noun, "cancelled": cancelled, "stopping": stopping}

    return in_one_write(context, change)


def cancel_all(session: Session, groups: Iterable[Chosen]) -> tuple[int, int]:
    """How many of these runs were cancelled, and how many told to stop."""
    cancelled, stopping = 0, 0
    for it in groups:
        cancelled += len(cancel_idle(session, it.sweep_id, in_states(session, it, NOT_RUNNING)))
        stopping += sum(order_stop(session, run) for run in in_states(session, it, ("running",)))
    return cancelled, stopping


def cancel_idle(
    session: Session,
    sweep_id: str,
    ids: Sequence[str],
    reason: Reason = Reason.CANCELLED,
    *,
    subject: str = "",
    **said: Any,
) -> Sequence[str]:
    """Cancel runs of a sweep that do not run; returns those that could be. What needs them is blocked. `subject` (the
    sweep unless given) and `said` are for the event."""
    moved = move_runs(session, ids, "cancel", subject=subject or sweep_id, reason=reason, **said)
    asked = f"by {session.change.actor}"
    session.many("run_cancelled", [{"id": it, "reason": reason, "detail": asked, "now": session.now} for it in moved])
    consequences.follow(session, [EndedRun(run, sweep_id, None, "cancelled") for run in moved])
    return moved


def stop_run(session: Session, run: Run, **said: Any) -> bool:
    """Cancel a run that does not run, or order its end; False when it has ended, or was told to end before. `said` is
    for the event."""
    if run.state in NOT_RUNNING:
        return bool(cancel_idle(session, run.sweep_id, [run.id], subject=run.id, **said))
    return order_stop(session, run.id, **said)


def order_stop(session: Session, run_id: str, **said: Any) -> bool:
    """Have a running run stopped; the order stands until its end is proven. False when it does not run, or is being
    stopped already. `said` is for the event."""
    if not move(session, RUN, run_id, "order_stop", **said):
        return False
    attempt = session.value("attempt_live_of_run", run_id=run_id)
    if attempt is not None:
        move(session, ATTEMPT, attempt, "order_stop", run=run_id)
    return True


def start(context: Context, request: One) -> View:
    """Queue the ready runs of a campaign or sweep, or one of them. Repeating it changes nothing more."""

    def change(session: Session) -> View:
        noun, thing, groups = chosen_by(session, request.id)
        ready = [run for it in reversed(groups) for run in in_states(session, it, ("ready",))]
        return {"id": thing, "kind": noun, "started": len(wild.enqueue_all(session, thing, ready))}

    return in_one_write(context, change)


def pause(context: Context, request: One) -> View:
    """Nothing new of a campaign, a sweep or the conversation of an agent's loop starts; what runs goes on."""
    return _gate(context, request, "pause")


def resume(context: Context, request: One) -> View:
    """Starts of a campaign, a sweep or an agent's loop are allowed again."""
    return _gate(context, request, "resume")


def _gate(context: Context, request: One, transition: str) -> View:
    def change(session: Session) -> View:
        loop = sessions.named(session, request.id)
        if loop is not None:
            moved = sessions.change(session, loop, transition).status != loop.status
            return {"id": loop.id, "kind": "session", "paused": transition == "pause", "changed": moved}
        noun, thing = references.resolve(session, request.id)
        if noun == "run":
            raise Conflict(
                f"{request.id} is a run; campaigns and sweeps can be paused", next_step="Give the campaign's id."
            )
        moved = move(session, CAMPAIGN_GATE if noun == "campaign" else SWEEP_GATE, thing, transition)
        return {"id": thing, "kind": noun, "paused": transition == "pause", "changed": moved}

    return in_one_write(context, change)


def priority(context: Context, request: Priority) -> View:
    """Let a run, a sweep, or all sweeps of a campaign go before those with a smaller number."""

    def change(session: Session) -> View:
        noun, thing = references.resolve(session, request.id)
        changed = _prioritise(session, noun, thing, request.priority)
        return {"id": thing, "kind": noun, "priority": request.priority, "changed": changed}

    return in_one_write(context, change)


def _prioritise(session: Session, noun: str, thing: str, number: int) -> bool:
    if noun == "run":
        before = session.rows("run_get", id=thing)[0][8]
        if before != number:
            session.rows("run_prioritise", id=thing, priority=number)
            session.record("run.priority", thing, before=before, priority=number)
        return bool(before != number)
    sweeps = [campaigns.get_sweep(session, thing)] if noun == "sweep" else campaigns.sweeps_of(session, thing)
    changed = [sweep for sweep in sweeps if sweep.priority != number]
    for sweep in changed:
        session.rows("sweep_prioritise", id=sweep.id, priority=number)
        session.record("sweep.update", sweep.id, before=sweep.priority, priority=number)
    if noun == "campaign" and changed:
        session.record("campaign.update", thing, priority=number)
    return bool(changed)
