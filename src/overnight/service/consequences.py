"""What follows when runs end: dependants are released or blocked, sweeps and campaigns settle, back-offs end.

`follow` looks only at what the ended runs touch; `survey` looks at every open sweep and finds whatever a crash left
undone. Both take the same steps.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from overnight.domain.alerts import ANALYSIS, AlertKind
from overnight.domain.reasons import Reason
from overnight.domain.states import CAMPAIGN, FINAL_RUN, SWEEP
from overnight.planner.judge import back_off
from overnight.planner.waves import Standing, campaign_end, standing
from overnight.store import campaigns, marks, wild
from overnight.store.base import Session
from overnight.store.moves import move, move_runs

AT_ONCE = 2_000
"""Runs released, blocked or woken by one pass at most; the next pass goes on."""

SET_BACK_SECONDS = 600.0
"""Back-offs that still last this long are compared with what they were, for the clock may have been set back."""


@dataclass(frozen=True, slots=True)
class EndedRun:
    """A run that reached a state by which others may be touched."""

    run_id: str
    sweep_id: str
    campaign_id: str | None
    state: str


def follow(session: Session, ended: Sequence[EndedRun]) -> None:
    """Take every step that these ends make possible."""
    over = [run for run in ended if run.state in FINAL_RUN]
    for run in over:
        if run.state == "succeeded":
            _release_dependants(session, run.run_id)
        else:
            block_dependants(session, run.run_id)
    settle_sweeps(session, {run.sweep_id for run in over})


def survey(session: Session) -> None:
    """The same steps for everything that is open."""
    for (sweep_id,) in session.rows("sweeps_with_waiting"):
        _look_at_waiting(session, sweep_id)
    settle_sweeps(session, [row[0] for row in session.rows("sweeps_unsettled")])
    for row in session.rows("campaigns_active"):
        end_campaign(session, row[0])
    _wake_set_back(session)


def reconsider(session: Session, sweep_ids: Iterable[str]) -> None:
    """Release or block whatever waits in these sweeps and can be, however many there are."""
    for sweep_id in sorted(sweep_ids):
        before, waiting = 0, _waiting(session, sweep_id)
        while waiting != before:
            _look_at_waiting(session, sweep_id)
            before, waiting = waiting, _waiting(session, sweep_id)


def _waiting(session: Session, sweep_id: str) -> int:
    return campaigns.sweep_counts(session, sweep_id).get("waiting", 0)


def wake_due(session: Session) -> int:
    """Queue the runs whose back-off is over; returns how many."""
    due = [row[0] for row in session.rows("runs_due", now=session.now, limit=AT_ONCE)]
    return sum(move_runs(session, [run], "wake", subject=run) != [] for run in due)


def _wake_set_back(session: Session) -> None:
    """Queue runs that would wait longer than their back-off ever was: the wall clock was set back since (R18)."""
    late = session.rows("runs_due_after", after=session.now + SET_BACK_SECONDS, limit=AT_ONCE)
    for run_id, sweep_id, failures, not_before in late:
        longest = back_off(campaigns.get_sweep(session, sweep_id).settings.retry, failures)
        if not_before - session.now > longest:
            move_runs(session, [run_id], "wake", subject=run_id)


def _look_at_waiting(session: Session, sweep_id: str) -> None:
    for run_id, _, name, state in session.rows("runs_waiting_with_cell_needs_lost", sweep_id=sweep_id, limit=AT_ONCE):
        block(session, [run_id], Reason.NEED_FAILED, f"{name} is {state}", subject=sweep_id)
    _weigh_whole_needs(session, sweep_id)


def _release_dependants(session: Session, run_id: str) -> None:
    for waiting, sweep_id in session.rows("runs_waiting_for", needs_id=run_id):
        if session.value("run_unmet", run_id=waiting) == 0 and whole_needs(session, sweep_id) is Standing.MET:
            move_runs(session, [waiting], "release", subject=waiting)


def release(session: Session, sweep_id: str, run_ids: Sequence[str]) -> None:
    """Queue those of a sweep's waiting runs that nothing keeps any more."""
    if whole_needs(session, sweep_id) is Standing.MET:
        ready = [run for run in run_ids if session.value("run_unmet", run_id=run) == 0]
        move_runs(session, ready, "release", subject=sweep_id)


def block_dependants(session: Session, run_id: str) -> None:
    """Block everything that waits, directly or not, for a run that will not succeed by itself."""
    causes = [run_id]
    while causes:
        cause = causes.pop()
        waiting = [row[0] for row in session.rows("runs_waiting_for", needs_id=cause)]
        if waiting:
            name, state = session.rows("run_get", id=cause)[0][4:6]
            causes += block(session, waiting, Reason.NEED_FAILED, f"{name} is {state}", subject=cause)


def block(session: Session, ids: Sequence[str], reason: Reason, detail: str, *, subject: str) -> list[str]:
    """Block runs for a reason; returns those that could be, and settles their sweeps."""
    moved = move_runs(session, ids, "block", subject=subject, reason=reason, detail=detail)
    session.many("run_blocked", [{"id": run, "reason": reason, "detail": detail} for run in moved])
    settle_sweeps(session, {session.rows("run_standing", id=run)[0][1] for run in moved})
    return moved


