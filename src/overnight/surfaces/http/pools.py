"""Which threads carry operations out: what is slow must not keep the rest waiting."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from overnight.surfaces.http.problems import Fault
from overnight.surfaces.http.workers import Workers

T = TypeVar("T")

QUICK_WORKERS = 8
"""Threads for operations that only need the record; commits of all that wait together share one sync."""
SLOW_WORKERS = 4
"""Threads for operations that ask git, drivers, other machines or the whole log: they must not keep the others
waiting."""
READING_WORKERS = 4
"""Threads for operations that read logs, perhaps on a machine that does not answer for a while."""
MOST_ASKED = 256
"""Requests in work at once; more are told to come back."""
SLOW = frozenset(
    {
        "plan", "convert", "submit", "doctor", "verify_log", "summary", "report", "brief",
        "create_sweep", "detect_cluster", "run_metrics", "run_artifacts", "search_skills",
    }
)  # fmt: skip
"""Operations that the slow threads carry out."""
READING = frozenset({"log", "run_logs", "stream_run_logs"})
"""Operations that the reading threads carry out."""


class Pools:
    """The worker threads of a server."""

    def __init__(self) -> None:
        self._quick = Workers("quick", QUICK_WORKERS)
        self._slow = Workers("slow", SLOW_WORKERS)
        self._reading = Workers("reading", READING_WORKERS)

    async def run(self, operation: str, job: Callable[[], T]) -> T:
        """What a job of an operation gives, carried out on a thread; Fault when too many wait already."""
        limit(self._of(operation).busy, MOST_ASKED)
        return await self.look(operation, job)

    async def look(self, operation: str, job: Callable[[], T]) -> T:
        """As `run`, for a request that waits: it was let in before, and all of them are woken at once."""
        return await self._of(operation).run(job)

    def _of(self, operation: str) -> Workers:
        if operation in READING:
            return self._reading
        return self._slow if operation in SLOW else self._quick

    @property
    def working(self) -> int:
        """Jobs that threads are at."""
        return self._quick.working + self._slow.working + self._reading.working

    def close(self) -> None:
        """Let the threads end; repeatable."""
        self._quick.close()
        self._slow.close()
        self._reading.close()


def limit(number: int, most: int) -> None:
    """Fault `busy` when `number` has come to `most`."""
    if number >= most:
        raise Fault(
            503, "busy", "too many requests at once", next_step="Try again soon.", headers=((b"retry-after", b"1"),)
        )
