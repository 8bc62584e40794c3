"""The operation that tries runs again: what failed, what was blocked, or exactly what is chosen."""

from __future__ import annotations

from collections.abc import Sequence

from overnight.domain.errors import Conflict, NotFound
from overnight.domain.nouns import Run
from overnight.domain.reasons import Reason
from overnight.service import consequences
from overnight.service.chosen import Chosen, chosen_by, in_states, one_run, state_of
from overnight.service.context import Context
from overnight.service.recall import recall_dependants
from overnight.service.requests import Retry
from overnight.service.steer import in_one_write
from overnight.service.views import View
from overnight.store import references, runs
from overnight.store.base import Session
from overnight.store.moves import move_runs

NOT_WAITED_FOR = (Reason.OK, Reason.SKIPPED, Reason.REMOVED)
"""Reasons for which runs have ended that nobody waits for any more."""


def retry(context: Context, request: Retry) -> View:
    """Try runs again, all of them or none; what they had blocked waits for them again.

    Of a campaign or sweep: failed, cancelled and blocked runs, or what `failed` and `blocked` leave of them. Of chosen
    runs each must be in one of these states, or, with `again`, have succeeded. Conflict when there is nothing to try.
    """

    def change(session: Session) -> View:
        noun, thing, groups = _groups(session, request)
        moved = _try_all(session, groups, request)
        consequences.survey(session)
        consequences.reconsider(session, {session.rows("run_standing", id=run)[0][1] for run in moved})
        going = [run for run in moved if state_of(session, run) != "blocked"]
        if not going:
            raise _nothing(session, request, moved)
        return {"id": thing, "kind": noun, "retried": len(going)}

    return in_one_write(context, change)


def _groups(session: Session, request: Retry) -> tuple[str, str, list[Chosen]]:
    """(noun, id) of the first thing that was named, and everything that is meant."""
    noun, thing, groups = chosen_by(session, request.id)
    if request.names:
        return noun, thing, _named(session, noun, thing, request)
    for text in request.ids:
        groups += chosen_by(session, text)[2]
    if request.again and not all(it.run_id for it in groups):
        raise Conflict(
            "only chosen runs are made again although they succeeded", next_step="Name the runs: --name NAME --again"
        )
    return noun, thing, groups


def _named(session: Session, noun: str, thing: str, request: Retry) -> list[Chosen]:
    if request.ids:
        raise Conflict("names choose runs of one campaign", next_step="Give one campaign with the names.")
    references.require(noun, "campaign", request.id)
    known: dict[str, str] = dict(session.rows("run_names", campaign_id=thing))
    missing = [name for name in request.names if name not in known]
    if missing:
        raise NotFound(
            f"{request.id} has no run named {missing[0]!r}",
            next_step=f"List its runs with: overnight ls --campaign {thing}",
        )
    return [one_run(session, known[name]) for name in request.names]


def _try_all(session: Session, groups: Sequence[Chosen], request: Retry) -> list[str]:
    wanted = list(dict.fromkeys(run for it in groups for run in _wanted(session, it, request)))
    states = {run: state_of(session, run) for run in wanted}
    for it in groups:
        if it.run_id and runs.get(session, it.run_id).reason in NOT_WAITED_FOR:
            recall_dependants(session, it.run_id, it.sweep_id)
    subject = groups[0].run_id or groups[0].sweep_id
    moved = _try_again(session, [run for run in wanted if states[run] != "blocked"], subject)
    return moved + _try_again(session, [run for run in wanted if state_of(session, run) == "blocked"], subject)


def _wanted(session: Session, it: Chosen, request: Retry) -> list[str]:
    """The runs of a group that are tried again; a run that was chosen by itself must be one of them."""
    states = _states(request)
    if it.run_id is None:
        removed = {row[0] for row in session.rows("runs_removed_of_sweep", sweep_id=it.sweep_id)}
        return [run for run in in_states(session, it, states) if run not in removed]
    found = in_states(session, it, (*states, "succeeded") if request.again else states)
    run = runs.get(session, it.run_id)
    if not found:
        raise _refusal(run)
    _refuse_double(session, run)
    return found


def _refuse_double(session: Session, run: Run) -> None:
    """A run that the file had no more stays away when the file has one of its name again."""
    if run.reason == Reason.REMOVED and run.campaign_id:
        newest = session.value("run_by_name", campaign_id=run.campaign_id, name=run.name)
        if newest != run.id:
            raise Conflict(
                f"the file has {run.name} again, as run {newest}",
                next_step=f"Look at that one: overnight show {newest}",
            )


def _states(request: Retry) -> tuple[str, ...]:
    """`failed`: failed and what they block; `blocked`: blocked ones alone; neither: cancelled ones as well."""
    if request.failed:
        return ("failed", "blocked")
    return ("blocked",) if request.blocked else ("failed", "cancelled", "blocked")


def _refusal(run: Run) -> Conflict:
    if run.state == "succeeded":
        return Conflict(f"{run.name} has succeeded", next_step=f"Make it again with: overnight retry {run.id} --again")
    return Conflict(
        f"{run.name} is {run.state}: this does not try it again",
        next_step=f"See how it stands with: overnight explain {run.id}",
    )


def _nothing(session: Session, request: Retry, moved: Sequence[str]) -> Conflict:
    if moved:
        run = runs.get(session, moved[0])
        return Conflict(
            f"what it needs is missing still: {run.name}: {run.detail}",
            next_step="Try again what it needs, or the whole campaign.",
        )
    what = "blocked" if request.blocked and not request.failed else "failed"
    return Conflict(
        f"nothing of {request.id} has {what}" if what == "failed" else f"nothing of {request.id} is blocked",
        next_step=f"See how it stands with: overnight explain {request.id}",
    )


def _try_again(session: Session, ids: Sequence[str], subject: str) -> list[str]:
    moved = move_runs(session, ids, "retry", subject=subject)
    session.many("run_reset", [{"id": run} for run in moved])
    session.many("conditions_retry", [{"run_id": run} for run in moved])
    session.many("callback_drop", [{"run_id": run} for run in moved])
    consequences.reopen(session, moved)
    for run in moved:
        consequences.unblock_dependants(session, run)
    return moved
