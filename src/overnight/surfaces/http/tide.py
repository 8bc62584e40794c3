"""Waiting for events without a thread per waiter: one thread watches the store, everyone else awaits it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable

from overnight.domain.errors import OvernightError
from overnight.store.base import Store

LOOK_SECONDS = 1.0
"""How long the watching thread may be away in the store: bounds how long `close` takes."""


class Tide:
    """The number of the newest durable event, to be awaited. All methods belong to the event loop's thread."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._head = 0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._waiters: dict[asyncio.Future[None], int] = {}
        self._wanted = threading.Event()
        self.closed = False

    @property
    def head(self) -> int:
        """The newest number known here; the store may be ahead, never behind."""
        return self._head

    @property
    def waiting(self) -> int:
        """How many wait."""
        return len(self._waiters)

    async def above(self, seen: int, seconds: float) -> None:
        """Return once an event after `seen` is durable, after `seconds`, or when the server ends."""
        if self.closed or self._head > seen:
            return
        self._watch()
        waiter = asyncio.get_running_loop().create_future()
        self._waiters[waiter] = seen
        self._wanted.set()
        try:
            async with asyncio.timeout(seconds):
                await waiter
        except TimeoutError:
            return
        finally:
            self._waiters.pop(waiter, None)

    def close(self) -> None:
        """Let everyone go; repeatable."""
        self.closed = True
        self._wanted.set()
        self._release(lambda _: True)

    def _watch(self) -> None:
        if self._loop is None:
            self._loop = asyncio.get_running_loop()
            threading.Thread(target=self._follow, args=(self._loop,), name="tide", daemon=True).start()

    def _follow(self, loop: asyncio.AbstractEventLoop) -> None:
        head = 0
        while self._wanted.wait() and not self.closed:
            try:
                newest = self._store.wait(head, LOOK_SECONDS)
            except OvernightError:
                # The waiters time out; whoever reads next meets the error itself.
                newest = head
                threading.Event().wait(LOOK_SECONDS)
            try:
                loop.call_soon_threadsafe(self._rise, newest)
            except RuntimeError:
                return
            head = max(head, newest)

    def _rise(self, newest: int) -> None:
        self._head = max(self._head, newest)
        self._release(lambda seen: seen < self._head)
        if not self._waiters and not self.closed:
            self._wanted.clear()

    def _release(self, chosen: Callable[[int], bool]) -> None:
        for waiter, seen in list(self._waiters.items()):
            if not waiter.done() and chosen(seen):
                waiter.set_result(None)
