"""What a server does beside its loop: it tells people what happened, and runs the analysis hook."""

from __future__ import annotations

import signal

from overnight.daemon.analyst import GRACE_SECONDS, Analyst
from overnight.daemon.herald import Herald
from overnight.daemon.worker import Worker

FAREWELL_SECONDS = 10.0
"""How long the end of a process waits for its last messages."""


class Aside:
    """The two of them, each on a thread of its own, woken whenever the loop has written something."""

    def __init__(self, herald: Herald, analyst: Analyst) -> None:
        self._analyst = analyst
        self._telling = Worker("herald", herald.store, herald.turn, herald.flush)
        self._analysing = Worker("analyst", analyst.store, analyst.turn)
        analyst.told = self._telling.wake

    def start(self) -> None:
        """Begin with what an earlier process left undone."""
        self._telling.start()
        self._analysing.start()

    def wake(self) -> None:
        """Something was written: look whether it concerns them."""
        self._telling.wake()
        self._analysing.wake()

    def close(self) -> None:
        """End a hook that is running (the next server runs it again) and deliver what waits, within a bounded time."""
        self._analyst.end()
        self._analysing.stop(GRACE_SECONDS)
        self._analyst.end(signal.SIGKILL)
        self._telling.stop(FAREWELL_SECONDS)