def refuse(session: Session, ids: Sequence[str], detail: str, *, subject: str) -> None:
    """Fail queued runs that could never start, and take what follows from it."""
    moved = move_runs(session, ids, "refuse", subject=subject, reason=Reason.START_FAILED, detail=detail)
    session.many(
        "run_cancelled",
        [{"id": run, "reason": Reason.START_FAILED, "detail": detail, "now": session.now} for run in moved],
    )
    standings = [(run, *session.rows("run_standing", id=run)[0][:3]) for run in moved]
    follow(session, [EndedRun(run, sweep, campaign, state) for run, state, sweep, campaign in standings])


def unblock_dependants(session: Session, run_id: str) -> None:
    """The other way round: what waited for a run that is now tried again waits once more."""
    causes = [run_id]
    seen = {run_id}
    while causes:
        cause = causes.pop()
        blocked = [row[0] for row in session.rows("runs_blocked_by", needs_id=cause)]
        sweep_id = session.rows("run_standing", id=cause)[0][1]
        for (dependant,) in session.rows("sweep_dependants", id=sweep_id):
            blocked += [
                row[0] for row in session.rows("runs_blocked_of_sweep", sweep_id=dependant, reason=Reason.NEED_FAILED)
            ]
        moved = [run for run in move_runs(session, blocked, "unblock", subject=cause) if run not in seen]
        session.many("run_reset", [{"id": run} for run in moved])
        session.many("conditions_again", [{"run_id": run} for run in moved])
        reopen(session, moved)
        seen.update(moved)
        causes += moved


def reopen(session: Session, run_ids: Iterable[str]) -> None:
    """Open the settled sweeps and campaigns of runs that go on again."""
    places = {tuple(session.rows("run_standing", id=run)[0][1:3]) for run in run_ids}
    for sweep_id, campaign_id in sorted(places):
        move(session, SWEEP, sweep_id, "reopen")
        if campaign_id:
            move(session, CAMPAIGN, campaign_id, "reopen")


def settle_sweeps(session: Session, sweep_ids: Iterable[str]) -> None:
    """Settle the sweeps of which nothing goes on, tell those that need them as a whole, and end their campaigns."""
    for sweep_id in sorted(sweep_ids):
        counts = campaigns.sweep_counts(session, sweep_id)
        if standing(counts) is Standing.OPEN or not move(session, SWEEP, sweep_id, "settle", counts=counts):
            continue
        session.rows("sweep_settled_at", id=sweep_id, now=session.now)
        for (dependant,) in session.rows("sweep_dependants", id=sweep_id):
            _weigh_whole_needs(session, dependant)
        campaign_id = campaigns.get_sweep(session, sweep_id).campaign_id
        if campaign_id:
            end_campaign(session, campaign_id)


def _weigh_whole_needs(session: Session, sweep_id: str) -> None:
    verdict = whole_needs(session, sweep_id)
    if verdict is Standing.MET:
        ready = [row[0] for row in session.rows("runs_waiting_with_cell_needs_met", sweep_id=sweep_id, limit=AT_ONCE)]
        move_runs(session, ready, "release", subject=sweep_id)
    elif verdict is Standing.LOST:
        waiting = [row[0] for row in session.rows("runs_waiting", sweep_id=sweep_id, limit=AT_ONCE)]
        if waiting:
            block(session, waiting, Reason.NEED_FAILED, _lost_need(session, sweep_id), subject=sweep_id)


def _lost_need(session: Session, sweep_id: str) -> str:
    """One of the sweeps that a sweep needs as a whole and that will not succeed by itself, in a sentence."""
    needed = sorted(row[0] for row in session.rows("sweep_needs", id=sweep_id))
    lost = next(it for it in needed if standing(campaigns.needed_counts(session, it)) is Standing.LOST)
    return f"{campaigns.get_sweep(session, lost).name} did not succeed as a whole"


def whole_needs(session: Session, sweep_id: str) -> Standing:
    """What the sweeps that a sweep needs as a whole say to it together."""
    verdicts = {standing(campaigns.needed_counts(session, row[0])) for row in session.rows("sweep_needs", id=sweep_id)}
    if Standing.LOST in verdicts:
        return Standing.LOST
    return Standing.OPEN if Standing.OPEN in verdicts else Standing.MET


def end_campaign(session: Session, campaign_id: str) -> None:
    """Give a campaign its final state when nothing of it goes on."""
    counts = campaigns.counts(session, campaign_id)
    transition = campaign_end(counts)
    if transition and move(session, CAMPAIGN, campaign_id, transition, counts=counts):
        session.rows("campaign_settled_at", id=campaign_id, now=session.now)
        _tell_end(session, campaign_id, counts)


def _tell_end(session: Session, campaign_id: str, counts: Mapping[str, int]) -> None:
    campaign, kept = campaigns.get(session, campaign_id), wild.sweep_of(session, campaign_id)
    if kept and kept.settings["is_wild"]:
        return  # its agent adds runs one by one: it ends many times
    detail = ", ".join(f"{number} {state}" for state, number in sorted(counts.items()))
    subject, title = f"{campaign_id}:{session.now:.3f}", f"{campaign.name}: {campaign.state}"
    marks.alert(session, AlertKind.SETTLED, subject, campaign_id=campaign_id, title=title, detail=detail)
    if campaign.analyze:
        marks.alert(session, ANALYSIS, subject, campaign_id=campaign_id, title=campaign.name, detail="")
