"""What live attempts use now: processor time, memory and processes, from one look at `/proc`.

Members are found by the control group of their executor where there is one, else by one scan of all processes.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

from . import cgroup, moment, processes
from .identity import stat_fields
from .ledger import Entry
from .protocol import Message

FRESH = 5.0
"""Seconds for which a look is good enough."""
_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass
class _Seen:
    """What one attempt was seen to use. The seconds and the peak only grow, whatever ends meanwhile."""

    at: float
    cpu_seconds: float = 0.0
    rss_bytes: int = 0
    peak_rss_bytes: int = 0
    processes: int = 0

    def wire(self) -> Message:
        return {
            "cpu_seconds": round(self.cpu_seconds, 2),
            "rss_bytes": self.rss_bytes,
            "peak_rss_bytes": self.peak_rss_bytes,
            "processes": self.processes,
        }


class Meter:
    """Keeps what was seen of each live attempt."""

    def __init__(self) -> None:
        self._seen: dict[str, _Seen] = {}

    def usages(self, entries: Sequence[Entry]) -> dict[str, Message]:
        """Attempt -> `cpu_seconds, rss_bytes, peak_rss_bytes, processes` of all its processes, for those that run.

        The seconds are those of living processes and of children that these waited for; the memory is the sum of what
        is resident, so that pages which they share count for each.
        """
        now = moment.boot()
        old = [it for it in entries if it.pid is not None and not self._is_fresh(it.attempt, now)]
        members = {it.attempt: _in_group(it) for it in old}
        below = processes.families() if not all(members.values()) else {}
        for entry in old:
            self._measure(entry, members[entry.attempt] or _in_tree(entry, below), now)
        return {it.attempt: self._seen[it.attempt].wire() for it in entries if it.attempt in self._seen}

    def forget(self, attempts: Sequence[str]) -> None:
        """They have ended."""
        for attempt in attempts:
            self._seen.pop(attempt, None)

    def _is_fresh(self, attempt: str, now: float) -> bool:
        seen = self._seen.get(attempt)
        return seen is not None and now - seen.at < FRESH

    def _measure(self, entry: Entry, pids: list[int], now: float) -> None:
        seen = self._seen.setdefault(entry.attempt, _Seen(now))
        used = [found for found in map(_use_of, pids) if found is not None]
        seen.at = now
        seen.processes = len(used)
        seen.rss_bytes = sum(rss for _, rss in used)
        seen.peak_rss_bytes = max(seen.peak_rss_bytes, seen.rss_bytes)
        seen.cpu_seconds = max(seen.cpu_seconds, sum(seconds for seconds, _ in used))


def _in_group(entry: Entry) -> list[int]:
    executor = entry.worker.pid if entry.worker is not None else None
    return [pid for pid in cgroup.members(entry.group) if pid != executor]


def _in_tree(entry: Entry, below: dict[int, list[int]]) -> list[int]:
    """What its executor has below it; without one the main process and what that has below it."""
    executor = entry.worker.pid if entry.worker is not None else None
    found = list(below.get(executor, ())) if executor is not None else []
    found = found or ([entry.pid] if entry.pid is not None else [])
    for pid in found:  # grows while it is walked
        found.extend(below.get(pid, ()))
    return found


def _use_of(pid: int) -> tuple[float, int] | None:
    """Seconds of processor time and resident bytes of one process; None when it has ended."""
    fields = stat_fields(pid, 23)
    if fields is None or fields[0] in (b"Z", b"X"):
        return None
    return sum(map(int, fields[11:15])) / _TICKS, int(fields[21]) * _PAGE
