"""A store in front of a true one, with the troubles that disks, other processes and deaths bring."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from overnight.clock import Clock
from overnight.domain.errors import StoreUnavailable
from overnight.store.base import Change, Session, Store
from overnight.testing.chance import Chance

T = TypeVar("T")


class Crash(BaseException):
    """The server died here. No code of the server may catch it."""


@dataclass(slots=True)
class ChancyStore:
    """Refuses some calls, and lets the server die before, inside and after its transactions."""

    true: Store
    chance: Chance
    point: Callable[[str], None]
    depth: int = 0
    """Transactions that are open: nobody else can act meanwhile."""

    @property
    def broken(self) -> str | None:
        """See `Store.broken`."""
        return self.true.broken

    @property
    def clock(self) -> Clock:
        """See `Store.clock`."""
        return self.true.clock

    def write(self, change: Change, work: Callable[[Session], T], /) -> T:
        """See `Store.write`."""
        self.point("write")
        if self.chance.hits("store_refuses_write"):
            raise StoreUnavailable("the disk is full", next_step="Free some space.")
        self.depth += 1
        try:
            answer = self.true.write(change, lambda session: self._work(session, work))
        finally:
            self.depth -= 1
        if self.chance.hits("store_reply_lost"):
            raise StoreUnavailable("the connection broke during the commit", next_step="Try again.")
        self.point("written")
        return answer

    def _work(self, session: Session, work: Callable[[Session], T]) -> T:
        answer = work(session)
        if self.chance.hits("server_crash_in_transaction"):
            raise Crash
        return answer

    def read(self, work: Callable[[Session], T], /) -> T:
        """See `Store.read`."""
        if self.chance.hits("store_refuses_read"):
            raise StoreUnavailable("the database is busy", next_step="Try again.")
        return self.true.read(work)

    def wait(self, seen: int, timeout: float) -> int:  # noqa: ARG002
        """See `Store.wait`; a simulation never waits."""
        return self.true.wait(seen, 0.0)

    def close(self) -> None:
        """See `Store.close`."""
        self.true.close()
