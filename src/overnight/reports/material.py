"""What a report is made from: values that somebody read from the store and from the folders of the runs.

Every text and every number that a run left behind is hostile; nothing here has been judged or escaped yet.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

from overnight.domain.nouns import Campaign, Device, Run, Sweep
from overnight.domain.reasons import Mark, Reason

MEMORY = frozenset({Reason.VRAM_OOM, Reason.NEIGHBOUR_OOM, Reason.HOST_OOM})
"""Ends of attempts for lack of memory."""


@dataclass(frozen=True, slots=True)
class AttemptMaterial:
    """One attempt: why it ended, which GPUs it held, and when (wall seconds; None = it has not)."""

    reason: str | None
    gpus: tuple[str, ...]
    started_at: float | None
    ended_at: float | None


@dataclass(frozen=True, slots=True)
class MarkMaterial:
    """What was worth saying of an attempt; `newest` tells whether it is the run's newest one."""

    kind: str
    detail: str
    newest: bool


@dataclass(frozen=True, slots=True)
class RunMaterial:
    """A run and what it left behind."""

    run: Run
    results: Mapping[str, float]
    """Final numbers of the newest attempt by metric; NaN and the infinities are kept."""
    seconds: float | None
    """Length of the newest attempt; None before it ended."""
    last_lines: tuple[str, ...]
    """End of the newest attempt's log, oldest line first."""
    attempts: int
    """Attempts made in all."""
    made: tuple[AttemptMaterial, ...] = ()
    """Those attempts, oldest first."""
    marks: tuple[MarkMaterial, ...] = ()

    @property
    def memory_retries(self) -> int:
        """Attempts that were made because the one before ran out of memory."""
        return sum(before.reason in MEMORY for before, _ in pairwise(self.made))

    @property
    def packed(self) -> bool:
        """Whether its newest attempt shared its GPU with other runs, so that its length cannot be compared."""
        return any(mark.newest and mark.kind == Mark.PACKED for mark in self.marks)

    @property
    def skipped(self) -> bool:
        """Whether it counts as done because its outputs were there already."""
        return self.run.state == "succeeded" and self.run.reason == Reason.SKIPPED


@dataclass(frozen=True, slots=True)
class SweepMaterial:
    """A sweep and its runs in the order of the plan."""

    sweep: Sweep
    runs: list[RunMaterial]


@dataclass(frozen=True, slots=True)
class Material:
    """A campaign and its sweeps in the order of the plan, as of `now` (wall seconds)."""

    campaign: Campaign
    sweeps: list[SweepMaterial]
    now: float
    gpus: tuple[Device, ...] = ()
    """All GPUs on record, of every target."""

    @property
    def runs(self) -> list[RunMaterial]:
        """Those of all sweeps."""
        return [it for sweep in self.sweeps for it in sweep.runs]
