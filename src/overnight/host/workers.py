"""Threads that answer requests beside the relay: as many as are needed, up to a bound."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable

MOST_THREADS = 12
"""Requests that are answered at once; some of them may hang in a file system."""

Work = Callable[[], None]


class Workers:
    """Carries work out on threads that are kept for the next."""

    def __init__(self, most: int = MOST_THREADS) -> None:
        self._most = most
        self._queue: queue.SimpleQueue[Work] = queue.SimpleQueue()
        self._threads = 0
        self._idle = 0
        self._lock = threading.Lock()

    def take(self, work: Work) -> None:
        """Have it carried out, at once unless all threads are at work. `work` must not raise."""
        with self._lock:
            self._idle -= 1
            if self._idle < 0 and self._threads < self._most:
                self._threads += 1
                self._idle += 1
                threading.Thread(target=self._run, daemon=True).start()
        self._queue.put(work)

    def _run(self) -> None:
        while True:
            self._queue.get()()
            with self._lock:
                self._idle += 1
