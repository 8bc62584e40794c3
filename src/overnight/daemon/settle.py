"""Turns what was seen of attempts into accepted ends, and ends into what becomes of the runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from overnight.daemon.judging import judge
from overnight.daemon.launches import Claimed, launch_names, outputs_of
from overnight.daemon.world import World
from overnight.domain.nouns import Attempt
from overnight.domain.reasons import Mark, Reason
from overnight.domain.room import Reserve, is_low
from overnight.domain.states import ATTEMPT, LIVE_ATTEMPT
from overnight.planner.judge import Outcome, Proof, outcome_of
from overnight.service.consequences import EndedRun
from overnight.store import families, fetches, marks, runs
from overnight.store.base import Session
from overnight.store.moves import move
from overnight.targets.base import Absent, Alive, Dead, Ended, Evidence, News, Refused

NO_EVIDENCE = Evidence({}, ())
NOTHING_LEFT = Reserve(bytes=1024**2, inodes=1)
"""Where less is left than this, nothing can be written any more."""


@dataclass(frozen=True, slots=True)
class Fact:
    """What was seen of an attempt, with the evidence of its files when it ended."""

    news: News
    evidence: Evidence = NO_EVIDENCE


@dataclass(slots=True)
class Settled:
    """What a settle pass did: ended runs, attempts to forget, launching attempts to send again."""

    ended: list[EndedRun] = field(default_factory=list)
    forget: dict[str, list[str]] = field(default_factory=dict)
    unsent: list[str] = field(default_factory=list)
    gpus: set[str] = field(default_factory=set)
    """Targets of which GPUs came back."""
    collected: frozenset[str] = frozenset()
    """Targets from which what attempts left is brought here."""


def ours(claims: Mapping[str, Claimed], news: Sequence[News]) -> list[News]:
    """Without news about attempts that are not ours to judge: unknown ones, stale tokens (R2), and what a later piece
    of the same news makes pointless."""
    known = (item for item in news if item.attempt in claims and claims[item.attempt].fence == item.fence)
    return list({item.attempt: item for item in known}.values())


def fact_of(world: World, claimed: Claimed, news: News) -> Fact:
    """News with the evidence of its files, if it is an end. Raises Unavailable when they cannot be looked at now."""
    if not isinstance(news.seen, Ended):
        return Fact(news)
    record = news.seen.record
    outputs = outputs_of(claimed.config, launch_names(claimed)) if record.get("code") == 0 else []
    place = world.places[claimed.target]
    evidence = place.files.evidence(claimed.folder, place.whole(claimed.workdir), outputs, record)
    return Fact(news, evidence)


def settle(session: Session, facts: Sequence[Fact], collected: frozenset[str] = frozenset()) -> Settled:
    """Accept what the facts prove, each attempt once; Unknown proves nothing. What attempts left on the `collected`
    targets is brought here before their runs succeed."""
    done = Settled(collected=collected)
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
        outcome = _outcome(session, attempt, seen, fact.evidence)
        _end(session, attempt, fact, "refuse" if outcome.reason is Reason.DEVICE_HELD else "exit", outcome, done)
    elif isinstance(seen, Dead):
        reason = Reason.INTERRUPTED if seen.lease is None else Reason.LEASE_LOST
        _end(session, attempt, fact, "lose", Outcome(reason, seen.proof), done)
    elif isinstance(seen, Refused):
        _end(session, attempt, fact, "refuse", Outcome(Reason.START_FAILED, seen.why), done)
    elif isinstance(seen, Absent):
        _absent(session, attempt, fact, done)


def _outcome(session: Session, attempt: Attempt, seen: Ended, evidence: Evidence) -> Outcome:
    proof = Proof(
        missing=evidence.missing,
        clues=evidence.clues,
        signature=evidence.signature,
        environment=evidence.environment,
        rooms_full=any(is_low(room, NOTHING_LEFT) for room in evidence.rooms),
    )
    outcome = outcome_of(_as_ordered(attempt, seen.record), proof)
    if outcome.reason is Reason.VRAM_OOM and families.was_packed(session, attempt.id):
        return replace(outcome, reason=Reason.NEIGHBOUR_OOM, detail=f"on a shared GPU, {outcome.detail}")
    return outcome


def _as_ordered(attempt: Attempt, record: Mapping[str, Any]) -> Mapping[str, Any]:
    """Why we ordered an end is on our record; on a full disk its host was told to stop it, and not why."""
    ordered = record["reason"] == "stopped" and attempt.detail
    return {**record, "detail": attempt.detail} if ordered else record


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
    seen = fact.news.seen
    record = seen.record if isinstance(seen, Ended) else None
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
            "signature": outcome.signature,
            "lease": seen.lease if isinstance(seen, Dead) else None,
        },
    )
    if not accepted:
        return
    done.forget.setdefault(attempt.target, []).append(attempt.id)
    _free(session, attempt, outcome, done)
    fetched = attempt.target in done.collected and transition != "refuse" and not isinstance(seen, Absent)
    if fetched:
        fetches.expect(session, attempt)
    seconds = _seconds(attempt, known)
    done.ended += judge(session, attempt, outcome, seconds, fact.evidence.metrics, here=not fetched)
    if fact.evidence.stale:
        detail = f"changed in its frozen copy: {', '.join(fact.evidence.stale)}"
        marks.mark(session, attempt.id, attempt.run_id, Mark.STALE_CODE, detail)


def _free(session: Session, attempt: Attempt, outcome: Outcome, done: Settled) -> None:
    """Slots are free when the processes are gone; GPUs only after a look at their memory (R12), which an attempt that
    was kept off by somebody else has not touched. The next look says which of them are busy."""
    gpus = [device for device in attempt.devices if _is_gpu(device)]
    if gpus:
        done.gpus.add(attempt.target)
    if gpus and outcome.reason is not Reason.DEVICE_HELD:
        families.learn(session, attempt, outcome.reason)
        return
    runs.release_leases(session, attempt)
    session.many("device_is_busy", [{"id": device, "busy": outcome.detail} for device in gpus])


def _seconds(attempt: Attempt, record: Mapping[str, Any]) -> float | None:
    """How long an attempt took, by the clock of its host."""
    started, ended = record.get("started_at") or attempt.started_at, record.get("ended_at")
    return None if started is None or ended is None else max(0.0, float(ended) - float(started))


def _is_gpu(device: str) -> bool:
    return "/slot" not in device
