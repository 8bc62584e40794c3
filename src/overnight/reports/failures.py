"""What did not succeed, grouped by why, with what the log said last and the command that shows more."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from overnight.domain.reasons import Reason
from overnight.reports.material import RunMaterial, SweepMaterial
from overnight.reports.visible import visible

MEANING: Mapping[str, str] = MappingProxyType(
    {
        Reason.NONZERO_EXIT: "the command ended with an error",
        Reason.KILLED: "something outside Overnight killed it",
        Reason.HOST_OOM: "the machine ran out of memory",
        Reason.TIME_LIMIT: "it ran into its time limit",
        Reason.STOPPED: "it was stopped",
        Reason.START_FAILED: "the command could not be started",
        Reason.MISSING_OUTPUT: "it ended well without writing a declared output",
        Reason.INTERRUPTED: "its host or runner was lost",
        Reason.LEASE_LOST: "its machine was out of touch for the length of its lease",
        Reason.NEVER_STARTED: "it was never started",
        Reason.DEVICE_HELD: "another home or user of its machine had its GPU",
        Reason.NEED_FAILED: "what it needs did not succeed",
        Reason.BUDGET: "the budget of the campaign was used up",
        Reason.CANCELLED: "it was cancelled",
        Reason.VRAM_OOM: "its GPU had too little memory for it",
        Reason.NEIGHBOUR_OOM: "somebody else held the memory of its GPU",
        Reason.GPU_BUSY: "somebody else had its GPU",
        Reason.DISK_FULL: "there was no room left on a disk",
        Reason.SHM: "shared memory was too small",
        Reason.NO_GPU: "it found no usable GPU",
        Reason.HARDWARE: "its GPU failed",
        Reason.TRANSIENT: "a service that it needs was not there for a moment",
        Reason.PREEMPTED: "the platform took the machine away",
        Reason.MISSING_DEPENDENCY: "something that it needs is not installed",
        Reason.CODE_ERROR: "the program is wrong: it would fail in the same way every time",
        Reason.ENV_ERROR: "its environment could not be activated",
        Reason.HANG: "it hung: no output and no progress",
        Reason.DIVERGED: "its training diverged",
        Reason.PRECONDITION_MISSING: "a path that it requires is not there",
        Reason.BREAKER: "the first runs of its sweep all failed in the same way",
        Reason.SKIPPED: "its outputs were there already",
    }
)
"""Reasons in words; others stand for themselves."""


@dataclass(frozen=True, slots=True)
class Failure:
    """One run that failed or is blocked."""

    id: str
    name: str
    sweep: str
    state: str
    reason: str
    detail: str | None
    attempts: int
    last_lines: tuple[str, ...]

    @property
    def state_in_words(self) -> str:
        """`failed` or `is blocked`, to follow a name."""
        return self.state if self.state == "failed" else f"is {self.state}"

    @property
    def next(self) -> str:
        """Command that shows more; made of the id, which no shell misreads."""
        return f"overnight logs {self.id}" if self.attempts else f"overnight explain {self.id}"


@dataclass(frozen=True, slots=True)
class FailureGroup:
    """Runs that failed, or are blocked, for one reason."""

    reason: str
    meaning: str
    runs: tuple[Failure, ...]

    @property
    def reason_shown(self) -> str:
        """The reason in one line, safe to print."""
        return visible(self.reason)


def failures(sweeps: Iterable[SweepMaterial]) -> tuple[FailureGroup, ...]:
    """Failed and blocked runs by reason: those that ran first, then by number."""
    groups: dict[str, list[Failure]] = {}
    for material in sweeps:
        for it in material.runs:
            if it.run.state in ("failed", "blocked"):
                failure = _failure(material.sweep.name, it)
                groups.setdefault(failure.reason, []).append(failure)
    found = [FailureGroup(reason, MEANING.get(reason, reason), tuple(runs)) for reason, runs in groups.items()]
    return tuple(sorted(found, key=lambda group: (all(run.state == "blocked" for run in group.runs), -len(group.runs))))


def _failure(sweep: str, it: RunMaterial) -> Failure:
    run = it.run
    return Failure(
        id=run.id,
        name=run.name,
        sweep=sweep,
        state=run.state,
        reason=run.reason or "unknown",
        detail=run.detail,
        attempts=it.attempts,
        last_lines=it.last_lines,
    )
