"""The event loop: descriptors and alarms, one thread, asleep when nothing happens."""

from __future__ import annotations

import heapq
import itertools
import os
import select
import signal
from collections.abc import Callable
from types import FrameType

from . import moment

LONGEST_SLEEP = 30.0
"""Seconds of one sleep: alarms follow the boot clock, which goes on while the machine is suspended."""

Handler = Callable[[], None]
"""Called when its descriptor is ready; must not wait."""


class Loop:
    """Calls handlers when descriptors are ready and alarms when they are due."""

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._handlers: dict[int, Handler] = {}
        self._alarms: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()
        self.stopping = False
        """Set by SIGTERM or by whoever wants the loop to end after this turn."""

    def watch(self, descriptor: int, handler: Handler) -> None:
        """Call handler whenever descriptor is readable or hung up."""
        self._handlers[descriptor] = handler
        self._epoll.register(descriptor, select.EPOLLIN)

    def want_write(self, descriptor: int, wanted: bool) -> None:
        """Also call its handler when descriptor can be written to, or no longer."""
        self._epoll.modify(descriptor, select.EPOLLIN | select.EPOLLOUT if wanted else select.EPOLLIN)

    def unwatch(self, descriptor: int) -> None:
        """Forget descriptor; to be called before it is closed, silent when it is not watched."""
        if self._handlers.pop(descriptor, None) is not None:
            self._epoll.unregister(descriptor)

    def call_at(self, due: float, alarm: Callable[[], None]) -> None:
        """Call alarm once, at or after due on the boot clock."""
        heapq.heappush(self._alarms, (due, next(self._order), alarm))

    def turn(self) -> None:
        """Wait for something to happen and handle all of it."""
        for descriptor, _ in self._epoll.poll(self._patience()):
            handler = self._handlers.get(descriptor)
            if handler is not None:
                handler()
        if self._alarms:
            now = moment.boot()
            while self._alarms and self._alarms[0][0] <= now:
                heapq.heappop(self._alarms)[2]()

    def end_on_sigterm(self) -> None:
        """Let SIGTERM set `stopping`, also in the middle of a sleep."""
        reader, writer = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
        signal.signal(signal.SIGTERM, self._stop)
        self.watch(reader, lambda: _swallow(reader))

    def _stop(self, _number: int, _frame: FrameType | None) -> None:
        self.stopping = True

    def _patience(self) -> float:
        if not self._alarms:
            return LONGEST_SLEEP
        return min(max(self._alarms[0][0] - moment.boot(), 0.0), LONGEST_SLEEP)


def _swallow(descriptor: int) -> None:
    os.read(descriptor, 64)
