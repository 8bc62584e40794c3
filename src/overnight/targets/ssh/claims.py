"""Which target has which machine: two names of one would take each other's connection for ever."""

from __future__ import annotations

import threading
from collections.abc import Sequence


class Claims:
    """The places that targets found, a place being one folder of one running system. Safe on threads."""

    def __init__(self, first: Sequence[str] = ()) -> None:
        """`first`: targets that go before all others, and before those that come later in it."""
        self._rank = {name: number for number, name in enumerate(first)}
        self._places: dict[str, str] = {}
        self._lock = threading.Lock()

    def claim(self, name: str, place: str) -> str | None:
        """Take a place for a target; the name of another one that keeps it, None where it is taken now."""
        with self._lock:
            others = [it for it, found in self._places.items() if found == place and it != name]
            keeper = min(others, key=self._order, default=None)
            if keeper is not None and self._order(keeper) <= self._order(name):
                self._places.pop(name, None)
                return keeper
            for other in others:
                del self._places[other]
            self._places[name] = place
            return None

    def _order(self, name: str) -> int:
        return self._rank.get(name, len(self._rank))
