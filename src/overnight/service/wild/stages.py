"""What becomes of a run: queue, start, stop, and what others report who carry one out."""

from __future__ import annotations

from typing_extensions import TypedDict

from overnight.domain.errors import BadRequest, Conflict
from overnight.domain.nouns import Run
from overnight.domain.reasons import Reason
from overnight.domain.states import LIVE_RUN, RUN
from overnight.planner.wild import ACTIVE, TERMINAL, Report, RunStatus, Standing, report_of, reported
from overnight.service import consequences, steer
from overnight.service.consequences import EndedRun
from overnight.service.context import Context
from overnight.service.steer import in_one_write
from overnight.service.wild import views
from overnight.service.wild.requests import OneRun
from overnight.service.wild.run_requests import StatusReport
from overnight.service.wild.views import RunView
from overnight.service.wild.work import Work
from overnight.store import cluster, runs, scope, wild
from overnight.store.base import Session
from overnight.store.moves import move
from overnight.store.wild import Callback


class Queued(RunView):
    """A run that was queued."""

    message: str


class Started(TypedDict):
    """How a start stands."""

    message: str
    tmux_window: str | None
    id: str
    status: RunStatus


class Message(TypedDict):
    """What was done."""

    message: str


def queue_run(context: Context, request: OneRun) -> Queued:
    """Queue a ready run."""

    def change(session: Session) -> Queued:
        run = scope.require_run(session, request.id)
        if not wild.enqueue(session, run):
            status = views.status_of(session, run)
            raise BadRequest(f"Run is not ready (status: {status})", next_step="Only ready runs are queued.")
        return {"message": "Run queued", **views.one(session, runs.get(session, run.id))}

    return in_one_write(context, change)


def start_run(context: Context, request: OneRun) -> Started:
    """Start a run as soon as capacity allows; starting one that is queued already has no effect."""

    def change(session: Session) -> Started:
        run = scope.require_run(session, request.id)
        status = views.status_of(session, run)
        if status not in ("ready", "queued"):
            raise BadRequest(f"Run cannot be started (status: {status})", next_step="Make a new one with /rerun.")
        wild.enqueue(session, run)
        return _started(session, request.id)

    return in_one_write(context, change)


def _started(session: Session, run_id: str) -> Started:
    status = views.status_of(session, runs.get(session, run_id))
    message = "Run queued" if status in ("ready", "queued") else "Run started"
    return {"message": message, "tmux_window": None, "id": run_id, "status": status}


def standing(session: Session, run_id: str) -> tuple[Started, bool]:
    """How a start stands now, and whether the scheduler may give it room in a moment."""
    answer, room = _started(session, run_id), cluster.capacity(session)
    return answer, answer["status"] == "queued" and room.live < room.most


def stop_run(context: Context, request: OneRun) -> Message:
    """Cancel a run, or have it stopped; the surface waits for its end. Asking again meanwhile has no effect."""

    def change(session: Session) -> Message:
        run = scope.require_run(session, request.id)
        status = views.status_of(session, run)
        if status in TERMINAL:
            raise BadRequest(f"Run is not active (status: {status})", next_step="There is nothing to stop.")
        steer.stop_run(session, run, **wild.told(run, before=status))
        return {"message": "Run stopped"}

    return in_one_write(context, change)


def report_status(context: Context, request: StatusReport) -> Message:
    """Keep what somebody says of a run that they carry out; Conflict when it contradicts what is known of it."""

    def change(session: Session) -> Message:
        run = scope.require_run(session, request.id)
        status = reported(request.status, request.exit_code)
        ours = bool(run.attempts) or run.state in LIVE_RUN
        standing = Standing(run.state, views.status_of(session, run), ours)
        report = report_of(standing, status)
        if report is None:
            raise Conflict(f"Run is {standing.status}: it cannot be {status}", next_step="Look at the run.")
        _take(session, run, standing, report, request)
        return {"message": "Status updated"}

    return in_one_write(context, change)


def _take(session: Session, run: Run, standing: Standing, report: Report, request: StatusReport) -> None:
    before, after = standing.status, report.status
    said = wild.told(run, before=before, after=after, exit_code=request.exit_code, error=request.error)
    if report.arrow:
        move(session, RUN, run.id, report.arrow, **said)
    elif report.kept:
        session.record("callback.status", run.id, **said)
    if report.kept or standing.ours:
        callback = Callback(run.id, after, request.exit_code, request.error, request.tmux_pane, request.wandb_dir)
        wild.keep_callback(session, callback)
    if report.kept and before != after:
        _enter(session, run, report, request.error)


_REASONS = {"finished": Reason.OK, "failed": Reason.NONZERO_EXIT, "stopped": Reason.CANCELLED}


def _enter(session: Session, run: Run, report: Report, error: str | None) -> None:
    """What a report changes beside the state: times, the reason, what follows."""
    status, now = report.status, session.now
    ended = now if status in TERMINAL else None
    started = now if status == "running" else None
    session.rows(
        "run_reported", id=run.id, reason=_REASONS.get(status), detail=error, started_at=started, ended_at=ended
    )
    if run.campaign_id and status in ACTIVE:
        session.rows("campaign_begun", id=run.campaign_id, now=now)
    if ended is not None:
        state = runs.get(session, run.id).state
        consequences.follow(session, [EndedRun(run.id, run.sweep_id, run.campaign_id, state)])


WORK: dict[str, Work] = {
    "queue_run": Work(OneRun, queue_run, Queued),
    "start_run": Work(OneRun, start_run, Started),
    "stop_run": Work(OneRun, stop_run, Message),
    "report_status": Work(StatusReport, report_status, Message),
}
"""Name of an operation -> what it takes, what carries it out, what it answers."""
