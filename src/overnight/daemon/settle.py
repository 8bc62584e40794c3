"""Turns what was seen of attempts into accepted ends, and ends into what becomes of the runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from overnight.daemon.launches import Claimed, launch_names, outputs_of
from overnight.daemon.world import World
from overnight.domain.nouns import Attempt
from overnight.domain.reasons import Reason
from overnight.domain.states import ATTEMPT, LIVE_ATTEMPT, RUN
from overnight.planner.judge import Outcome, Standing, outcome_of, verdict_of
from overnight.service.consequences import EndedRun
from overnight.store import campaigns, rows, runs
from overnight.store.base import Session
from overnight.store.moves import move
from overnight.targets.base import Absent, Alive, Dead, Ended, Evidence, News, Refused

NO_EVIDENCE = Evidence({}, ())


@dataclass(frozen=True, slots=True)
class Fact:
    """What was seen of an attempt, with the evidence of its files when it ended."""

    news: News
    evidence: Evidence = NO_EVIDENCE


@dataclass(slots=True)
class Settled:
    """What a settle pass did: ended runs, attempts to forget, launching attempts to send again, whether GPUs came
    back."""

    ended: list[EndedRun] = field(default_factory=list)
    forget: dict[str, list[str]] = field(default_factory=dict)
    unsent: list[str] = field(default_factory=list)
    gpus: bool = False


def gather(world: World, claims: Mapping[str, Claimed], news: Sequence[News]) -> list[Fact]:
    """Look into the files of the attempts that ended. Drops news about attempts that are not ours to judge: unknown
    ones,
    stale tokens (R2), and what a later piece of the same news makes pointless."""
    last = {item.attempt: item for item in news if item.attempt in claims and claims[item.attempt].fence == item.fence}
    return [Fact(item, _evidence(world, claims[item.attempt], item)) for item in last.values()]


def _evidence(world: World, claimed: Claimed, news: News) -> Evidence:
    if not isinstance(news.seen, Ended):
        return NO_EVIDENCE
    record = news.seen.record
    outputs = outputs_of(claimed.config, launch_names(claimed)) if record.get("code") == 0 else []
    return world.places[claimed.target].files.evidence(claimed.folder, claimed.settings.workdir, outputs, record)


def settle(session: Session, facts: Sequence[Fact]) -> Settled:
    """Accept what the facts prove, each attempt once; Unknown proves nothing."""
    done = Settled()
    for fact in facts:
        attempt = runs.get_attempt(session, fact.news.attempt)
        if attempt is not None and attempt.fence == fact.news.fence and attempt.state in LIVE_ATTEMPT:
            _settle_one(session, attempt, fact, done)
    return done


def _settle_one(session: Session, attempt: Attempt, fact: Fact, done: Settled) -> None:
    seen = fact.news.seen
    if isinstance(seen, Alive):
        _confirm(session, attempt, seen)
    elif isinstance(seen, Ended):
        _end(session, attempt, fact, "exit", outcome_of(seen.record, fact.evidence.missing), done)
    elif isinstance(seen, Dead):
        _end(session, attempt, fact, "lose", Outcome(Reason.INTERRUPTED, seen.proof), done)
    elif isinstance(seen, Refused):
        _end(session, attempt, fact, "refuse", Outcome(Reason.START_FAILED, seen.why), done)
    elif isinstance(seen, Absent):
        _absent(session, attempt, fact, done)


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


def _absent(session: Session, attempt: Attempt, fact: Fact, done: Settled) -> None:
    """Never started there: send it again if it is still wanted, else it is over."""
    if attempt.state == "launching":
        done.unsent.append(attempt.id)
    elif attempt.state == "stopping" and attempt.pid is None:
        _end(session, attempt, fact, "refuse", Outcome(Reason.NEVER_STARTED, "cancelled before it was started"), done)
    else:
        proof = "its host has neither a process nor a record of it"
        _end(session, attempt, fact, "lose", Outcome(Reason.INTERRUPTED, proof), done)


def _end(session: Session, attempt: Attempt, fact: Fact, transition: str, outcome: Outcome, done: Settled) -> None:
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
    ended = _judge(session, attempt, fact, outcome)
    if ended:
        done.ended.append(ended)


def _is_gpu(device: str) -> bool:
    """Slots are free when the processes are gone; GPUs only after a look at their memory (R12)."""
    return "/slot" not in device


def _judge(session: Session, attempt: Attempt, fact: Fact, outcome: Outcome) -> EndedRun | None:
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
        rung=verdict.rung,
        hint=rows.encode(verdict.hint) if verdict.hint else None,
        ended_at=session.now if target in RUN.terminal else None,
    )
    if fact.evidence.metrics:
        runs.keep_results(session, attempt.run_id, fact.evidence.metrics)
    return EndedRun(attempt.run_id, sweep_id, campaign_id, target)
