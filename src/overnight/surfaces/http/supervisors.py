"""Who waits for what: one at a time per token and thing, so that supervisors of a run that were left behind end."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from overnight.domain.access import Principal

MOST_KEPT = 10_000
"""Supervisors that are remembered between their requests, and as many that were ended; the oldest are forgotten."""


@dataclass(eq=False, slots=True)
class Wait:
    """One request that waits. `over` is set when another supervisor came after it."""

    over: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass(slots=True)
class _Newest:
    name: str | None
    """What the supervisor calls itself; None = one request without a name."""
    wait: Wait | None
    """Its request that waits now."""


class Supervisors:
    """The newest supervisor of each thing, per token. Used on the event loop alone."""

    def __init__(self) -> None:
        self._newest: OrderedDict[tuple[str, str], _Newest] = OrderedDict()
        self._ended: OrderedDict[tuple[str, str, str], None] = OrderedDict()

    @contextmanager
    def waiting(self, who: Principal, thing: str, name: str | None) -> Iterator[Wait]:
        """A request of the supervisor `name` waits for a thing while the block runs; the one before is ended. Its own
        is over from the start when another one came after it."""
        key, wait = (who.actor, thing), Wait()
        if name is not None and (*key, name) in self._ended:
            wait.over.set()
            yield wait
            return
        self._replace(key, name)
        mine = self._newest[key] = _Newest(name, wait)
        self._newest.move_to_end(key)
        _trim(self._newest)
        try:
            yield wait
        finally:
            if self._newest.get(key) is mine:
                mine.wait = None
                if name is None:
                    del self._newest[key]

    def _replace(self, key: tuple[str, str], name: str | None) -> None:
        before = self._newest.get(key)
        if before is None:
            return
        if before.wait is not None:
            before.wait.over.set()  # a repeated request of the same supervisor too: its connection was lost
        if before.name is not None and before.name != name:
            self._ended[(*key, before.name)] = None
            _trim(self._ended)


def _trim(kept: OrderedDict[tuple[str, str], _Newest] | OrderedDict[tuple[str, str, str], None]) -> None:
    while len(kept) > MOST_KEPT:
        kept.popitem(last=False)
