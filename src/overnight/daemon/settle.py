"""Turns what was seen of attempts into accepted ends, and ends into what becomes of the runs."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from overnight.daemon.launches import outputs_of
from overnight.daemon.world import World
from overnight.domain.nouns import Attempt
from overnight.domain.reasons import Reason
from overnight.domain.states import ATTEMPT, LIVE_ATTEMPT, RUN
from overnight.planner.judge import Outcome, Standing, outcome_of, verdict_of
from overnight.service.consequences import EndedRun
from overnight.store import campaigns, runs
from overnight.store.base import Session
from overnight.store.moves import move
from overnight.targets.base import Absent, Alive, Dead, Ended, Evidence, News

NO_EVIDENCE = Evidence({}, ())


@dataclass(frozen=True, slots=True)
class Fact:
    """What was seen of a live attempt, with the evidence of its files when it ended."""

    attempt: Attempt
    news: News
    evidence: Evidence = NO_EVIDENCE


@dataclass(slots=True)
class Settled:
    """What a settle pass did: ended runs, attempts to forget, launching attempts to send again, whether GPUs came back."""

    ended: list[EndedRun] = field(default_factory=list)
    forget: dict[str, list[str]] = field(default_factory=dict)
    unsent: list[Attempt] = field(default_factory=list)
    gpus: bool = False


def gather(world: World, news: Iterable[News]) -> list[Fact]:
    """Look up the attempts that news is about, and the files of those that ended; drops news with a stale token (R2)."""
    wanted = list(news)
    if not wanted:
        return []
    found = world.store.read(lambda session: [_lookup(session, item) for item in wanted])
    facts = []
    for item, (attempt, config, workdir) in zip(wanted, found, strict=True):
        if attempt is None or attempt.fence != item.fence or attempt.state not in LIVE_ATTEMPT:
            continue
        evidence = NO_EVIDENCE
        if isinstance(item.seen, Ended):
            place = world.places[attempt.target]
            names = {"run_dir": attempt.folder}
            outputs = outputs_of(config, names) if item.seen.record.get("code") == 0 else []
            evidence = place.files.evidence(attempt.folder, workdir, outputs, item.seen.record)
        facts.append(Fact(attempt, item, evidence))
    return facts


def _lookup(session: Session, news: News) -> tuple[Attempt | None, dict[str, list[str]], str]:
    attempt = runs.get_attempt(session, news.attempt)
    if attempt is None or not isinstance(news.seen, Ended):
        return attempt, {}, ""
    row = session.row("run_standing", id=attempt.run_id)
    sweep = campaigns.get_sweep(session, row[1]) if row else None
    return attempt, json.loads(session.value("run_config", id=attempt.run_id)), sweep.settings.workdir if sweep else ""


def settle(session: Session, facts: Sequence[Fact]) -> Settled:
    """Accept what the facts prove, each attempt once; Unknown proves nothing."""
    done = Settled()
    for fact in facts:
        seen = fact.news.seen
        if isinstance(seen, Alive):
            _confirm(session, fact.attempt, seen)
        elif isinstance(seen, Ended):
            record = seen.record
            outcome = outcome_of(record, fact.evidence.missing)
            _end(session, fact, "exit", outcome, done)
        elif isinstance(seen, Dead):
            _end(session, fact, "lose", Outcome(Reason.INTERRUPTED, seen.proof), done)
        elif isinstance(seen, Absent):
            _absent(session, fact, done)
    return done


def _confirm(session: Session, attempt: Attempt, seen: Alive) -> None:
    if seen.pid is None or attempt.pid is not None:
        return
    if move(session, ATTEMPT, attempt.id, "confirm", fence=attempt.fence, pid=seen.pid, run=attempt.run_id):
        session.rows(
            "attempt_started",
            id=attempt.id,
            fence=attempt.fence,
            started_at=seen.started_at or session.now,
            now=session.now,
            pid=seen.pid,
            boot_id=seen.boot_id,
        )


def _absent(session: Session, fact: Fact, done: Settled) -> None:
    """Never started there: send it again if it is still wanted, else it is over."""
    state = fact.attempt.state
    if state == "launching":
        done.unsent.append(fact.attempt)
    elif state == "stopping" and fact.attempt.pid is None:
        _end(session, fact, "refuse", Outcome(Reason.NEVER_STARTED, "cancelled before it was started"), done)
    else:
        proof = "its host has neither a process nor a record of it"
        _end(session, fact, "lose", Outcome(Reason.INTERRUPTED, proof), done)


def refuse(session: Session, attempt: Attempt, detail: str, done: Settled) -> None:
    """The target proved that nothing was started and never will be."""
    _end(session, Fact(attempt, News(attempt.id, attempt.fence, Absent())), "refuse", Outcome(Reason.START_FAILED, detail), done)


def _end(session: Session, fact: Fact, transition: str, outcome: Outcome, done: Settled) -> None:
    attempt = fact.attempt
    record = fact.news.seen.record if isinstance(fact.news.seen, Ended) else None
    known = record or {}
    accepted = runs.end_attempt(
        session,
        attempt,
        transition,
        {
            "reason": outcome.reason,
            "detail": outcome.detail,
            "code": known.get("code"),
            "signal": known.get("signal"),
            "pid": known.get("pid"),
            "started_at": known.get("started_at"),
            "ended_at": known.get("ended_at"),
            "record": record,
        },
    )
    if not accepted:
        return
    done.forget.setdefault(attempt.target, []).append(attempt.id)
    if any(_is_gpu(device) for device in attempt.devices):
        done.gpus = True
    else:
        runs.release_leases(session, attempt)
    ended = _judge(session, fact, outcome)
    if ended:
        done.ended.append(ended)


def _is_gpu(device: str) -> bool:
    """Slots are free when the processes are gone; GPUs only after a look at their memory (R12)."""
    return "/slot" not in device


def _judge(session: Session, fact: Fact, outcome: Outcome) -> EndedRun | None:
    attempt = fact.attempt
    row = session.row("run_standing", id=attempt.run_id)
    if row is None:
        return None
    state, sweep_id, campaign_id, failures, interruptions = row
    retry = campaigns.get_sweep(session, sweep_id).settings.retry
    verdict = verdict_of(outcome, retry, Standing(failures, interruptions, state == "cancelling"), session.now)
    payload = {"reason": verdict.reason, "attempt": attempt.id}
    if not move(session, RUN, attempt.run_id, verdict.transition, fence=attempt.fence, **payload):
        return None
    target = RUN.arrow(verdict.transition).target
    session.rows(
        "run_judged",
        id=attempt.run_id,
        reason=verdict.reason,
        detail=verdict.detail,
        failures=verdict.failures,
        interruptions=verdict.interruptions,
        not_before=verdict.not_before,
        ended_at=session.now if target in RUN.terminal else None,
    )
    if verdict.transition == "succeed" or fact.evidence.metrics:
        runs.keep_results(session, attempt.run_id, fact.evidence.metrics)
    return EndedRun(attempt.run_id, sweep_id, campaign_id, target)
