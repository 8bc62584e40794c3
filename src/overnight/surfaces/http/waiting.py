"""Requests that wait: for an event, for a client that leaves, for the end of a stream."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from overnight.domain.access import Principal
from overnight.surfaces.http.asking import Ask
from overnight.surfaces.http.pools import limit
from overnight.surfaces.http.wire import gone

if TYPE_CHECKING:
    from overnight.surfaces.http.application import Application

MOST_WAITING = 500
"""Long polls and streams at once."""
STANDS_SECONDS = 0.5
"""How often those who wait are asked whether they still may."""


@contextmanager
def waiting(application: Application, who: Principal) -> Iterator[None]:
    """Count a request among those that wait while the block runs; Fault when there are too many, LimitExceeded when
    its token has too many."""
    limit(application.waiting, MOST_WAITING)
    with application.limits.stream(who):
        application.waiting += 1
        try:
            yield
        finally:
            application.waiting -= 1


async def event_or_gone(application: Application, ask: Ask, seen: int, seconds: float) -> bool:
    """Wait as `event` does; True when the client went away meanwhile."""
    news = asyncio.ensure_future(event(application, ask.context.principal, seen, seconds))
    leaving = asyncio.ensure_future(gone(ask.receive))
    try:
        await asyncio.wait({news, leaving}, return_when=asyncio.FIRST_COMPLETED)
        return leaving.done()
    finally:
        news.cancel()
        leaving.cancel()


async def event(application: Application, who: Principal, seen: int, seconds: float) -> None:
    """Wait for an event after `seen`, at most `seconds`, and not much longer than the token of who asks counts: whoever
    looks next is refused then. No event tells that a time is over, and that of a revocation comes before its effect."""
    store, keyring, tide = application.context.store, application.context.keyring, application.tide
    deadline = store.clock.boot() + seconds
    while (left := deadline - store.clock.boot()) > 0:
        await tide.above(seen, min(left, STANDS_SECONDS))
        if tide.closed or tide.head > seen or not keyring.stands(who, store.clock.wall()):
            return
