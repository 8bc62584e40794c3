"""Hears of commits of other processes: LISTEN on a connection of its own, in a thread of its own."""

from __future__ import annotations

import os
import select
import threading
from collections.abc import Callable

import psycopg

from overnight.store.postgres_link import PostgresConnection, Raw
from overnight.store.watch import Watch

CHANNEL = "overnight_events"
"""Where a writing transaction announces the number of its last event."""
AGAIN_SECONDS = 0.5
"""Pause between attempts to connect anew."""


class Listener:
    """Advances a watch whenever another process committed events; survives the loss of its connection.

    A notice only says "look": the number comes from the log itself, since anybody with a login may send notices.
    """

    def __init__(self, connect: Callable[[], Raw], watch: Watch) -> None:
        self._connect = connect
        self._watch = watch
        self._closed = threading.Event()
        self._wake_reader, self._wake_writer = os.pipe()
        self._thread = threading.Thread(target=self._run, name="overnight-listener", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End the thread; repeatable."""
        if self._closed.is_set():
            return
        self._closed.set()
        os.write(self._wake_writer, b"x")
        self._thread.join()
        os.close(self._wake_reader)
        os.close(self._wake_writer)

    def _run(self) -> None:
        while not self._closed.is_set():
            try:
                with self._connect() as raw:
                    raw.execute(b"LISTEN " + CHANNEL.encode())
                    self._look(raw)
                    self._follow(raw)
            except psycopg.Error:
                # The server is away. Whoever writes reports that; here it only means to come back later.
                self._closed.wait(AGAIN_SECONDS)

    def _follow(self, raw: Raw) -> None:
        poll = select.poll()
        poll.register(raw.fileno(), select.POLLIN)
        poll.register(self._wake_reader, select.POLLIN)
        while not self._closed.is_set():
            poll.poll()
            heard = [note.payload for note in raw.notifies(timeout=0)]
            if any(not text.isdecimal() or int(text) > self._watch.head for text in heard):
                self._look(raw)

    def _look(self, raw: Raw) -> None:
        found = PostgresConnection(raw).rows("event_head")
        self._watch.advance(found[0][0] if found else 0)
