"""A thread beside the loop that takes turns when it is woken or when its own time has come: the loop never waits."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from overnight.domain.errors import StoreUnavailable
from overnight.store.base import Store

SPACING_SECONDS = 0.5
"""Shortest time between two turns, however often it is woken."""
UNAVAILABLE_SECONDS = 5.0
"""Pause after a turn that could not read or write the record."""
DEFECT_SECONDS = 60.0
"""Pause after a turn that failed by a defect of ours: it is told on standard error, and the thread goes on."""


@dataclass(slots=True)
class Worker:
    """Repeats `turn`, which answers after how many seconds it wants the next one (None = when woken), and ends with
    `last`."""

    name: str
    store: Store
    turn: Callable[[], float | None]
    last: Callable[[], object] = lambda: None
    _woken: threading.Event = field(default_factory=threading.Event)
    _ended: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None
    _abandoned: bool = False
    """Whether nobody waits for it any more: the record may be closed under it."""

    def start(self) -> None:
        """Begin, with a turn at once: what an earlier process left undone is due."""
        self._thread = threading.Thread(target=self._run, name=self.name, daemon=True)
        self._thread.start()

    def wake(self) -> None:
        """Look again soon. Any thread, never blocks; costs nothing while a turn is due anyway."""
        if not self._woken.is_set():
            self._woken.set()

    def stop(self, patience: float) -> None:
        """Take no further turn but the last one, and wait for that at most so many seconds. Repeatable."""
        self._ended.set()
        self._woken.set()
        if self._thread is not None:
            self._thread.join(patience)
            self._abandoned = self._thread.is_alive()

    def _run(self) -> None:
        while not self._ended.is_set():
            self._woken.clear()
            wait = self._carefully(self.turn)
            if self.store.broken:
                return
            self._ended.wait(SPACING_SECONDS)
            self._woken.wait(wait)
        self._carefully(self.last)

    def _carefully(self, turn: Callable[[], float | None] | Callable[[], object]) -> float | None:
        try:
            wait = turn()
        except StoreUnavailable:
            return UNAVAILABLE_SECONDS
        except Exception as error:
            if not self._abandoned:
                told = (type(error), error, error.__traceback__, threading.current_thread())
                threading.excepthook(threading.ExceptHookArgs(told))
            return DEFECT_SECONDS
        return wait if isinstance(wait, float) else None
