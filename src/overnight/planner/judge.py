"""What an ended attempt means: the reason, from evidence, and what becomes of its run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from overnight.domain.plan import Retry
from overnight.domain.reasons import INTERRUPTIONS_ALLOWED, RETRIED, Reason


@dataclass(frozen=True, slots=True)
class Outcome:
    """Why an attempt ended, in one word and one sentence."""

    reason: Reason
    detail: str


@dataclass(frozen=True, slots=True)
class Standing:
    """What counts of a run's past."""

    failures: int
    interruptions: int
    cancelling: bool


@dataclass(frozen=True, slots=True)
class Verdict:
    """The arrow that the run takes, and its new counters."""

    transition: str
    reason: Reason
    detail: str
    failures: int
    interruptions: int
    not_before: float | None = None
    rung: int = 0
    """Which declared smaller setting the run takes from now on; 0 = as it was written."""
    hint: Mapping[str, Any] | None = None
    """For the next placement: `avoid` (ids of devices)."""


def outcome_of(record: Mapping[str, Any], missing_outputs: Sequence[str]) -> Outcome:
    """Classify an exit record (`reliability.md` R14): our own stops, kernel OOM, signal, exit code, outputs, in this
    order."""
    reason, detail = str(record["reason"]), str(record.get("detail") or "")
    code, signal = record.get("code"), record.get("signal")
    usage = record.get("usage") or {}
    if reason == "start_failed":
        return Outcome(Reason.START_FAILED, detail)
    if reason == "time_limit":
        return Outcome(Reason.TIME_LIMIT, detail or "stopped at its time limit")
    if reason == "stopped":
        return Outcome(Reason.STOPPED, detail or "stopped on request")
    failed = signal is not None or code != 0
    if failed and (usage.get("oom_kills") or 0) > 0:
        return Outcome(Reason.HOST_OOM, f"the kernel killed {usage['oom_kills']} of its processes for lack of memory")
    if signal is not None:
        return Outcome(Reason.KILLED, f"ended by signal {signal}")
    if code != 0:
        return Outcome(Reason.NONZERO_EXIT, f"exit code {code}")
    if missing_outputs:
        return Outcome(Reason.MISSING_OUTPUT, f"exit 0, but no fresh {', '.join(missing_outputs[:3])}")
    return Outcome(Reason.OK, "")


def verdict_of(outcome: Outcome, retry: Retry, standing: Standing, now: float) -> Verdict:
    """What becomes of the run: done, tried again (when), failed, or cancelled as was asked for."""
    failures, interruptions = standing.failures, standing.interruptions
    reason, detail = outcome.reason, outcome.detail
    if reason is Reason.OK:
        return Verdict("succeed", reason, detail, failures, interruptions)
    if standing.cancelling:
        return Verdict("stopped", Reason.CANCELLED, detail, failures, interruptions)
    if reason is Reason.NEVER_STARTED:
        return Verdict("requeue", reason, detail, failures, interruptions)
    if reason is Reason.INTERRUPTED:
        again = interruptions < INTERRUPTIONS_ALLOWED
        return Verdict("requeue" if again else "fail", reason, detail, failures, interruptions + 1)
    failures += 1
    if reason in RETRIED and failures < retry.attempts:
        return Verdict("delay", reason, detail, failures, interruptions, now + back_off(retry, failures))
    return Verdict("fail", reason, detail, failures, interruptions)


def back_off(retry: Retry, failures: int) -> float:
    """Seconds to wait after the `failures`-th failure in a row, counted from 1."""
    longest: float = min(retry.longest, retry.delay * retry.factor ** min(failures - 1, 60))
    return longest
