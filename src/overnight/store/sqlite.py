"""The store on SQLite, through apsw: WAL, `synchronous=FULL`, one writer at a time, commits in groups.

The rules and their measurements are in `reliability.md`, section 6.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar, cast

import apsw

from overnight.clock import Clock
from overnight.domain.errors import StoreRefused, StoreUnavailable
from overnight.store import queries
from overnight.store.base import Change, Row, Session
from overnight.store.filesystem import refuse_unsafe_place
from overnight.store.groups import Groups, Request, carry_out, fail
from overnight.store.ledger import read_head
from overnight.store.migrate import APPLICATION_ID, migrate
from overnight.store.sqlite_errors import LOST_TRUST, broken, is_fatal, refusal, translated
from overnight.store.watch import Watch

T = TypeVar("T")

OLDEST_SQLITE = (3, 51, 3)
"""Older ones have the WAL-reset race that can corrupt a file."""
BUSY_MILLISECONDS = 5_000
"""How long another process may hold the database before a call gives up with StoreUnavailable."""
STATEMENTS = 400
"""Prepared statements kept per connection: more than there are queries and moves."""
CHECKED_AT_OPEN_BYTES = 64 * 1024 * 1024
"""Files up to this size are checked page by page before serving; it would take seconds for larger ones."""


class SqliteConnection:
    """Named queries on one apsw connection."""

    def __init__(self, raw: apsw.Connection) -> None:
        self.raw = raw
        self._queries = queries.sqlite()

    def rows(self, query: str, /, **arguments: Any) -> list[Row]:
        """All rows of a named query."""
        return cast("list[Row]", self.raw.execute(self._queries[query], arguments).fetchall())

    def many(self, query: str, rows: Sequence[Mapping[str, Any]], /) -> None:
        """One named query, once per row of arguments."""
        self.raw.executemany(self._queries[query], rows)

    def execute(self, sql: str, arguments: Mapping[str, Any] | None = None, /) -> list[Row]:
        """SQL text with `:name` arguments."""
        return cast("list[Row]", self.raw.execute(sql, arguments).fetchall())


@dataclass(slots=True)
class _Readers:
    """One read connection per thread, all closed together."""

    path: str
    vfs: str | None
    local: threading.local = field(default_factory=threading.local)
    lock: threading.Lock = field(default_factory=threading.Lock)
    opened: list[apsw.Connection] = field(default_factory=list)

    def connection(self) -> SqliteConnection:
        found: SqliteConnection | None = getattr(self.local, "connection", None)
        if found is None:
            raw = apsw.Connection(
                self.path, flags=apsw.SQLITE_OPEN_READWRITE, vfs=self.vfs, statementcachesize=STATEMENTS
            )
            raw.set_busy_timeout(BUSY_MILLISECONDS)
            raw.pragma("query_only", True)
            found = SqliteConnection(raw)
            self.local.connection = found
            with self.lock:
                self.opened.append(raw)
        return found

    def close(self) -> None:
        with self.lock:
            for raw in self.opened:
                raw.close(True)
            self.opened.clear()


class SqliteStore:
    """Facts in one file. Whoever holds the writer lock commits everything that waits, with one sync for all."""

    def __init__(self, path: str, clock: Clock, *, vfs: str | None = None) -> None:
        """Open or create the database at `path`; raises StoreRefused with the reason when it cannot be used safely."""
        self._clock = clock
        self._path = path
        self._groups = Groups(self._commit)
        self.broken: str | None = None
        self._raw = _open(path, vfs)
        self._connection = SqliteConnection(self._raw)
        self._readers = _Readers(path, vfs)
        self._watch = Watch(self._head())

    @property
    def clock(self) -> Clock:
        """The clock that stamps events."""
        return self._clock

    @property
    def waiting(self) -> int:
        """How many writes wait for the next commit."""
        return self._groups.waiting

    def write(self, change: Change, work: Callable[[Session], T], /) -> T:
        """See `Store.write`."""
        return self._groups.submit(change, work)

    def read(self, work: Callable[[Session], T], /) -> T:
        """See `Store.read`."""
        connection = self._readers.connection()
        try:
            with connection.raw:
                answer = work(Session(connection, self._clock.wall(), Change("reader")))
        except (apsw.Error, UnicodeError) as error:
            raise translated(error) from error
        return answer

    def wait(self, seen: int, timeout: float) -> int:
        """See `Store.wait`."""
        return self._watch.wait(seen, timeout)

    def close(self) -> None:
        """See `Store.close`."""
        with self._groups.writer_lock:
            self._readers.close()
            self._raw.close(True)

    def _head(self) -> int:
        """Number of the last event; StoreRefused when it cannot be read, since nothing could be written after it."""
        try:
            return self.read(lambda session: session.value("event_head") or 0)
        except StoreUnavailable as error:
            self.close()
            raise refusal(self._path, error) from error

    def _commit(self, group: list[Request]) -> None:
        """Carry out a group in one transaction; what fails by itself hits only its own request."""
        if self.broken:
            fail(group, broken(self.broken))
            return
        try:
            self._watch.advance(self._attempt(group))
        except LOST_TRUST as error:
            self.broken = f"the database could not be synced: {error}"
            fail(group, broken(self.broken))
        except apsw.Error as error:
            fail(group, translated(error))

    def _attempt(self, group: list[Request]) -> int:
        """One transaction for all; returns the number of its last event."""
        self._raw.execute("BEGIN IMMEDIATE")
        try:
            session = Session(self._connection, self._clock.wall(), group[0].change)
            session.pen = read_head(session, self._clock)
            carry_out(group, session, execute=self._raw.execute, fatal=is_fatal, translate=translated)
            self._raw.execute("COMMIT")
        except BaseException:
            if not self._raw.get_autocommit():
                self._raw.execute("ROLLBACK")
            raise
        return session.pen.seq


def _open(path: str, vfs: str | None) -> apsw.Connection:
    version = tuple(int(part) for part in apsw.sqlite_lib_version().split("."))
    if version < OLDEST_SQLITE:
        raise StoreRefused(
            f"SQLite {apsw.sqlite_lib_version()} can corrupt a database in WAL mode",
            next_step="Install apsw 3.54 or newer, which brings its own SQLite.",
        )
    refuse_unsafe_place(path)
    try:
        raw = apsw.Connection(path, vfs=vfs, statementcachesize=STATEMENTS)
    except apsw.Error as error:
        raise refusal(path, error) from error
    try:
        raw.set_busy_timeout(BUSY_MILLISECONDS)
        _refuse_foreign(raw, path)
        Path(path).chmod(0o600)
        _configure(raw, path)
        migrate(_SqliteMigrator(raw), postgres=False, where=path)
    except (apsw.Error, OSError, ValueError) as error:
        raw.close(True)
        raise refusal(path, error) from error
    except StoreRefused:
        raw.close(True)
        raise
    return raw


def _refuse_foreign(raw: apsw.Connection, path: str) -> None:
    """Before anything is written, so that a file of another program stays as it is."""
    if raw.readonly("main"):
        raise StoreRefused(f"{path} is read-only", next_step="Check owner, mode and mount of the file.")
    owner = raw.pragma("application_id")
    tables = _SqliteMigrator(raw).tables()
    if owner not in (0, APPLICATION_ID) or (owner == 0 and tables):
        raise StoreRefused(f"{path} belongs to another program", next_step="Point OVERNIGHT_DATABASE_URL elsewhere.")
    size = Path(path).stat().st_size
    if 0 < size <= CHECKED_AT_OPEN_BYTES and (verdict := raw.pragma("quick_check", 1)) != "ok":
        raise StoreRefused(f"{path} is damaged: {verdict}", next_step="Restore a backup.")


def _configure(raw: apsw.Connection, path: str) -> None:
    if raw.pragma("journal_mode", "wal") != "wal":
        raise StoreRefused(f"{path} cannot use a write-ahead log", next_step="Put it on a local file system.")
    raw.pragma("synchronous", "FULL")
    raw.pragma("foreign_keys", True)
    raw.pragma("cache_size", -16_000)
    raw.pragma("journal_size_limit", 64 * 1024 * 1024)


class _SqliteMigrator:
    def __init__(self, raw: apsw.Connection) -> None:
        self._raw = raw

    def tables(self) -> frozenset[str]:
        return frozenset(row[0] for row in self._raw.execute("SELECT name FROM sqlite_master WHERE type = 'table'"))

    def version(self) -> int:
        found = self._raw.execute("SELECT value FROM meta WHERE name = 'schema'").fetchall()
        return int(cast("str", found[0][0])) if found else 0

    def apply(self, number: int, statements: Sequence[str]) -> None:
        # A table that is made anew is dropped while others point at it: references are checked at the end instead.
        self._raw.pragma("foreign_keys", False)
        try:
            with self._raw:
                for statement in statements:
                    self._raw.execute(statement)
                if self._raw.execute("PRAGMA foreign_key_check").fetchall():
                    raise StoreRefused("the record refers to rows that are not there", next_step="Restore a backup.")
                self._raw.execute(queries.sqlite()["meta_put"], {"name": "schema", "value": str(number)})
                self._raw.pragma("application_id", APPLICATION_ID)
        finally:
            self._raw.pragma("foreign_keys", True)
