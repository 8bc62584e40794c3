"""A few read connections for many threads: each read is one REPEATABLE READ, READ ONLY transaction."""

from __future__ import annotations

import queue
from collections.abc import Callable
from typing import TypeVar

import psycopg

from overnight.domain.errors import StoreUnavailable
from overnight.store.postgres_link import PostgresConnection, Raw, lost

T = TypeVar("T")

READERS = 8
"""Read connections of one process at most; a server allows about 100 in all."""
WAIT_SECONDS = 10.0
"""How long a read waits for one of them."""


class Readers:
    """Lends a connection per read; connections are made when first wanted and anew after a loss."""

    def __init__(self, connect: Callable[[], Raw]) -> None:
        self._connect = connect
        self._closed = False
        self._idle: queue.LifoQueue[Raw | None] = queue.LifoQueue()
        for _ in range(READERS):
            self._idle.put(None)

    def run(self, work: Callable[[PostgresConnection], T]) -> T:
        """Run `work` on one snapshot. When the connection turns out to be lost it is run once more on a new one.

        Raises psycopg.Error as it comes, StoreUnavailable when every connection stays busy or the store is closed.
        """
        raw = self._take()
        try:
            try:
                raw = raw or self._open()
                return _in_snapshot(raw, work)
            except psycopg.OperationalError as error:
                if raw is None or not lost(raw, error):
                    raise
                raw.close()
                raw = self._open()
                return _in_snapshot(raw, work)
        finally:
            self._give_back(raw)

    def close(self) -> None:
        """Close what is idle now, and what is lent when it comes back; repeatable."""
        self._closed = True
        while not self._idle.empty():
            raw = self._idle.get()
            if raw is not None:
                raw.close()

    def _take(self) -> Raw | None:
        if self._closed:
            raise StoreUnavailable("the store is closed", next_step="Restart the server.")
        try:
            return self._idle.get(timeout=WAIT_SECONDS)
        except queue.Empty:
            raise StoreUnavailable("all read connections are busy", next_step="Try again in a moment.") from None

    def _give_back(self, raw: Raw | None) -> None:
        if raw is not None and (self._closed or raw.closed):
            raw.close()
            raw = None
        self._idle.put(raw)

    def _open(self) -> Raw:
        raw = self._connect()
        raw.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        raw.read_only = True
        return raw


def _in_snapshot(raw: Raw, work: Callable[[PostgresConnection], T]) -> T:
    try:
        return work(PostgresConnection(raw))
    finally:
        if not raw.closed:
            raw.rollback()
