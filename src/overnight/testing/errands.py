"""Errands of a simulated server: each line in order, carried out and answered later, as threads and links make it.

They die with the server. Nothing runs between two turns: a call is made when the loop next takes, at or after its time,
so that a crash in the middle of it is a crash of the turn.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from overnight.daemon.errands import Done, Key
from overnight.domain.errors import StoreUnavailable, Unavailable
from overnight.testing.chance import Chance
from overnight.testing.clock import FakeClock

LATE = (0.05, 1.0, 12.0, 40.0)
"""Seconds by which an errand waits before it is carried out, or its answer before it is there."""


@dataclass(slots=True)
class _Waiting:
    key: Key
    call: Callable[[], Any]
    due: float
    """When its line gets to it, should nothing be before it."""


@dataclass(slots=True)
class FakeErrands:
    """See `daemon.errands.Errands`."""

    clock: FakeClock
    chance: Chance
    _lines: dict[str, deque[_Waiting]] = field(default_factory=dict)
    _back: list[tuple[float, Done]] = field(default_factory=list)
    """What was carried out, and when its answer is there."""
    _keys: set[Key] = field(default_factory=set)

    def send(self, line: str, key: Key, call: Callable[[], Any], *, near: bool = False) -> bool:
        """See `Errands.send`."""
        if key in self._keys:
            return False
        if near:
            self._back.append((self.clock.true, _answer(key, call, near=True)))
        else:
            self._lines.setdefault(line, deque()).append(_Waiting(key, call, self._late("errand_waits")))
        self._keys.add(key)
        return True

    def _late(self, kind: str) -> float:
        return self.clock.true + (self.chance.rng.choice(LATE) if self.chance.hits(kind) else 0.0)

    def under_way(self, kind: str) -> frozenset[Key]:
        """See `Errands.under_way`."""
        return frozenset(key for key in self._keys if key[0] == kind)

    def take(self) -> Sequence[Done]:
        """See `Errands.take`."""
        for line in sorted(self._lines):
            while self._lines[line] and self._lines[line][0].due <= self.clock.true:
                waiting = self._lines[line].popleft()
                self._back.append((self._late("errand_answers_late"), _answer(waiting.key, waiting.call, near=False)))
        there = [done for due, done in self._back if due <= self.clock.true]
        self._back = [(due, done) for due, done in self._back if due > self.clock.true]
        self._keys.difference_update(done.key for done in there)
        return there

    def next_due(self) -> float:
        """When the next one is carried out, or its answer there."""
        dues = [due for due, _ in self._back] + [line[0].due for line in self._lines.values() if line]
        return min(dues, default=float("inf"))


def _answer(key: Key, call: Callable[[], Any], *, near: bool) -> Done:
    """Unlike with the real ones, no unforeseen error is hidden."""
    try:
        return Done(key, call())
    except Unavailable as error:
        return Done(key, error=error)
    except StoreUnavailable as error:
        if near:
            raise
        return Done(key, error=Unavailable(str(error)))
