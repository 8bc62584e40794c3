"""Connections to a PostgreSQL server: bounded waits, durable commits, errors in the domain's words.

Only `postgres*.py` import psycopg, and only `overnight.app` imports those: SQLite needs none of it.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from overnight.domain.errors import Conflict, OvernightError, Refused, StoreRefused, StoreUnavailable
from overnight.store import queries
from overnight.store.base import Row

try:
    import psycopg
    from psycopg import errors as failures
    from psycopg.conninfo import conninfo_to_dict
except ImportError as missing:
    raise StoreRefused(
        "PostgreSQL needs the library psycopg, which is not installed",
        next_step="Install it with: pip install 'overnight[postgres]'",
    ) from missing

Raw = psycopg.Connection[Row]
Failure = psycopg.Error
"""Base of everything that psycopg raises."""
Away = psycopg.OperationalError
"""The server is away, busy or full: nothing is wrong with what was asked."""

OLDEST_SERVER = 130_000
"""PostgreSQL 13: older ones cannot tell what became of a transaction."""
CONNECT_SECONDS = 5
"""How long a new connection may take."""
STATEMENT_TIMEOUT = "30s"
"""How long one statement may run before the server ends it."""
LOCK_TIMEOUT = "5s"
"""How long a lock may be waited for; then the call is answered with StoreUnavailable."""
IDLE_TIMEOUT = "60s"
"""After this the server ends a transaction whose process stopped talking, so that its locks do not stay."""
KEEPALIVE: Mapping[str, str | int] = {
    "keepalives": 1,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,
}
"""A peer that vanished is noticed within 30 seconds (times in seconds, the last in milliseconds)."""


def where(url: str) -> str:
    """Server and database of a URL, for people: never its password. Raises StoreRefused for a URL that is none."""
    parts = _parts(url)
    database = parts.get("dbname") or parts.get("user") or "(default)"
    return f"{parts.get('host') or 'the local socket'}, database {database}"


def connect(url: str, *, autocommit: bool = False) -> Raw:
    """A session on the server that takes writes, set up for us; raises psycopg.Error when there is none."""
    defaults: dict[str, Any] = {
        "connect_timeout": CONNECT_SECONDS,
        "application_name": f"overnight on {socket.gethostname()} pid {os.getpid()}",
        "client_encoding": "utf8",
        "target_session_attrs": "read-write",
        **KEEPALIVE,
    }
    raw: Raw = psycopg.connect(**{**defaults, **_parts(url)}, autocommit=True)
    try:
        PostgresConnection(raw).rows(
            "session_settings", statement=STATEMENT_TIMEOUT, lock=LOCK_TIMEOUT, idle=IDLE_TIMEOUT
        )
        # A transaction must see what was committed while it waited for its lock, whatever the server's default is.
        raw.isolation_level = psycopg.IsolationLevel.READ_COMMITTED
        raw.autocommit = autocommit
    except BaseException:
        raw.close()
        raise
    return raw


def _parts(url: str) -> dict[str, Any]:
    try:
        return conninfo_to_dict(url)
    except psycopg.ProgrammingError as error:
        raise StoreRefused(
            "the URL of the database cannot be read",
            next_step="Write OVERNIGHT_DATABASE_URL as postgresql://USER@HOST/DATABASE",
        ) from error


class PostgresConnection:
    """Named queries on one psycopg connection."""

    def __init__(self, raw: Raw) -> None:
        self.raw = raw
        self._queries = _texts()

    def rows(self, query: str, /, **arguments: Any) -> list[Row]:
        """All rows of a named query."""
        return self._run(self._queries[query], arguments)

    def many(self, query: str, rows: Sequence[Mapping[str, Any]], /) -> None:
        """One named query, once per row of arguments, in a pipeline."""
        if rows:
            with self.raw.cursor() as cursor:
                cursor.executemany(self._queries[query], rows)

    def execute(self, sql: str, arguments: Mapping[str, Any] | None = None, /) -> list[Row]:
        """SQL text with `:name` arguments."""
        return self._run(_text(sql), arguments or {})

    def _run(self, text: bytes, arguments: Mapping[str, Any]) -> list[Row]:
        cursor = self.raw.execute(text, arguments)
        return cursor.fetchall() if cursor.description else []


@cache
def _texts() -> dict[str, bytes]:
    return {name: sql.encode() for name, sql in queries.postgres().items()}


@cache
def _text(sql: str) -> bytes:
    return queries.to_postgres(sql).encode()


def lost(raw: Raw, error: Exception) -> bool:
    """Whether an error means that the connection is gone, and with it any transaction that was not committed."""
    ended = isinstance(error, (failures.AdminShutdown, failures.CrashShutdown, failures.CannotConnectNow))
    return raw.closed or ended or isinstance(error, failures.IdleInTransactionSessionTimeout)


def translated(error: Exception) -> Exception:
    """The domain's error for one of PostgreSQL's, the cause kept; any other error as it is."""
    if not isinstance(error, (psycopg.Error, UnicodeEncodeError)):
        return error
    found = _explained(error)
    found.__cause__ = error
    return found


def first_line(error: Exception) -> str:
    """What went wrong, without the server's hints and positions."""
    return str(error).strip().partition("\n")[0]


def _explained(error: psycopg.Error | UnicodeEncodeError) -> OvernightError:
    text = first_line(error)
    if isinstance(error, psycopg.IntegrityError):
        return Conflict(f"the database forbids it: {text}", next_step="Look at the present state, then decide anew.")
    if isinstance(error, (psycopg.DataError, UnicodeEncodeError, failures.ProgramLimitExceeded)):
        return Refused(f"the database cannot keep this value: {text}", next_step="Send a smaller or plainer value.")
    if isinstance(error, failures.DiskFull):
        return StoreUnavailable("the disk of the database is full", next_step="Free space; nothing was changed.")
    if isinstance(error, (failures.LockNotAvailable, failures.QueryCanceled)):
        return StoreUnavailable(f"the database is busy: {text}", next_step="Try again; nothing was changed.")
    if isinstance(error, psycopg.OperationalError):
        return StoreUnavailable(f"the database cannot be reached: {text}", next_step="Try again; nothing was changed.")
    return StoreUnavailable(f"the database refused: {text}", next_step="Look at the server's log; nothing was changed.")
