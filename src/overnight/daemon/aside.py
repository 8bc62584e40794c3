"""What a server does beside its loop: it tells people what happened, runs the analysis hook, and delivers answers."""

from __future__ import annotations

import signal

from overnight.daemon.analyst import GRACE_SECONDS, Analyst
from overnight.daemon.answers import Answers
from overnight.daemon.herald import Herald
from overnight.daemon.worker import Worker

FAREWELL_SECONDS = 10.0
"""How long the end of a process waits for its last messages."""
ANSWERS_SECONDS = 2.0
"""How long it waits for an answer that is being written; the next server writes what is left."""


class Aside:
    """The three of them, each on a thread of its own, woken whenever the loop has written something."""

    def __init__(self, herald: Herald, analyst: Analyst, answers: Answers) -> None:
        self._analyst = analyst
        self._telling = Worker("herald", herald.store, herald.turn, herald.flush)
        self._analysing = Worker("analyst", analyst.store, analyst.turn)
        self._answering = Worker("answers", answers.store, answers.turn)
        analyst.told = self._telling.wake

    def start(self) -> None:
        """Begin with what an earlier process left undone."""
        self._telling.start()
        self._analysing.start()
        self._answering.start()

    def wake(self) -> None:
        """Something was written: look whether it concerns them."""
        self._telling.wake()
        self._analysing.wake()
        self._answering.wake()

    def close(self) -> None:
        """End a hook that is running (the next server runs it again) and deliver what waits, within a bounded time."""
        self._answering.stop(ANSWERS_SECONDS)
        self._analyst.end()
        self._analysing.stop(GRACE_SECONDS)
        self._analyst.end(signal.SIGKILL)
        self._telling.stop(FAREWELL_SECONDS)
