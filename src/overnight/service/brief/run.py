"""The brief of a run, or of one attempt of it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from statistics import median

from overnight.domain.nouns import Attempt, Event, Run, Sweep
from overnight.domain.states import FINAL_RUN, LIVE_ATTEMPT, RUN
from overnight.ids import run_of_attempt
from overnight.planner.explain import Explanation, explain
from overnight.reports.story import Cast, story
from overnight.service import views
from overnight.service.brief import parts
from overnight.service.brief.parts import Draft, Log
from overnight.service.context import Context
from overnight.service.look import situation_of
from overnight.service.subjects import Subject
from overnight.service.views import View
from overnight.store import campaigns, chronicle, fetches, runs, usages
from overnight.store.base import Session

SAMPLE = 40
"""The first runs of a sweep among which the usual time is looked for."""
SHOWN_LOGS = 2
"""Newest attempts of which the end of the log is shown."""
HOME = "here"


def draft(context: Context, session: Session, subject: Subject) -> Draft:
    """All that is on record of it; the logs of its newest attempts are still to be read."""
    run = runs.get(session, subject.id)
    sweep = campaigns.get_sweep(session, run.sweep_id)
    made = [subject.attempt] if subject.attempt else runs.attempts(session, run.id)
    why, events = explain(situation_of(session, run)), _events(session, run, sweep, made)
    view = parts.empty(
        session, subject.kind, subject.name, run.name, subject.attempt.state if subject.attempt else run.state
    )
    view |= {
        "since": _since(run, subject.attempt, events),
        "text": _sentence(run, why, subject.attempt),
        "asked": _asked(session, run, sweep),
        "history": parts.told(story(events, Cast(targets={it.id: it.target for it in made}))),
        "attempts": [_tried(it) for it in made],
        "progress": _progress(session, run, sweep, made),
        "waits": _waits(run, why),
        "coming": _coming(session, run, sweep, made),
        "decide": _decide(session, run, sweep, why),
        "next": _next(run, why),
        "places": _places(context, run, sweep, made),
    }
    newest = list(zip(view["attempts"], made, strict=True))[-SHOWN_LOGS:]
    return Draft(view, [Log(told, it.target, it.folder) for told, it in newest if it.reason != "ok"])


def _events(session: Session, run: Run, sweep: Sweep, made: Sequence[Attempt]) -> list[Event]:
    needed = [row[0] for row in session.rows("run_needs", run_id=run.id)]
    wider = [it for it in (sweep.id, run.campaign_id, *needed) if it]
    events = chronicle.of_run(session, run.id, [it.id for it in made], wider)
    if not events:
        return []
    lost = chronicle.of_targets(session, {it.target for it in made})
    first, last = _span(session, made)
    events += [it for it in lost if first <= it.wall <= last and it.kind.startswith(("target.", "hold."))]
    return sorted(events, key=lambda it: it.seq)


def _span(session: Session, made: Sequence[Attempt]) -> tuple[float, float]:
    """From when until when attempts of it were on targets: what happened to these then is part of its story."""
    if not made:
        return 0.0, 0.0
    live = any(it.state in LIVE_ATTEMPT for it in made)
    return made[0].claimed_at, session.now if live else max(it.ended_at or it.claimed_at for it in made) + 1.0


def _since(run: Run, attempt: Attempt | None, events: Sequence[Event]) -> float | None:
    """Since when its state is what it is, by the newest event that led there."""
    if attempt is not None:
        return attempt.ended_at or attempt.started_at or attempt.claimed_at
    kinds = {f"run.{arrow.transition}" for arrow in RUN.arrows if arrow.target == run.state}
    there = [it.wall for it in events if it.kind in kinds]
    return there[-1] if there else run.created_at


def _sentence(run: Run, why: Explanation, attempt: Attempt | None) -> str:
    if attempt is None:
        return f"{why.sentence}."
    how = f": {attempt.reason}, {attempt.detail}" if attempt.reason else ""
    return (
        f"attempt {attempt.number} on {attempt.target} is {attempt.state}{how}. Its run is {run.state}: {why.sentence}."
    )


def _asked(session: Session, run: Run, sweep: Sweep) -> View:
    config, shared = run.config, parts.shared(sweep)
    campaign = campaigns.get(session, run.campaign_id) if run.campaign_id else None
    own = {name: config[name] for name in ("time_limit", "estimate") if name in config}
    command = config["smaller"][run.rung - 1]["command"] if run.rung else config["command"]
    return parts.asked(
        **{
            **shared,
            "limits": {**shared["limits"], **own},
            "code": {**(campaign.code if campaign else {}), **shared["code"]},
        },
        **parts.asked_by(run),
        command=command,
        parameters={**config["parameters"], **views.changed(run)},
        file=campaign.path if campaign else None,
        goal=f"{campaign.goal.direction} {campaign.goal.metric}" if campaign and campaign.goal else None,
    )


def _next(run: Run, why: Explanation) -> list[str]:
    logs = [f"overnight logs {run.id}"] if run.attempts else []
    wait = [f"overnight wait {run.id}"] if run.state not in FINAL_RUN else []
    return [*logs, *why.next, *wait, f"overnight show {run.id}"]


def _tried(it: Attempt) -> View:
    return {
        "number": it.number,
        "target": it.target,
        "devices": list(it.devices),
        "state": it.state,
        "started_at": it.started_at,
        "ended_at": it.ended_at,
        "reason": it.reason,
        "detail": it.detail,
        "code": it.code,
        "signal": it.signal,
        "log": [],
    }


def _progress(session: Session, run: Run, sweep: Sweep, made: Sequence[Attempt]) -> View:
    newest = made[-1] if made else None
    live = newest is not None and newest.state in LIVE_ATTEMPT and newest.started_at is not None
    seconds = session.now - newest.started_at if live and newest and newest.started_at else None
    usual = _usual(session, run, sweep) if live else None
    return {
        "counts": {run.state: 1},
        "done": int(run.state in FINAL_RUN),
        "total": 1,
        "seconds": seconds,
        "left": max(0.0, usual - seconds) if usual is not None and seconds is not None else None,
        "numbers": _numbers(session, run),
        "best": None,
        "usage": _usage(session, newest.id) if live and newest else None,
    }


def _usual(session: Session, run: Run, sweep: Sweep) -> float | None:
    """How long it should take: as it was estimated, else as others of its sweep took."""
    estimate: float | None = run.config.get("estimate", sweep.settings.estimate)
    if estimate is not None or sweep.campaign_id is None:
        return estimate
    taken = [row[0] for row in session.rows("seconds_of_others", sweep_id=sweep.id, run_id=run.id, limit=SAMPLE)]
    return median(taken) if taken else None


def _numbers(session: Session, run: Run) -> View:
    """Its final numbers; before there are any, what it sent last."""
    final = runs.results(session, run.id)
    if final:
        return parts.plain(final)
    sent = session.row("point_newest", run_id=run.id)
    return parts.plain(json.loads(sent[0])) if sent else {}


def _usage(session: Session, attempt: str) -> View | None:
    """What a live attempt was last seen to use; `age` in seconds."""
    found = usages.of_run(session, run_of_attempt(attempt)).get(attempt)
    return {"age": max(0.0, session.now - found.pop("at")), **found} if found else None


def _waits(run: Run, why: Explanation) -> list[View]:
    if run.state in RUN.terminal:
        return []
    return [{"state": run.state, "runs": 1, "code": why.code, "text": why.sentence, "example": run.id}]


def _coming(session: Session, run: Run, sweep: Sweep, made: Sequence[Attempt]) -> list[View]:
    found = parts.unreached(
        session, [it.target for it in made[-1:] if it.state in LIVE_ATTEMPT] or sweep.settings.targets
    )
    if run.state == "delayed":
        found.append({"at": run.not_before, "text": "it is tried again"})
    limit = run.config.get("time_limit", sweep.settings.time_limit)
    began = next((it.started_at for it in made[-1:] if it.state in LIVE_ATTEMPT), None)
    if limit is not None and began is not None:
        found.append({"at": began + limit, "text": "its time limit ends it"})
    for it in fetches.of_run(session, run.id).values():
        if it.state == "pending":
            said = f" ({it.problem})" if it.problem else ""
            text = f"what {it.id} left is fetched from {it.target}, {it.tries} tries so far{said}"
            found.append({"at": it.not_before, "text": text})
    return found


def _decide(session: Session, run: Run, sweep: Sweep, why: Explanation) -> list[View]:
    found = questions(session, [sweep.id], run.id) + parts.held(session, (sweep.id, *sweep.settings.targets))
    if run.state in ("failed", "blocked", "cancelled", "ready"):
        ways = [it for it in why.next if it.split()[1] in ("retry", "start", "submit", "doctor")]
        found.append({"text": f"it is {run.state} and stays so unless somebody acts: {why.sentence}", "commands": ways})
    if why.code in ("sweep_paused", "campaign_paused", "loop_paused"):
        found.append({"text": f"{why.sentence}: somebody has to let it go on", "commands": list(why.next)})
    for it in fetches.of_run(session, run.id).values():
        if it.state == "failed":
            text = f"what {it.id} left could not be fetched from {it.target}: {it.problem}"
            found.append({"text": text, "commands": []})
    return found


def questions(session: Session, sweeps: Sequence[str], run: str | None = None, limit: int = 20) -> list[View]:
    """Questions of runs that wait for an answer, as decisions."""
    rows = session.rows("questions_open_of", things=json.dumps(list(sweeps)), after=0, limit=limit)
    return [
        {
            "text": f"{name} asks ({severity}): {message} Choices: {', '.join(json.loads(choices))}. Answer with POST "
            f"/alerts/{question}/respond",
            "commands": [],
        }
        for question, asking, name, severity, message, choices, _ in rows
        if run is None or asking == run
    ]


def _places(context: Context, run: Run, sweep: Sweep, made: Sequence[Attempt]) -> list[View]:
    if not made:
        return []
    newest = made[-1]
    found = [
        {"what": "log", "target": newest.target, "path": f"{newest.folder}/log"},
        {"what": "folder", "target": newest.target, "path": newest.folder},
    ]
    if newest.target == HOME:
        found += [{"what": "output", "target": HOME, "path": _below(sweep, it)} for it in run.config["outputs"]]
    elif newest.ended_at is not None:
        copy = context.runs_folder / run.id / str(newest.number)
        found.append({"what": "copy at home, outputs below work/", "target": HOME, "path": str(copy)})
    return found


def _below(sweep: Sweep, output: str) -> str:
    """Where an output lies on this machine; those of a frozen copy of the code, below that."""
    whole = output.startswith(("/", "${")) or sweep.settings.code is not None
    return output if whole else f"{sweep.settings.workdir}/{output}"
