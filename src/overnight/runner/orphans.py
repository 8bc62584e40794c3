"""Attempts whose executor is gone while processes of theirs may still run.

Nobody can learn their exit code any more, but they are alive as long as anything carries their marker or sits in
their control group; and they still obey stop orders and time limits.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable

from . import cgroup, locks, moment, processes
from .identity import Identity, Stat, open_pidfd, read_stat
from .lease import EVERY, Tenancy
from .ledger import Entry
from .locks import DeviceHeld, Locks
from .loop import Loop
from .order import StopOrder
from .pool import Origin

CONFIRM_AFTER = 0.2
"""Seconds between the two looks that find nothing before an attempt is called dead.

An executor that was killed while it spawned leaves a child that carries no marker until its exec.
"""
PAUSE = 0.02
"""Seconds from the end of a watched process to the next look."""
KILL_AGAIN = 0.1
"""Seconds between two rounds of SIGKILL."""
HOLD_AGAIN = 1.0
"""Seconds until locks that somebody else has, or looks at, are tried again."""
MOST_WATCHED = 64
"""Processes of one orphan that are watched by descriptor; the end of any of them leads to a look at all."""


class Orphan:
    """One attempt without an executor."""

    __slots__ = ("entry", "kill_at", "locks", "looking", "none_since", "order", "waiting", "watched")

    def __init__(self, entry: Entry) -> None:
        self.entry = entry
        self.watched: list[int] = []
        self.none_since: float | None = None
        self.looking = False
        self.order: StopOrder | None = None
        self.kill_at: float | None = None
        self.locks: Locks | None = None
        self.waiting = False
        """Whether the locks will be tried again by themselves."""


class Orphans:
    """All orphans of this runner; `dead` hears of the end of each, with the proof."""

    def __init__(self, loop: Loop, origin: Origin, dead: Callable[[Entry, str], None]) -> None:
        self._loop = loop
        self._origin = origin
        self._state_dir = origin.state_dir
        self._boot_id = origin.boot_id
        self._dead = dead
        self._orphans: dict[str, Orphan] = {}

    def take(self, entry: Entry) -> None:
        """Watch over an attempt until nothing of it runs."""
        orphan = self._orphans[entry.attempt] = Orphan(entry)
        if entry.time_limit is not None and entry.clock is not None:
            limit = StopOrder(entry.grace, "The time limit was reached.")
            self._loop.call_at(entry.clock + entry.time_limit, lambda: self._stop_if_still(orphan, limit))
        if entry.lease is not None:
            self._watch_lease(orphan, Tenancy(self._state_dir, self._boot_id, entry.lease, entry.grace))
        self._look(orphan)
        if entry.order is not None:
            self.stop(entry, entry.order)

    def has(self, entry: Entry) -> bool:
        """Tell whether this attempt is watched here."""
        return entry.attempt in self._orphans

    def stop(self, entry: Entry, order: StopOrder) -> None:
        """End all processes of the attempt: SIGTERM, after the grace SIGKILL until none is left. Repeatable."""
        orphan = self._orphans[entry.attempt]
        end = moment.boot() + order.grace
        if orphan.order is None:
            found = self._living(entry, processes.marked(self._state_dir))
            processes.signal_all(found, signal.SIGTERM)
            processes.signal_all(found, signal.SIGCONT)
        orphan.order = order.merged(orphan.order)
        orphan.kill_at = end if orphan.kill_at is None else min(orphan.kill_at, end)
        self._loop.call_at(orphan.kill_at, lambda: self._look_if_still(orphan))

    def _watch_lease(self, orphan: Orphan, tenancy: Tenancy) -> None:
        now = moment.boot()
        if tenancy.ended(now):
            self._stop_if_still(orphan, tenancy.order)
        elif self._orphans.get(orphan.entry.attempt) is orphan:
            self._loop.call_at(min(tenancy.due, now + EVERY), lambda: self._watch_lease(orphan, tenancy))

    def _hold(self, orphan: Orphan) -> None:
        """Take over the locks of an executor that was killed; whoever was quicker is not sent away."""
        entry, origin = orphan.entry, self._origin
        if orphan.locks is None and entry.devices:
            holder = locks.holder(
                origin.environment, origin.state_dir, entry.attempt, origin.boot_id, shared=entry.shared
            )
            try:
                orphan.locks = locks.take(origin.locks, entry.devices, holder, patience=0.0)
            except DeviceHeld:
                self._hold_later(orphan)

    def _hold_later(self, orphan: Orphan) -> None:
        if not orphan.waiting:
            orphan.waiting = True
            self._loop.call_at(moment.boot() + HOLD_AGAIN, lambda: self._hold_if_still(orphan))

    def _hold_if_still(self, orphan: Orphan) -> None:
        orphan.waiting = False
        if self._orphans.get(orphan.entry.attempt) is orphan:
            self._hold(orphan)

    def _stop_if_still(self, orphan: Orphan, order: StopOrder) -> None:
        if self._orphans.get(orphan.entry.attempt) is orphan:
            self.stop(orphan.entry, order)

    def _look_if_still(self, orphan: Orphan) -> None:
        orphan.looking = False
        if self._orphans.get(orphan.entry.attempt) is orphan:
            self._look(orphan)

    def _look_soon(self, orphan: Orphan, seconds: float) -> None:
        if not orphan.looking:
            orphan.looking = True
            self._loop.call_at(moment.boot() + seconds, lambda: self._look_if_still(orphan))

    def _look(self, orphan: Orphan) -> None:
        self._unwatch(orphan)
        found = self._living(orphan.entry, processes.marked(self._state_dir))
        now = moment.boot()
        if not found:
            self._found_none(orphan, now)
            return
        orphan.none_since = None
        self._hold(orphan)
        if orphan.kill_at is not None and now >= orphan.kill_at:
            processes.signal_all(found, signal.SIGKILL)
            self._look_soon(orphan, KILL_AGAIN)
        self._watch(orphan, found)

    def _found_none(self, orphan: Orphan, now: float) -> None:
        if orphan.none_since is None:
            orphan.none_since = now
        if now - orphan.none_since < CONFIRM_AFTER:
            self._look_soon(orphan, CONFIRM_AFTER)
            return
        del self._orphans[orphan.entry.attempt]
        if orphan.locks is not None:
            orphan.locks.release()
        self._dead(orphan.entry, _proof(orphan.entry))

    def _watch(self, orphan: Orphan, found: list[Stat]) -> None:
        for stat in found[:MOST_WATCHED]:
            pidfd = open_pidfd(Identity(self._boot_id, stat.pid, stat.start_time), self._boot_id)
            if pidfd is not None:
                orphan.watched.append(pidfd)
                self._loop.watch(pidfd, lambda: self._one_ended(orphan))
        if not orphan.watched:
            self._look_soon(orphan, PAUSE)

    def _one_ended(self, orphan: Orphan) -> None:
        self._unwatch(orphan)
        self._look_soon(orphan, PAUSE)

    def _unwatch(self, orphan: Orphan) -> None:
        for pidfd in orphan.watched:
            self._loop.unwatch(pidfd)
            os.close(pidfd)
        orphan.watched.clear()

    def _living(self, entry: Entry, marks: dict[str, list[Stat]]) -> list[Stat]:
        found = {stat.pid: stat for stat in marks.get(entry.attempt, ())}
        for pid in cgroup.members(entry.group):
            stat = read_stat(pid)
            if stat is not None and stat.living:
                found[pid] = stat
        return list(found.values())


def _proof(entry: Entry) -> str:
    killed = cgroup.kills_in(entry.group)
    why = f"; the kernel has killed {killed} of the processes in its control group for lack of memory" if killed else ""
    return f"Its executor has ended without a record and no process of it is left{why}."
