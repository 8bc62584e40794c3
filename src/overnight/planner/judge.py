"""What an ended attempt means: the reason, from evidence in a fixed order, and what becomes of its run."""

from __future__ import annotations

import signal as signals
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from overnight.domain.plan import Retry
from overnight.domain.reasons import (
    GPU_MEMORY_REMEDIES,
    INTERRUPTIONS_ALLOWED,
    MEMORY_REMEDIES,
    REMEDIES,
    Reason,
    Remedy,
)
from overnight.domain.signatures import quoted, signature_of

AT_ONCE_SECONDS = 120.0
"""An attempt that failed within this time failed at once."""

SIGKILL = 9
FROM_OUTSIDE = frozenset({1, 2, 3, 9, 10, 12, 15})
"""SIGHUP, SIGINT, SIGQUIT, SIGKILL, SIGUSR1, SIGUSR2, SIGTERM: somebody sends them; others a program earns itself."""
SHELL_SIGNAL = 128
"""A shell exits with this number plus that of the signal that ended its command."""
TEXTS = (
    Reason.HARDWARE,
    Reason.DISK_FULL,
    Reason.SHM,
    Reason.NEIGHBOUR_OOM,
    Reason.VRAM_OOM,
    Reason.GPU_BUSY,
    Reason.HOST_OOM,
    Reason.KILLED,
    Reason.NO_GPU,
    Reason.MISSING_DEPENDENCY,
    Reason.CODE_ERROR,
    Reason.TRANSIENT,
    Reason.DIVERGED,
)
"""What a log may say of a failed exit, the most telling first."""
PLATFORM = (Reason.PREEMPTED, Reason.TIME_LIMIT)
"""What a log may say of an end that the platform brought about, whatever signal it took."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """Why an attempt ended, in one word and one sentence, and what equal failures have in common."""

    reason: Reason
    detail: str
    signature: str | None = None


@dataclass(frozen=True, slots=True)
class Proof:
    """What the files of an ended attempt say: missing outputs after exit 0, the rest after a failed exit."""

    missing: Sequence[str] = ()
    clues: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    """Reason -> the line of the log that convinces of it."""
    signature: str | None = None
    environment: str | None = None
    """Why it could not be activated."""
    rooms_full: bool = False
    """Whether no bytes or no inodes are left where it writes."""


@dataclass(frozen=True, slots=True)
class Standing:
    """What counts of a run's past."""

    failures: int
    interruptions: int
    cancelling: bool
    rung: int = 0
    rungs: int = 0
    """Smaller settings that the run declares."""
    avoid: tuple[str, ...] = ()
    """Devices that it shall not get again, from earlier ends."""
    devices: tuple[str, ...] = ()
    """Those of the attempt that ended."""
    killed: int = 0
    """Earlier attempts of it that were killed."""
    seconds: float | None = None
    """How long the attempt took; None = not known."""
    gives_up: bool = False
    """Whether it is not tried again once its lease was lost."""
    before: tuple[str, float] | None = None
    """(signature, seconds) of the attempt before, when that one ended as `nonzero_exit`."""


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


def outcome_of(record: Mapping[str, Any], proof: Proof) -> Outcome:
    """Classify an exit record (`reliability.md` R14), in this order: our own stops, success, environment, the kernel's
    count of memory kills, the platform, signals from outside, the log, full disks, the exit code."""
    said = str(record.get("detail") or "")
    if record["reason"] == "start_failed":
        return Outcome(Reason.START_FAILED, said, signature_of(said) or None)
    if record["reason"] == "device_held":
        return Outcome(Reason.DEVICE_HELD, said)
    if record["reason"] == "lease_lost":
        return Outcome(Reason.LEASE_LOST, said)
    if record["reason"] == "time_limit":
        return Outcome(Reason.TIME_LIMIT, said or "stopped at its time limit")
    if record["reason"] == "stopped":
        return Outcome(Reason.HANG if said.startswith("hang") else Reason.STOPPED, said or "stopped on request")
    if record.get("signal") is None and record.get("code") == 0:
        return _exited_well(proof)
    return _failed(record, proof)


def _exited_well(proof: Proof) -> Outcome:
    if not proof.missing:
        return Outcome(Reason.OK, "")
    detail = f"exit 0, but no fresh {', '.join(proof.missing[:3])}"
    if proof.rooms_full:
        return Outcome(Reason.DISK_FULL, f"{detail}; no room is left where it writes")
    return Outcome(Reason.MISSING_OUTPUT, detail, signature_of(detail))


def _failed(record: Mapping[str, Any], proof: Proof) -> Outcome:
    code, signal = record.get("code"), record.get("signal")
    end = f"ended by signal {_named(signal)}" if signal is not None else f"exit code {code}"
    if proof.environment is not None:
        text = quoted(proof.environment)
        return Outcome(Reason.ENV_ERROR, f"{end}: {text}", signature_of(text) or None)
    kills = (record.get("usage") or {}).get("oom_kills") or 0
    if kills > 0:
        detail = f"the kernel killed {kills} of its processes for lack of memory ({end})"
        return Outcome(Reason.HOST_OOM, detail, proof.signature)
    reason = _by_platform(_signal_of(code, signal), proof.clues) or _by_text(proof)
    return Outcome(reason, _with_line(end, proof.clues.get(reason), reason), proof.signature)


