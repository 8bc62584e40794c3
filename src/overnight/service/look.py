"""Operations that look: listings, one thing whole, logs, events, status, explanations. None changes anything."""

from __future__ import annotations

from typing import Any

from overnight.domain.errors import NotFound
from overnight.domain.nouns import Attempt, Run
from overnight.domain.states import FINAL_RUN
from overnight.ids import run_of_attempt
from overnight.planner.explain import Explanation, Situation, explain
from overnight.planner.place import Head
from overnight.service import targets, views
from overnight.service.context import Context
from overnight.service.lanes import hold_there, lane_of, lost_targets
from overnight.service.listing import seen
from overnight.service.requests import EventRange, LogRange, Nothing, One
from overnight.service.views import View
from overnight.store import (
    campaigns,
    fetches,
    history,
    labels,
    marks,
    references,
    rows,
    runs,
    scope,
    sessions,
    usages,
)
from overnight.store.base import Session


def show(context: Context, request: One) -> View:
    """One campaign, sweep or run with everything that belongs to it."""

    def read(session: Session) -> View:
        noun, thing = references.resolve(session, request.id)
        if noun == "campaign":
            return _show_campaign(session, thing)
        if noun == "sweep":
            own = labels.of_things(session, [thing]).get(thing)
            counts = campaigns.sweep_counts(session, thing)
            return {"kind": "sweep", **views.sweep(campaigns.get_sweep(session, thing), counts, own)}
        return _show_run(session, runs.get(session, thing))

    return context.store.read(read)


def _show_campaign(session: Session, campaign_id: str) -> View:
    sweeps = campaigns.sweeps_of(session, campaign_id)
    own = labels.of_things(session, [campaign_id, *(it.id for it in sweeps)])
    listed = [views.sweep(it, campaigns.sweep_counts(session, it.id), own.get(it.id)) for it in sweeps]
    counts = campaigns.counts(session, campaign_id)
    shown = views.campaign(campaigns.get(session, campaign_id), counts, own.get(campaign_id))
    return {"kind": "campaign", **shown, "sweeps": listed, "source": session.value("campaign_source", id=campaign_id)}


SHARED = (
    "workdir", "targets", "on_disconnect", "lease", "resources", "retry", "time_limit", "grace", "estimate",
    "stale_after", "hang", "environment", "secrets", "snapshot",
)  # fmt: skip
"""Settings of its sweep that are shown with a run; its own, where it has some, go before."""


def _show_run(session: Session, run: Run) -> View:
    shared = views.sweep(campaigns.get_sweep(session, run.sweep_id), {})
    needs = [{"id": row[0], "name": row[1], "state": row[3]} for row in session.rows("run_needs", run_id=run.id)]
    marks = session.rows("marks_of_run", run_id=run.id)
    in_use, came = usages.of_run(session, run.id), fetches.of_run(session, run.id)
    made = runs.attempts(session, run.id)
    return {
        "kind": "run",
        **seen(session, [run])[0],
        "phase": shared["phase"],
        "hint": dict(run.hint) if run.hint else None,
        "frozen": {
            **{name: shared[name] for name in SHARED},
            **views.frozen(run),
            "code": dict(campaigns.get(session, run.campaign_id).code) if run.campaign_id else None,
        },
        "needs": needs,
        "marks": [{"attempt": row[0], "mark": row[1], "detail": row[2], "at": row[3]} for row in marks],
        "attempts_made": [
            {**views.attempt(it), "in_use": in_use.get(it.id), "fetch": views.fetch(came.get(it.id))} for it in made
        ],
        "fetch": views.fetch(came.get(made[-1].id)) if made else None,
        "results": views.metrics(runs.results(session, run.id)),
    }


def log(context: Context, request: LogRange) -> View:
    """Part of an attempt's log as text; bytes that are no UTF-8 are replaced. `done`: nothing more will be written."""
    run, attempt = context.store.read(lambda session: find_attempt(session, request.id, request.attempt))
    if attempt is None:
        return {"id": run.id, "attempt": None, "content": "", "next_offset": 0, "done": run.state in FINAL_RUN}
    data, following = context.spots[attempt.target].files.log(attempt.folder, request.offset, request.limit)
    at_end = len(data) < request.limit
    if not (at_end and attempt.ended_at is not None):
        cut = cut_character(data)
        if cut < request.limit:
            data, following = data[: len(data) - cut], following - cut
    return {
        "id": run.id,
        "attempt": attempt.number,
        "content": data.decode("utf-8", errors="replace"),
        "next_offset": following,
        "done": at_end and attempt.ended_at is not None and run.state in FINAL_RUN,
    }


def cut_character(data: bytes) -> int:
    """How many bytes at the end are the start of a UTF-8 character that goes on behind it: they wait for the rest."""
    for back in range(1, min(4, len(data) + 1)):
        byte = data[-back]
        if byte & 0b1100_0000 == 0b1100_0000:
            length = 2 + (byte >= 0b1110_0000) + (byte >= 0b1111_0000)
            return back if back < length else 0
        if byte & 0b1000_0000 == 0:
            return 0
    return 0


