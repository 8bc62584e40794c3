"""The store as somebody sees it who only looks, beside whoever writes it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from overnight.clock import Clock
from overnight.domain.errors import Conflict
from overnight.store.base import Change, Session, Store

T = TypeVar("T")

LOOK_SECONDS = 0.25
"""How often the log is looked at for news: another process writes it, and tells nobody here."""


class Bystander:
    """A `Store` that refuses every change and finds news by looking."""

    def __init__(self, store: Store, pause: Callable[[float], None]) -> None:
        self._store = store
        self._pause = pause

    @property
    def clock(self) -> Clock:
        """See `Store.clock`."""
        return self._store.clock

    @property
    def broken(self) -> str | None:
        """See `Store.broken`."""
        return self._store.broken

    def write(self, change: Change, _work: Callable[[Session], T], /) -> T:
        """Always Conflict: only the holder of the home's lock changes anything."""
        raise Conflict(
            f"{change.actor} only looks at this home: changes need its server",
            next_step="Start one with: overnight up",
        )

    def read(self, work: Callable[[Session], T], /) -> T:
        """See `Store.read`."""
        return self._store.read(work)

    def wait(self, seen: int, timeout: float) -> int:
        """See `Store.wait`; up to `LOOK_SECONDS` late."""
        end = self.clock.boot() + timeout
        while True:
            head = int(self.read(lambda session: session.value("event_head")) or 0)
            rest = end - self.clock.boot()
            if head > seen or rest <= 0:
                return head
            self._pause(min(LOOK_SECONDS, rest))

    def close(self) -> None:
        """Belongs to the inner store's owner: does nothing."""
