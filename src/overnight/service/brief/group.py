"""The brief of a campaign or sweep: the night in order, failures by reason, what is left."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from overnight.domain.nouns import Campaign, Event, Sweep
from overnight.domain.plan import Direction
from overnight.domain.states import FINAL_RUN, LIVE_RUN, OPEN_RUN
from overnight.ids import run_of_attempt
from overnight.reports.failures import MEANING
from overnight.reports.story import ENDS, Cast, Happening, story
from overnight.service import views
from overnight.service.brief import parts
from overnight.service.brief.parts import Draft, Log
from overnight.service.brief.run import questions
from overnight.service.context import Context
from overnight.service.look import reasons_of_sweep
from overnight.service.queue_time import PhaseTimes, eta_of, slots_of
from overnight.service.subjects import Subject
from overnight.service.views import View
from overnight.store import campaigns, chronicle, rows, runs
from overnight.store.base import Row, Session

SAMPLE = 200
"""The first runs of a sweep among which the usual time is looked for."""
WAITING = frozenset(OPEN_RUN) - frozenset(LIVE_RUN)
"""States of runs that wait for something which comes by itself, or in other hands."""
SHOWN_LOGS = 3
"""Reasons for which the end of the last log is shown."""


@dataclass(frozen=True, slots=True)
class Group:
    """A campaign with its sweeps, or one sweep of it."""

    kind: str
    id: str
    campaign: Campaign | None
    sweeps: Sequence[Sweep]
    counts: Mapping[str, int]
    """Runs by state."""
    where: Sequence[Row]
    """Target, attempts made there, since when, how many may be alive; in order of their first use."""

    @property
    def ids(self) -> list[str]:
        """Of its sweeps."""
        return [it.id for it in self.sweeps]

    @property
    def thing(self) -> Campaign | Sweep:
        """What it is the brief of."""
        return self.campaign if self.kind == "campaign" and self.campaign else self.sweeps[0]


def draft(context: Context, session: Session, subject: Subject) -> Draft:
    """All that is on record of it; the logs of the last failures are still to be read."""
    group = _group(session, subject)
    waits = [reason for sweep in group.sweeps for reason in reasons_of_sweep(session, sweep.id)]
    happened = _events(session, group)
    view = parts.empty(session, group.kind, group.id, group.thing.name, _state(group))
    failures = _failures(session, group)
    view |= {
        "since": _since(group, happened),
        "text": _sentence(group, failures),
        "asked": _asked(group),
        "history": parts.told(_history(session, group, happened)),
        "failures": failures,
        "progress": _progress(session, group),
        "waits": [_standstill(it) for it in waits if it["state"] in WAITING],
        "coming": _coming(session, group),
        "decide": _decide(session, group, waits),
        "next": _next(group, failures),
        "places": [{"what": "attempts", "target": "here", "path": str(context.runs_folder)}],
    }
    logs = [Log(it, it["target"], it.pop("folder")) for it in failures]
    return Draft(view, logs[:SHOWN_LOGS])


def _group(session: Session, subject: Subject) -> Group:
    campaign: Campaign | None
    if subject.noun == "campaign":
        campaign, sweeps = campaigns.get(session, subject.id), campaigns.sweeps_of(session, subject.id)
        counts = campaigns.counts(session, subject.id)
    else:
        sweeps = [campaigns.get_sweep(session, subject.id)]
        owner = sweeps[0].campaign_id
        campaign, counts = campaigns.get(session, owner) if owner else None, campaigns.sweep_counts(session, subject.id)
    where = session.rows("attempts_by_target", things=json.dumps([it.id for it in sweeps]))
    return Group(subject.noun, subject.id, campaign, sweeps, counts, where)


def _state(group: Group) -> str:
    it = group.thing
    return f"{it.state} (paused)" if it.gate == "paused" else it.state


def _events(session: Session, group: Group) -> list[Event]:
    things = [group.id] if group.kind == "sweep" else [group.id, *group.ids]
    found = chronicle.of_group(session, things, group.ids)
    events = [it for it in found if group.kind == "sweep" or it.kind != "run.create"]  # that it was submitted says it
    until = group.thing.settled_at if group.thing.state != "active" else session.now
    for target, _, since, _ in group.where:
        lost = chronicle.of_targets(session, [target])
        events += [it for it in lost if since <= it.wall <= (until or session.now)]
    return sorted(events, key=lambda it: it.seq)


def _since(group: Group, events: Sequence[Event]) -> float | None:
    if group.thing.state != "active" and group.thing.settled_at is not None:
        return group.thing.settled_at
    steps = ("campaign.create", "campaign.reopen") if group.kind == "campaign" else ("sweep.create", "sweep.reopen")
    there = [it.wall for it in events if it.kind in steps]
    return there[-1] if there else group.thing.created_at


def _sentence(group: Group, failures: Sequence[View]) -> str:
    total = sum(group.counts.values())
    over = sum(group.counts.get(state, 0) for state in FINAL_RUN)
    counted = ", ".join(f"{number} {state}" for state, number in sorted(group.counts.items()) if number)
    lost = sum(it["attempts"] for it in failures)
    tried = f"; {lost} attempts did not end well, see below" if lost else ""
    return f"{over} of {total} runs are over ({counted}){tried}."


def _asked(group: Group) -> View:
    if group.kind == "sweep":
        return parts.asked(
            **parts.shared(group.sweeps[0]), **(parts.asked_by(group.campaign) if group.campaign else {})
        )
    it = group.campaign
    if it is None:
        return parts.asked()
    limits = {"parallel": it.parallel, "attempts in all": it.budget.attempts, "seconds in all": it.budget.wall}
    return parts.asked(
        **parts.asked_by(it),
        file=it.path,
        targets=list(dict.fromkeys(target for sweep in group.sweeps for target in sweep.settings.targets)),
        code=dict(it.code),
        limits={name: value for name, value in limits.items() if value is not None},
        goal=f"{it.goal.direction} {it.goal.metric}" if it.goal else None,
    )


def _history(session: Session, group: Group, events: Sequence[Event]) -> list[Happening]:
    """What happened, and when the first run was started on each target."""
    attempts = [str(it.payload["attempt"]) for it in events if it.kind in ENDS and "attempt" in it.payload]
    targets: dict[str, str] = dict(session.rows("attempts_named", ids=json.dumps(attempts)))
    alone = [it.payload["ids"][0] for it in events if len(it.payload.get("ids", ())) == 1]
    runs_told = {run_of_attempt(it) for it in attempts} | set(alone)
    names: dict[str, str] = dict(session.rows("runs_named", ids=json.dumps(sorted(runs_told))))
    told = story(events, Cast(names | {it.id: f"sweep {it.name}" for it in group.sweeps}, targets))
    firsts = [
        Happening(0, since, since, 1, f"the first run was started on {target}") for target, _, since, _ in group.where
    ]
    return sorted([*told, *firsts], key=lambda it: it.at)


def _failures(session: Session, group: Group) -> list[View]:
    return [_failure(session, row) for row in session.rows("attempts_by_reason", things=json.dumps(group.ids))]


def _failure(session: Session, row: Row) -> View:
    reason, attempts, number, failed, since, until, fence = row
    last = rows.attempt(session.rows("attempt_by_fence", fence=fence)[0])
    return {
        "reason": reason,
        "meaning": MEANING.get(reason, reason),
        "attempts": int(attempts),
        "runs": int(number),
        "failed": int(failed),
        "since": since,
        "until": until,
        "example": last.id,
        "name": runs.get(session, last.run_id).name,
        "target": last.target,
        "detail": last.detail,
        "log": [],
        "folder": last.folder,
    }


def _progress(session: Session, group: Group) -> View:
    over = sum(group.counts.get(state, 0) for state in FINAL_RUN)
    began = min((row[2] for row in group.where), default=None)
    active = group.thing.state == "active"
    return {
        "counts": views.counts(group.counts),
        "done": over,
        "total": sum(group.counts.values()),
        "seconds": session.now - began if began is not None and active else None,
        "left": _left(session, group) if active else None,
        "numbers": {},
        "best": _best(session, group),
        "usage": None,
    }


def _left(session: Session, group: Group) -> float | None:
    devices = [rows.device(row) for row in session.rows("devices_all")]
    parallel = group.campaign.parallel if group.campaign else None
    return eta_of([_times(session, it, slots_of(it, devices, parallel)) for it in group.sweeps])


def _times(session: Session, sweep: Sweep, slots: int) -> PhaseTimes:
    """Runs that go on count as half done."""
    counts = campaigns.sweep_counts(session, sweep.id)
    taken = [row[0] for row in session.rows("seconds_of_others", sweep_id=sweep.id, run_id="", limit=SAMPLE)]
    live = sum(counts.get(state, 0) for state in LIVE_RUN)
    half = sorted(taken)[len(taken) // 2] / 2 if taken else 0.0
    pending = sum(counts.get(state, 0) for state in ("waiting", "queued", "delayed"))
    return PhaseTimes(slots, taken, [half] * live, pending)


def _best(session: Session, group: Group) -> View | None:
    goal = group.campaign.goal if group.campaign else None
    if goal is None:
        return None
    sign = 1 if goal.direction is Direction.MAXIMIZE else -1
    found = session.row("result_best", things=json.dumps(group.ids), metric=goal.metric, sign=sign)
    return (
        {"metric": goal.metric, "value": parts.finite(found[2]), "run": found[0], "name": found[1]} if found else None
    )


def _standstill(it: View) -> View:
    return {
        "state": it["state"],
        "runs": it["runs"],
        "code": it["code"],
        "text": it["reason"],
        "example": it["example"],
    }


def _coming(session: Session, group: Group) -> list[View]:
    found = parts.unreached(session, _targets(group))
    due, number = session.rows("runs_next_due_of", things=json.dumps(group.ids))[0]
    if number:
        found.append({"at": due, "text": f"the first of {number} delayed runs is tried again"})
    queued = group.counts.get("queued", 0) + group.counts.get("waiting", 0)
    if queued and group.thing.gate == "open":
        found.append({"at": None, "text": f"{queued} runs start when there is room for them"})
    return found


def _targets(group: Group) -> Iterable[str]:
    """Where its runs may go, and where some of them still are."""
    live = {target for target, _, _, live in group.where if live}
    return live | {target for sweep in group.sweeps for target in sweep.settings.targets}


def _decide(session: Session, group: Group, waits: Sequence[View]) -> list[View]:
    found = questions(session, group.ids) + parts.held(session, (*group.ids, *_targets(group)))
    gates: list[Campaign | Sweep] = [*group.sweeps, *([group.campaign] if group.campaign else [])]
    for gate in gates:
        if gate.gate == "paused":
            said = f"{gate.name} is paused: nothing new of it starts"
            found.append({"text": said, "commands": [f"overnight resume {gate.id}"]})
    for it in waits:
        if it["state"] in ("failed", "blocked", "ready"):
            said = f"{it['runs']} {it['state']}, such as {it['name']}: {it['reason']}"
            every = [f"overnight retry {group.id} --failed"] if it["state"] == "failed" and it["runs"] > 1 else []
            found.append({"text": said, "commands": [*it["next"], *every]})
    return found


def _next(group: Group, failures: Sequence[View]) -> list[str]:
    own = [f"overnight wait {group.id}"] if group.thing.state == "active" else []
    own.append(f"overnight explain {group.id}")
    if group.kind == "campaign":
        own = [f"overnight summary {group.id}", *own, f"overnight ls --campaign {group.id}"]
    return [*(f"overnight brief {it['example']}" for it in failures[:2]), *own]