def find_attempt(session: Session, text: str, number: int | None) -> tuple[Run, Attempt | None]:
    """A run and one attempt of it: the numbered one, or the newest; None when it has none yet."""
    noun, thing = references.resolve(session, text, "run")
    references.require(noun, "run", text)
    made = runs.attempts(session, thing)
    if number is None:
        return runs.get(session, thing), made[-1] if made else None
    chosen = next((attempt for attempt in made if attempt.number == number), None)
    if chosen is None:
        raise NotFound(
            f"run {thing} has no attempt {number}", next_step=f"See its attempts with: overnight show {thing}"
        )
    return runs.get(session, thing), chosen


def events(context: Context, request: EventRange) -> View:
    """Events after a cursor, oldest first; waits for a first one if asked to."""
    if request.after is not None and request.wait > 0:
        context.store.wait(request.after, request.wait)

    def read(session: Session) -> View:
        if request.subject is not None:
            _, thing = references.resolve(session, request.subject)
            found, following = history.of(session, thing, request.after or 0, request.limit)
        elif request.after is None:
            found, following = history.last(session, request.limit)
        else:
            found, following = history.after(session, request.after, request.limit)
        return {"events": [views.event(it) for it in found], "next": following}

    return context.store.read(read)


def status(context: Context, _: Nothing) -> View:
    """What goes on now: machines and how they are reached, devices and who holds them, live runs, active campaigns.

    Machines are for those alone who see everything.
    """

    def read(session: Session) -> View:
        live = [rows.run(row) for row in session.rows("runs_live", limit=10_000)]
        active = [rows.campaign(row) for row in session.rows("campaigns_active")]
        live = [it for it in live if scope.visible(session, "run", it.id)]
        active = [it for it in active if scope.visible(session, "campaign", it.id)]
        held = {device: _holder(session, attempt) for device, attempt in session.rows("leases_live")}
        own = labels.of_things(session, [it.id for it in active])
        return {
            "now": session.now,
            "home": str(context.configuration.home),
            "devices": [views.device(rows.device(row), held.get(row[0])) for row in session.rows("devices_all")],
            "running": seen(session, live),
            "campaigns": [views.campaign(it, campaigns.counts(session, it.id), own.get(it.id)) for it in active],
            "last_event": history.head(session),
        }

    machines = targets.seen(context) if context.principal.scope is None else []
    return {**context.store.read(read), "targets": machines}


def _holder(session: Session, attempt: str) -> str:
    """The attempt that holds a device, or `another`, where it is not there for who asks."""
    return attempt if scope.visible(session, "run", run_of_attempt(attempt)) else "another"


def explain_thing(context: Context, request: One) -> View:
    """The one reason why a run, or each kind of run of a campaign or sweep, is where it is."""

    def read(session: Session) -> View:
        noun, thing = references.resolve(session, request.id)
        if noun == "run":
            return {"id": thing, "kind": "run", **_explained(session, runs.get(session, thing))}
        if noun == "sweep":
            sweeps = [campaigns.get_sweep(session, thing)]
        else:
            sweeps = campaigns.sweeps_of(session, thing)
        reasons = [reason for sweep in sweeps for reason in reasons_of_sweep(session, sweep.id)]
        return {"id": thing, "kind": noun, "reasons": reasons}

    return context.store.read(read)


def reasons_of_sweep(session: Session, sweep_id: str) -> list[View]:
    """One explanation per state of the sweep that is not success, with the first run in it as the example."""
    found = []
    for state, number in sorted(campaigns.sweep_counts(session, sweep_id).items()):
        if state == "succeeded":
            continue
        row = session.row("run_first_in_state", sweep_id=sweep_id, state=state)
        if row:
            run = rows.run(row)
            found.append(
                {"state": state, "runs": number, "example": run.id, "name": run.name, **_explained(session, run)}
            )
    return found


def _explained(session: Session, run: Run) -> View:
    it: Explanation = explain(situation_of(session, run))
    return {"state": run.state, "code": it.code, "reason": it.sentence, "next": list(it.next)}


def situation_of(session: Session, run: Run) -> Situation:
    """Everything that decides what happens to a run."""
    sweep = campaigns.get_sweep(session, run.sweep_id)
    made = runs.attempts(session, run.id)
    unmet: list[Any] = session.rows("run_unmet_names", run_id=run.id)
    if run.state == "waiting":
        whole = session.rows("sweep_unmet_names", sweep_id=sweep.id)
        unmet += [(name, state) for name, state in whole if state != "settled"]
    head = Head(run.id, run.seq, run.priority, run.attempts, run.created_at)
    held, lost = marks.holds(session), lost_targets(session)
    ahead = session.value("runs_queued_before", sweep_id=sweep.id, priority=run.priority, seq=run.seq)
    return Situation(
        run=run,
        sweep=sweep,
        lane=lane_of(session, sweep, (head,), {}, held),
        attempt=made[-1] if made else None,
        unmet=unmet,
        devices=[rows.device(row) for row in session.rows("devices_all")],
        held=dict(session.rows("leases_live")),
        ahead=int(ahead) if run.state == "queued" else 0,
        now=session.now,
        paused_loop=sessions.holding(session, run.id) if run.state == "queued" else None,
        lost=lost,
        stopped={it: why for it in sweep.settings.targets if (why := hold_there(sweep, it, held))},
        fetch=fetches.get(session, made[-1].id) if run.state == "collecting" else None,
    )
