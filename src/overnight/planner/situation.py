"""What is known of a run and its surroundings, and what is said of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from overnight.domain.fetch import Fetch
from overnight.domain.nouns import Attempt, Device, Run, Sweep
from overnight.planner.candidates import Candidate, Lost
from overnight.planner.place import Lane


@dataclass(frozen=True, slots=True)
class Explanation:
    """A stable code, a sentence, and the permitted next actions as commands."""

    code: str
    sentence: str
    next: tuple[str, ...] = ()
    candidates: tuple[Candidate, ...] = ()
    """The targets of a queued run, in order; the sentence has them too."""


@dataclass(frozen=True, slots=True)
class Situation:
    """What is known of a run and its surroundings."""

    run: Run
    sweep: Sweep
    lane: Lane
    attempt: Attempt | None
    """The newest one."""
    unmet: Sequence[tuple[str, str]]
    """(name, state) of what the run waits for."""
    devices: Sequence[Device]
    held: Mapping[str, str]
    """device id -> attempt that holds it."""
    ahead: int
    """Queued runs that go first."""
    now: float
    paused_loop: str | None = None
    """The paused loop of its conversation, which keeps it from starting."""
    lost: Mapping[str, Lost] = field(default_factory=dict)
    """Targets that are not reached."""
    stopped: Mapping[str, str] = field(default_factory=dict)
    """Target -> why nothing new of its sweep starts there."""
    fetch: Fetch | None = None
    """What its newest attempt left on another machine, while that is on its way here."""
