"""What a report is made from: values that somebody read from the store and from the folders of the runs.

Every text and every number that a run left behind is hostile; nothing here has been judged or escaped yet.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from overnight.domain.nouns import Campaign, Run, Sweep


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