def _named(number: int) -> str:
    """A signal with its name: a hang-up, a person's order to end and a kill are told apart by it."""
    known = {int(it): it.name for it in signals.Signals}
    return f"{number} ({known[number]})" if number in known else str(number)


def _signal_of(code: Any, signal: Any) -> int | None:
    """The signal that ended it, also when a shell between only passed it on."""
    if signal is not None:
        return int(signal)
    return code - SHELL_SIGNAL if isinstance(code, int) and code > SHELL_SIGNAL else None


def _by_platform(signal: int | None, clues: Mapping[str, str]) -> Reason | None:
    """Ended from outside: by a platform that says so, or by a signal; SIGKILL with a trace of it for lack of memory."""
    for reason in PLATFORM:
        if reason in clues:
            return reason
    if signal == SIGKILL and Reason.HOST_OOM in clues:
        return Reason.HOST_OOM
    return Reason.KILLED if signal in FROM_OUTSIDE else None


def _by_text(proof: Proof) -> Reason:
    for reason in TEXTS:
        if reason in proof.clues:
            return reason
    return Reason.DISK_FULL if proof.rooms_full else Reason.NONZERO_EXIT


def _with_line(end: str, line: str | None, reason: Reason) -> str:
    if line is not None:
        return f"{end}: {quoted(line)}"
    return f"{end}; no room is left where it writes" if reason is Reason.DISK_FULL else end


def verdict_of(outcome: Outcome, retry: Retry, standing: Standing, now: float) -> Verdict:
    """What becomes of the run: done, tried again (when, how and where not), failed, or cancelled as was asked for."""
    outcome = _at_second_sight(outcome, standing)
    if outcome.reason is Reason.OK:
        return _verdict("succeed", outcome, standing)
    if standing.cancelling:
        return _verdict("stopped", Outcome(Reason.CANCELLED, outcome.detail), standing)
    if outcome.reason in (Reason.NEVER_STARTED, Reason.DEVICE_HELD):
        return _verdict("requeue", outcome, standing)
    if outcome.reason is Reason.LEASE_LOST and standing.gives_up:
        return _verdict("fail", outcome, standing)
    remedy = _remedies(retry).get(outcome.reason, Remedy.NEVER)
    if remedy is Remedy.REQUEUE:
        again = standing.interruptions < INTERRUPTIONS_ALLOWED
        return _verdict("requeue" if again else "fail", outcome, standing, interruptions=standing.interruptions + 1)
    return _weighed(remedy, outcome, retry, standing, now)


def _remedies(retry: Retry) -> Mapping[Reason, Remedy]:
    if retry.only_gpu_memory:
        return GPU_MEMORY_REMEDIES
    return MEMORY_REMEDIES if retry.only_memory else REMEDIES


def _at_second_sight(outcome: Outcome, standing: Standing) -> Outcome:
    """Two attempts in a row that failed in the same way and at once: the program itself is wrong."""
    if outcome.reason is not Reason.NONZERO_EXIT or outcome.signature is None or standing.before is None:
        return outcome
    signature, seconds = standing.before
    soon = standing.seconds is not None and max(standing.seconds, seconds) <= AT_ONCE_SECONDS
    if signature != outcome.signature or not soon:
        return outcome
    return Outcome(Reason.CODE_ERROR, f"{outcome.detail}; the attempt before failed at once in the same way", signature)


def _weighed(remedy: Remedy, outcome: Outcome, retry: Retry, standing: Standing, now: float) -> Verdict:
    """What the retry policy says to one more failure."""
    failures = standing.failures + 1
    left = failures < retry.attempts
    if remedy is Remedy.LADDER and not left and standing.rung < min(standing.rungs, retry.smaller):
        # what ran out of memory as it was may fit anywhere when it is smaller
        return _verdict(
            "delay",
            outcome,
            standing,
            failures,
            not_before=now + back_off(retry, failures),
            rung=standing.rung + 1,
            avoid=(),
        )
    if remedy is Remedy.NEVER or not left or (remedy is Remedy.ONCE and standing.killed > 0):
        return _verdict("fail", outcome, standing, failures)
    return _verdict("delay", outcome, standing, failures, not_before=now + back_off(retry, failures))


_ELSEWHERE = frozenset({Reason.VRAM_OOM, Reason.NEIGHBOUR_OOM, Reason.GPU_BUSY, Reason.DEVICE_HELD, Reason.HARDWARE})
"""Reasons that speak against the devices where it happened."""


def _verdict(
    transition: str,
    outcome: Outcome,
    standing: Standing,
    failures: int | None = None,
    *,
    interruptions: int | None = None,
    not_before: float | None = None,
    rung: int | None = None,
    avoid: Sequence[str] | None = None,
) -> Verdict:
    if avoid is None:
        more = standing.devices if outcome.reason in _ELSEWHERE else ()
        avoid = tuple(dict.fromkeys((*standing.avoid, *more)))
    return Verdict(
        transition,
        outcome.reason,
        outcome.detail,
        standing.failures if failures is None else failures,
        standing.interruptions if interruptions is None else interruptions,
        not_before,
        standing.rung if rung is None else rung,
        {"avoid": list(avoid)} if avoid else None,
    )


def back_off(retry: Retry, failures: int) -> float:
    """Seconds to wait after the `failures`-th failure in a row, counted from 1."""
    longest: float = min(retry.longest, retry.delay * retry.factor ** min(failures - 1, 60))
    return longest
