"""What every store promises.

A store keeps facts in tables and tells what happened in an append-only event log; both change in one transaction. It is
used through functions that take a `Session`: `store.write(change, work)` runs `work(session)` in a transaction that is
durable when the call returns, `store.read(work)` runs it on a consistent snapshot.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from overnight.clock import Clock
from overnight.domain.access import Scope
from overnight.store.ledger import Ledger

T = TypeVar("T")
Row = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Change:
    """Who asks, and on behalf of which request: written into every event of the transaction."""

    actor: str
    request_id: str = ""
    scope: Scope | None = None
    """What exists for who asks; None = everything."""
    token: str | None = None
    """Id of the token by which it is asked, for its budget."""


SYSTEM = Change(actor="system")
"""The daemon's own passes."""


class Connection(Protocol):
    """The little that a database driver must offer."""

    def rows(self, query: str, /, **arguments: Any) -> list[Row]:
        """Run a named query and return all its rows."""

    def many(self, query: str, rows: Sequence[Mapping[str, Any]], /) -> None:
        """Run a named query once per row of arguments."""

    def execute(self, sql: str, arguments: Mapping[str, Any] | None = None, /) -> list[Row]:
        """Run SQL text (`:name` arguments): for moves, whose text comes from the state tables, and for migrations."""


@dataclass(slots=True)
class Session:
    """One transaction: a connection, the time, who asks, and the pen of the event log (None while only reading)."""

    connection: Connection
    now: float
    change: Change
    pen: Ledger | None = None

    def rows(self, query: str, /, **arguments: Any) -> list[Row]:
        """All rows of a named query."""
        return self.connection.rows(query, **arguments)

    def row(self, query: str, /, **arguments: Any) -> Row | None:
        """The first row of a named query, or None."""
        found = self.connection.rows(query, **arguments)
        return found[0] if found else None

    def value(self, query: str, /, **arguments: Any) -> Any:
        """The first column of the first row; None when there is no row."""
        found = self.row(query, **arguments)
        return found[0] if found else None

    def many(self, query: str, rows: Sequence[Mapping[str, Any]], /) -> None:
        """One named query, once per row of arguments."""
        self.connection.many(query, rows)

    def record(self, kind: str, subject: str, token: int = 0, /, **payload: Any) -> None:
        """Append an event to the log, in this transaction."""
        if self.pen is None:
            raise RuntimeError("a read session cannot record events")
        self.pen.append(self, kind, subject, token, payload)


class Store(Protocol):
    """Facts, on SQLite or PostgreSQL. All calls are safe from any thread."""

    @property
    def broken(self) -> str | None:
        """Why nothing is acknowledged any more (a sync failed, R17): the process must start anew. None = well."""

    @property
    def clock(self) -> Clock:
        """The clock that stamps events."""

    def write(self, change: Change, work: Callable[[Session], T], /) -> T:
        """Run `work` in a transaction; durable when this returns. An exception of `work` undoes it and is raised.

        Raises StoreUnavailable when the database is busy or full (nothing changed), and ends up `broken` after a
        failed sync: from then on nothing is acknowledged (R17).
        """

    def read(self, work: Callable[[Session], T], /) -> T:
        """Run `work` on a consistent snapshot that sees everything acknowledged before."""

    def wait(self, seen: int, timeout: float) -> int:
        """Block until an event after `seen` is durable, at most `timeout` seconds; returns the newest sequence
        number."""

    def close(self) -> None:
        """Give the database back; repeatable."""
