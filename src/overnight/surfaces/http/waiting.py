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
    """Wait for an event after `seen`, at most `seconds`; True when the client went away meanwhile."""
    news = asyncio.ensure_future(application.tide.above(seen, seconds))
    leaving = asyncio.ensure_future(gone(ask.receive))
    try:
        await asyncio.wait({news, leaving}, return_when=asyncio.FIRST_COMPLETED)
        return leaving.done()
    finally:
        news.cancel()
        leaving.cancel()
