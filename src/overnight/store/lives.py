"""What a projection remembers of each thing, and what it says when an event breaks an invariant."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Violation:
    """One broken invariant: which, at which event, about what, in one sentence."""

    invariant: str
    seq: int
    subject: str
    sentence: str


class Rules(Protocol):
    """What stands in tables and no event repeats."""

    def attempts(self, sweep_id: str) -> int | None:
        """How many attempts the retry policy of a sweep allows, or ever allowed; None for an unknown sweep."""

    def runs_needed(self, run_id: str, seq: int) -> Sequence[str]:
        """Runs that must have succeeded before a run starts, as it was at event `seq`."""

    def sweeps_needed(self, sweep_id: str, seq: int) -> Sequence[str]:
        """Sweeps all of whose runs must have succeeded before any run of a sweep starts, as it was at event `seq`."""

    def is_far(self, target: str) -> bool:
        """Whether a target is another machine, from which what attempts left is brought home."""


@dataclass(slots=True)
class Life:
    """A campaign, sweep or device so far; `gate` is empty for a device."""

    state: str
    gate: str
    seq: int
    """The last event that moved it; likewise below."""


@dataclass(slots=True)
class FetchLife:
    """What an ended attempt left on another machine, so far."""

    state: str
    seq: int
    digest: str | None = None
    """What its copy was verified by."""


@dataclass(slots=True)
class RunLife:
    """A run so far. Since the last retry: `spent` attempts count for its policy, and `interruptions`."""

    sweep: str
    state: str
    seq: int
    newest: str = ""
    claims: int = 0
    live: int = 0
    spent: int = 0
    interruptions: int = 0
    successes: int = 0
    cancelled: bool = False
    removed: bool = False
    """Cancelled, since the campaign's file has it no more."""


@dataclass(slots=True)
class AttemptLife:
    """An attempt so far."""

    run: str
    state: str
    seq: int
    fence: int
    target: str
    devices: tuple[str, ...]
    share: int = 1
    """Most attempts that it bears on its device, itself included."""
    lease: float | None = None
    """Seconds without a word of its server after which its host ends it by itself; None = never."""
