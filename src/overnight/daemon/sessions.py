"""Numbers that only grow, for tokens and for sessions with a host."""

from __future__ import annotations

from overnight.clock import Clock
from overnight.store.base import SYSTEM, Session, Store

FENCES_PER_MINUTE_BITS = 27
"""Fences start at minutes since 1970 times 2**27: above every one given out before, even after an old backup was
restored
(134 million claims a minute would be needed to overtake it), and below 2**53, so that JSON readers keep them exact."""

AHEAD_MINUTES = 366 * 24 * 60
"""By so much the clock of an earlier server may have been fast: what a host claims to have seen beyond is no token."""


def latest(clock: Clock) -> int:
    """The highest number that can have been given out, generously: one host must not use up the numbers of all."""
    return (int(clock.wall() // 60) + AHEAD_MINUTES) << FENCES_PER_MINUTE_BITS


def open_epoch(store: Store, clock: Clock, version: str) -> int:
    """Raise the fence above everything that an earlier server can have given out, and note that a server started."""
    floor = int(clock.wall() // 60) << FENCES_PER_MINUTE_BITS

    def change(session: Session) -> int:
        session.rows("fence_raise", floor=floor)
        session.record("server.start", "server", session.value("fence_read"), version=version)
        return int(session.value("fence_read"))

    return store.write(SYSTEM, change)


def next_session(store: Store, floor: int) -> int:
    """A number above every one given before and above `floor`; drawn from the fences."""

    def change(session: Session) -> int:
        session.rows("fence_raise", floor=floor)
        return int(session.value("fence_next"))

    return store.write(SYSTEM, change)
