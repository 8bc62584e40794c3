"""A store as a scoped principal has it: its scope stands in every session, so that look-ups and listings keep to it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from overnight.clock import Clock
from overnight.store.base import Change, Session, Store

T = TypeVar("T")


class ScopedStore:
    """A store whose reads carry who asks, too; its writes do so anyway."""

    def __init__(self, store: Store, change: Change) -> None:
        self._store = store
        self._change = change

    @property
    def broken(self) -> str | None:
        """See `Store.broken`."""
        return self._store.broken

    @property
    def clock(self) -> Clock:
        """See `Store.clock`."""
        return self._store.clock

    def write(self, change: Change, work: Callable[[Session], T], /) -> T:
        """See `Store.write`."""
        return self._store.write(change, work)

    def read(self, work: Callable[[Session], T], /) -> T:
        """See `Store.read`."""

        def scoped(session: Session) -> T:
            session.change = self._change
            return work(session)

        return self._store.read(scoped)

    def wait(self, seen: int, timeout: float) -> int:
        """See `Store.wait`."""
        return self._store.wait(seen, timeout)

    def close(self) -> None:
        """Belongs to the inner store's owner: does nothing."""
