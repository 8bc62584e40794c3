"""The one writing connection of a process: takes the chain's lock, commits, settles a commit that was lost."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

import psycopg

from overnight.domain.errors import StoreRefused, StoreUnavailable
from overnight.store.postgres_link import PostgresConnection, Raw, lost

CHAIN_KEY = 0x4F56_4E54_0000_0001
"""Advisory lock of a writing transaction: 'OVNT' and a number of ours."""
DAEMON_KEY = 0x4F56_4E54_0000_0002
"""Advisory lock of the one server of a database."""
SETTLE_TRIES = 20
"""How often the outcome of a lost commit is asked for; a server that starts again needs a second or two."""
SETTLE_PAUSE = 0.5
"""Seconds between these; one try may also wait for the lock that the lost transaction still holds."""


@dataclass(frozen=True, slots=True)
class Mark:
    """What tells afterwards whether a transaction was committed: its number, and its last event if it wrote one."""

    xid: str
    event: tuple[int, str] | None = None


class Writer:
    """Used by one thread at a time."""

    def __init__(self, connect: Callable[[], Raw]) -> None:
        self._connect = connect
        self._raw: Raw | None = None
        self._exclusive = False
        self._closed = threading.Event()

    def begin(self) -> tuple[PostgresConnection, str]:
        """Start a transaction that alone may write; returns it and its number.

        A connection that was lost since the last one is replaced once, since nothing was asked of it yet.
        """
        held = self._raw
        try:
            return self._locked()
        except psycopg.OperationalError as error:
            if held is None or not lost(held, error):
                self.abandon()
                raise
        self.drop()
        return self._locked()

    def commit(self, mark: Mark) -> None:
        """Commit; returns when that is certain and durable.

        Raises psycopg.Error, or StoreUnavailable, when nothing was changed. When the connection is lost and the
        database does not come back in time, StoreUnavailable says that the outcome is unknown.
        """
        raw = self.raw
        try:
            raw.commit()
        except psycopg.Error as error:
            if not lost(raw, error):
                self.abandon()
                raise
            self.drop()
            if not self._was_committed(mark):
                raise StoreUnavailable(
                    "the connection to the database was lost", next_step="Try again; nothing was changed."
                ) from error

    def abandon(self) -> None:
        """Undo the open transaction, if any; a connection that cannot even do that is dropped."""
        if self._raw is None:
            return
        try:
            self._raw.rollback()
        except psycopg.Error:
            # It died: the server undoes the transaction by itself.
            self.drop()

    def be_exclusive(self) -> None:
        """Hold the lock of the one server from now on, over reconnections; StoreRefused names who has it."""
        if self._raw is not None and not _answers(self._raw):
            self.drop()
        holder = self._take_over()
        if holder:
            raise StoreRefused(
                f"another server works on this database: {holder}",
                next_step="End that server, or give this one a database of its own.",
            )
        self._exclusive = True

    @property
    def raw(self) -> Raw:
        """The connection; connected anew where it was lost."""
        return self._raw if self._raw is not None else self._ready()

    def drop(self) -> None:
        """Forget the connection; the next use makes a new one."""
        if self._raw is not None:
            self._raw.close()
            self._raw = None

    def close(self) -> None:
        """Give the connection back for good; repeatable."""
        self._closed.set()
        self.drop()

    def _ready(self) -> Raw:
        if self._closed.is_set():
            raise StoreUnavailable("the store is closed", next_step="Restart the server.")
        if self._raw is not None and not self._raw.closed:
            return self._raw
        self._raw = self._connect()
        if self._exclusive and (holder := self._take_over()):
            self.drop()
            raise StoreUnavailable(
                f"another server took over the database: {holder}", next_step="End one of the two servers."
            )
        return self._raw

    def _locked(self) -> tuple[PostgresConnection, str]:
        connection = PostgresConnection(self._ready())
        return connection, connection.rows("chain_lock", key=CHAIN_KEY)[0][1]

    def _take_over(self) -> str | None:
        """Take the lock of the one server, waiting for one that is just ending; returns who keeps it instead."""
        raw = self.raw
        connection = PostgresConnection(raw)
        try:
            connection.rows("session_lock", key=DAEMON_KEY)
            raw.commit()
        except psycopg.errors.LockNotAvailable:
            raw.rollback()
            found = connection.rows("session_lock_holder", key=DAEMON_KEY)
            raw.rollback()
            return "{} at {}, since {}".format(*found[0]) if found else "one that is just ending"
        return None

    def _was_committed(self, mark: Mark) -> bool:
        for _ in range(SETTLE_TRIES):
            try:
                connection, _xid = self._locked()
                answer = _is_there(connection, mark)
            except (psycopg.Error, StoreUnavailable):
                self.drop()
                self._closed.wait(SETTLE_PAUSE)
            else:
                self.abandon()
                return answer
        raise StoreUnavailable(
            "the connection to the database was lost during a commit: whether it was carried out is unknown",
            next_step="Look before trying again; a request with the same idempotency key is safe.",
        )


def _answers(raw: Raw) -> bool:
    try:
        raw.rollback()
        raw.execute("SELECT 1")
        raw.rollback()
    except psycopg.OperationalError:
        return False
    return True


def _is_there(connection: PostgresConnection, mark: Mark) -> bool:
    """Asked under the chain's lock, so the lost transaction has ended.

    The event decides, as it also does on another server that took over; a change without one goes by the number.
    """
    if mark.event is not None:
        seq, digest = mark.event
        return bool(connection.rows("chain_has", seq=seq, hash=digest))
    return bool(connection.rows("transaction_status", xid=mark.xid)[0][0] == "committed")
