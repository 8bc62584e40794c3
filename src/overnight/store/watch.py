"""Who waits for news: a number that only grows, and a condition that wakes on its growth."""

from __future__ import annotations

import threading


class Watch:
    """The newest durable event number of this process's store."""

    def __init__(self, head: int) -> None:
        self._head = head
        self._condition = threading.Condition()

    @property
    def head(self) -> int:
        """The newest number."""
        return self._head

    def advance(self, head: int) -> None:
        """Tell everyone who waits for a number below `head`; a smaller number than the present one changes nothing."""
        if head > self._head:
            with self._condition:
                self._head = max(head, self._head)
                self._condition.notify_all()

    def wait(self, seen: int, timeout: float) -> int:
        """Block until the number is above `seen`, at most `timeout` seconds; returns the newest number."""
        with self._condition:
            self._condition.wait_for(lambda: self._head > seen, timeout)
            return self._head
