"""What one token may ask for at a time, so that the others are still answered. The home's first token has no limits."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from overnight.clock import Clock
from overnight.config import LimitSettings
from overnight.domain.access import NOBODY, Principal, Role
from overnight.domain.errors import LimitExceeded

MOST_BUCKETS = 10_000
"""Buckets kept at once; those that have filled up again are forgotten, since they say nothing."""


@dataclass(slots=True)
class _Bucket:
    level: float
    """Requests that may come at once."""
    at: float
    """When it had this level, in seconds of the boot clock."""


class Limits:
    """Requests and open streams of each token. Used on the event loop alone."""

    def __init__(self, settings: LimitSettings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._buckets: dict[str, _Bucket] = {}
        self._streams: dict[str, int] = {}

    def take(self, who: Principal) -> None:
        """Count a request; LimitExceeded, saying when to come back, when its token has sent too many."""
        if _is_free(who):
            return
        bucket = self._bucket(who.actor)
        if bucket.level < 1.0:
            raise LimitExceeded(
                f"{who.actor!r} sends too many requests",
                next_step="Wait, and ask for less: one listing instead of many single things.",
                retry_after=(1.0 - bucket.level) / self._settings.requests_per_second,
            )
        bucket.level -= 1.0

    def _bucket(self, actor: str) -> _Bucket:
        now = self._clock.boot()
        bucket = self._buckets.get(actor)
        if bucket is None:
            if len(self._buckets) >= MOST_BUCKETS:
                self._buckets = {name: it for name, it in self._buckets.items() if self._filled(it, now) < self._full}
            bucket = self._buckets[actor] = _Bucket(self._full, now)
        bucket.level, bucket.at = self._filled(bucket, now), now
        return bucket

    @property
    def _full(self) -> float:
        return float(self._settings.burst)

    def _filled(self, bucket: _Bucket, now: float) -> float:
        return min(self._full, bucket.level + (now - bucket.at) * self._settings.requests_per_second)

    @contextmanager
    def stream(self, who: Principal) -> Iterator[None]:
        """Count a stream, or a request that waits, while the block runs; LimitExceeded when there are too many."""
        if _is_free(who):
            yield
            return
        open_ones = self._streams.get(who.actor, 0)
        if open_ones >= self._settings.streams:
            raise LimitExceeded(
                f"{who.actor!r} has {open_ones} streams or waiting requests open",
                next_step="Close some: one stream of events tells of everything.",
                retry_after=1.0,
            )
        self._streams[who.actor] = open_ones + 1
        try:
            yield
        finally:
            self._close(who.actor)

    def _close(self, actor: str) -> None:
        left = self._streams[actor] - 1
        if left:
            self._streams[actor] = left
        else:
            del self._streams[actor]


def _is_free(who: Principal) -> bool:
    return who.role is Role.ADMIN or who is NOBODY
