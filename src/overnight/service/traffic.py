"""What a running server remembers of requests for a while, and keeps nowhere."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from overnight.domain.errors import InFlight

NOTED_SECONDS = 60.0
"""A refusal of the same operation to the same actor is written into the log once in this time."""
MOST_NOTED = 10_000
"""Refusals remembered at once; beyond that none is written until older ones are forgotten: a flood fills no disk."""


class Traffic:
    """Requests with an idempotency key that are being carried out, and refusals that were written lately."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._working: set[tuple[str, str, str]] = set()
        self._noted: dict[tuple[str, str], float] = {}

    @contextmanager
    def alone(self, actor: str, operation: str, key: str) -> Iterator[None]:
        """Be the only request of this key while the block runs; InFlight when there is one."""
        place = (actor, operation, key)
        with self._lock:
            if place in self._working:
                raise InFlight(
                    f"the first request with the idempotency key {key!r} is still being carried out",
                    next_step="Ask again in a moment: its answer will be given.",
                )
            self._working.add(place)
        try:
            yield
        finally:
            with self._lock:
                self._working.discard(place)

    def worth_noting(self, actor: str, operation: str, now: float) -> bool:
        """Whether a refusal is to be written: none was lately. `now`: wall seconds."""
        with self._lock:
            last = self._noted.get((actor, operation))
            if last is not None and 0 <= now - last < NOTED_SECONDS:
                return False
            if len(self._noted) >= MOST_NOTED:
                self._noted = {it: at for it, at in self._noted.items() if 0 <= now - at < NOTED_SECONDS}
            if len(self._noted) >= MOST_NOTED:
                return False
            self._noted[actor, operation] = now
            return True
