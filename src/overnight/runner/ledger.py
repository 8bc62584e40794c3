"""What the runner knows: every attempt that it accepted and that nobody has told it to forget."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

from .identity import Identity
from .launch import Launch
from .order import StopOrder
from .pool import Executor
from .protocol import ProtocolError

MOST_FENCES = 50_000
"""Runs whose highest fence is remembered after their attempts were forgotten; the oldest go first."""


class State(str, Enum):
    """Where an attempt is. `alive` includes everything that may still run, `dead` has no exit record."""

    ACCEPTED = "accepted"
    ALIVE = "alive"
    ENDED = "ended"
    DEAD = "dead"

    __str__ = str.__str__

    @property
    def final(self) -> bool:
        """Nothing of the attempt runs any more."""
        return self in (State.ENDED, State.DEAD)


@dataclass
class Entry:
    """One attempt. record is JSON text, proof a sentence.

    executor is set while one of this runner carries it out, pidfd while an adopted one does.
    """

    attempt: str
    run: str
    fence: int
    folder: str
    grace: float
    time_limit: float | None
    worker: Identity | None
    group: str | None
    state: State = State.ACCEPTED
    pid: int | None = None
    start_time: int | None = None
    clock: float | None = None
    record: str | None = None
    proof: str | None = None
    executor: Executor | None = None
    pidfd: int | None = None
    order: StopOrder | None = None
    devices: tuple[str, ...] = ()
    shared: bool = False
    lease: float | None = None


@dataclass
class Ledger:
    """All entries, the newest attempt and the highest fence of each run, and the highest session."""

    entries: dict[str, Entry] = field(default_factory=dict)
    fences: dict[str, int] = field(default_factory=dict)
    newest: dict[str, str] = field(default_factory=dict)
    highest_fence: int = 0
    session: int = 0

    def add(self, entry: Entry) -> None:
        """Take an attempt up; its fence counts once it is written down."""
        self.entries[entry.attempt] = entry
        self.newest[entry.run] = entry.attempt

    def withdraw(self, attempt: str) -> None:
        """Take back an attempt that could not be written down; its fence may be used again."""
        self.entries.pop(attempt, None)

    def raise_fence(self, run: str, fence: int) -> None:
        """Remember that this run has had this fence; fences never go down."""
        known = self.fences.pop(run, 0)
        self.fences[run] = max(known, fence)
        self.highest_fence = max(self.highest_fence, fence)
        if len(self.fences) > MOST_FENCES:
            del self.fences[next(iter(self.fences))]

    def is_known(self, launch: Launch) -> bool:
        """Tell whether this very launch was accepted before. Raises ProtocolError when it must not start."""
        known = self.entries.get(launch.attempt)
        if known is not None and known.fence == launch.fence:
            return True
        highest = self.fences.get(launch.run, 0)
        if highest >= launch.fence:
            raise ProtocolError("stale_fence", f"Run {launch.run} already has fence {highest} here.")
        if known is not None:
            raise ProtocolError("conflict", f"Attempt {launch.attempt} is known with fence {known.fence}.")
        before = self.entries.get(self.newest.get(launch.run, ""))
        if before is not None and not before.state.final:
            raise ProtocolError("still_live", f"Attempt {before.attempt} of run {launch.run} has not ended here.")
        return False

    def forget(self, attempts: list[str]) -> list[str]:
        """Drop those of the attempts that have ended, and return them."""
        done = [name for name in attempts if name in self.entries and self.entries[name].state.final]
        for name in done:
            run = self.entries.pop(name).run
            if self.newest.get(run) == name:
                del self.newest[run]
        return done

    def live(self) -> int:
        """Return how many attempts have not ended."""
        return sum(1 for entry in self.entries.values() if not entry.state.final)
