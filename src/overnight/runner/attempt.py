"""Carrying out one attempt, from its folder to its exit record. Runs inside an executor."""

from __future__ import annotations

import os
import signal
from dataclasses import dataclass
from typing import Protocol

from . import PROTOCOL_VERSION, check, locks, moment, order, snapshot, spawn
from .cgroup import Cgroup
from .identity import read_stat
from .launch import Launch
from .lease import EVERY, Tenancy
from .locks import DeviceHeld, Holder, Locks
from .log import CappedLog
from .order import StopOrder
from .protocol import text
from .record import Outcome, Usage
from .spawn import StartFailed
from .tree import Tree

SIGNALS = frozenset({signal.SIGCHLD, signal.SIGTERM, signal.SIGUSR2})
"""Blocked in an executor, and waited for."""
LEFTOVER_DRAIN = 0.1
"""Seconds that processes get to end by themselves after the main process, before they count as leftovers."""
LEFTOVER_GRACE = 2.0
"""Seconds between SIGTERM and SIGKILL for leftovers."""
KILL_AGAIN = 0.02
"""Seconds until a killed tree is looked at again; after KILLS_AT_ONCE doubled each time up to KILL_SLOWEST."""
KILLS_AT_ONCE = 50
"""Rounds of killing at the fast pace, against what flees by forking."""
KILL_SLOWEST = 1.0
"""Longest pause between two kills of processes that do not go (uninterruptible ones)."""
LONGEST_WAIT = 30.0
"""Seconds of one wait while a time limit runs: timers stand still while the machine sleeps, the limit does not."""


class Announcer(Protocol):
    """Who hears of an attempt's start; failures to hear are its own concern."""

    def started(self, pid: int, start_time: int, at: float, clock: float) -> None:
        """The main process runs."""


@dataclass(frozen=True)
class Site:
    """What all attempts of one executor share."""

    state_dir: str
    boot_id: str
    environment: dict[str, str]
    cgroup: Cgroup
    locks: str
    """Folder of the locks on devices."""


class Execution:
    """One attempt. `carry_out` returns when no process of it is left."""

    __slots__ = (
        "_announcer",
        "_cause",
        "_clock",
        "_counted",
        "_drain_until",
        "_kill_at",
        "_kill_pause",
        "_kills",
        "_launch",
        "_limit_at",
        "_locks",
        "_log",
        "_oom_kills",
        "_order",
        "_outcome",
        "_site",
        "_tenancy",
        "_terminated",
        "_tree",
    )

    def __init__(self, launch: Launch, site: Site, announcer: Announcer) -> None:
        self._launch = launch
        self._site = site
        self._announcer = announcer
        self._outcome = Outcome("exited")
        self._log: CappedLog | None = None
        self._order: StopOrder | None = None
        self._cause: str | None = None
        self._terminated = False
        self._counted = False
        self._kill_at: float | None = None
        self._kill_pause = KILL_AGAIN
        self._kills = 0
        self._drain_until: float | None = None
        self._limit_at: float | None = None
        self._locks: Locks | None = None
        self._tenancy: Tenancy | None = None

    def carry_out(self) -> str:
        """Run the attempt to its end and return its exit record as JSON. Raises AlreadyStarted, with no effect."""
        _forget_old_signals()
        self._clock = moment.boot()
        self._outcome.started_at = self._outcome.ended_at = moment.wall()
        try:
            spawn.make_folder(self._launch.folder)
            self._start()
        except (DeviceHeld, StartFailed) as failure:
            self._outcome.reason = "device_held" if isinstance(failure, DeviceHeld) else "start_failed"
            self._outcome.detail = str(failure)
        else:
            self._watch()
            self._conclude()
        if self._locks is not None:
            self._locks.release()
        if self._log is not None:
            self._outcome.log = self._log.close()
        os.chdir("/")
        return self._record()

    def _start(self) -> None:
        launch, site = self._launch, self._site
        if launch.devices:
            self._locks = locks.take(site.locks, launch.devices, self._holder())
        descriptor = spawn.open_log(launch.folder)
        self._log = CappedLog(launch.folder, descriptor, launch.log_cap, self._clock)
        if launch.code is not None:
            snapshot.check(launch.code)
        spawn.enter_directory(launch.cwd)
        variables = spawn.environment(site.environment, launch, site.state_dir)
        path = spawn.resolve(launch.argv[0], variables.get("PATH", spawn.DEFAULT_PATH))
        if launch.check is not None:
            check.check(launch.check, variables)
        self._oom_kills = site.cgroup.oom_kills()
        site.cgroup.begin()
        pid = spawn.spawn(path, launch.argv, variables, descriptor)
        self._tree = Tree(pid)
        self._announce(pid)

    def _holder(self) -> Holder:
        launch, site = self._launch, self._site
        return locks.holder(site.environment, site.state_dir, launch.attempt, site.boot_id, shared=launch.shared)

    def _announce(self, pid: int) -> None:
        self._clock = moment.boot()
        launch = self._launch
        if launch.lease is not None:
            self._tenancy = Tenancy(self._site.state_dir, self._site.boot_id, launch.lease, launch.grace)
        if self._launch.time_limit is not None:
            self._limit_at = self._clock + self._launch.time_limit
        stat = read_stat(pid)
        outcome = self._outcome
        outcome.pid = pid
        outcome.start_time = stat.start_time if stat is not None else 0
        outcome.started_at = moment.wall()
        self._announcer.started(pid, outcome.start_time, outcome.started_at, self._clock)

    def _watch(self) -> None:
        tree = self._tree
        while True:
            tree.reap()
            if tree.status is not None and self._drain_until is None:
                self._main_ended()
            if tree.empty:
                return
            now = moment.boot()
            self._advance(now)
            self._wait(now)

    def _main_ended(self) -> None:
        now = moment.boot()
        self._outcome.duration = now - self._clock
        self._outcome.ended_at = moment.wall()
        self._drain_until = now + LEFTOVER_DRAIN

    def _advance(self, now: float) -> None:
        if self._tenancy is not None and self._tenancy.ended(now):
            stop, self._tenancy = self._tenancy.order, None
            self._obey(stop, "lease_lost", now)
        if self._drain_until is None:
            if self._limit_at is not None and now >= self._limit_at and self._order is None:
                self._obey(StopOrder(self._launch.grace, "The time limit was reached."), "time_limit", now)
        elif now >= self._drain_until and not self._counted:
            self._end_leftovers(now)
        if self._kill_at is not None and now >= self._kill_at:
            asked = self._tree.kill()
            self._kill_at = now + self._kill_pause
            self._kills += 1
            if self._kills > KILLS_AT_ONCE:
                self._kill_pause = min(self._kill_pause * 2, KILL_SLOWEST)
            if not self._terminated:
                self._asked(asked)
        if self._log is not None and self._log.due is not None and now >= self._log.due:
            self._log.look(now)

    def _obey(self, stop: StopOrder, cause: str, now: float) -> None:
        """Take an order: the first one decides the cause, every one may shorten the grace."""
        if self._order is None:
            self._order, self._cause = stop, cause
            if stop.grace > 0:
                self._asked(self._tree.terminate())
        end = now + stop.grace
        self._kill_at = end if self._kill_at is None else min(self._kill_at, end)

    def _asked(self, main_was_alive: bool) -> None:
        self._terminated = True
        if not main_was_alive or self._drain_until is not None:
            self._cause = None  # it had ended by itself before any signal of ours

    def _end_leftovers(self, now: float) -> None:
        self._counted = True
        # Not empty, so there is one at least, even if it forks and ends faster than a look takes.
        self._outcome.leftovers = max(1, len(self._tree.living()))
        if not self._terminated:
            self._tree.terminate()
            self._terminated = True
            self._kill_at = now + LEFTOVER_GRACE

    def _wait(self, now: float) -> None:
        dues = [self._kill_at, self._log.due if self._log is not None else None]
        longest = LONGEST_WAIT
        if self._tenancy is not None:
            dues.append(self._tenancy.due)
            longest = EVERY
        if self._drain_until is None:
            dues.append(self._limit_at if self._order is None else None)
        elif not self._counted:
            dues.append(self._drain_until)
        timed = [due for due in dues if due is not None]
        if not timed:
            self._receive(signal.sigwaitinfo(SIGNALS).si_signo)
            return
        pause = min(max(min(timed) - now, 0.0), longest)
        info = signal.sigtimedwait(SIGNALS, pause)
        if info is not None:
            self._receive(info.si_signo)

    def _receive(self, number: int) -> None:
        if number == signal.SIGCHLD:
            return
        stop: StopOrder | None = StopOrder(self._launch.grace, "The runner asked for it.")
        if number == signal.SIGTERM:
            stop = order.read(self._launch.folder)
        if stop is None:
            return  # a stray SIGTERM: without an order it means nothing
        self._tree.reap()
        if self._tree.status is not None and self._drain_until is None:
            self._main_ended()
        if not self._tree.empty:
            self._obey(stop, "stopped", moment.boot())

    def _conclude(self) -> None:
        outcome, status = self._outcome, self._tree.status
        outcome.usage = self._usage()
        if status is None:
            raise AssertionError("The tree is empty and its main process was never reaped.")
        if os.WIFSIGNALED(status):
            outcome.reason, outcome.signal = "signalled", os.WTERMSIG(status)
        else:
            outcome.code = os.WEXITSTATUS(status)
        if self._cause is not None and self._order is not None:
            outcome.reason, outcome.detail = self._cause, self._order.reason

    def _usage(self) -> Usage:
        usage, cgroup = self._tree.usage, self._site.cgroup
        usage.peak_memory_bytes = cgroup.peak()
        kills = cgroup.oom_kills()
        if kills is not None and self._oom_kills is not None:
            usage.oom_kills = kills - self._oom_kills
        return usage

    def _record(self) -> str:
        launch, outcome = self._launch, self._outcome
        return text(
            {
                "version": PROTOCOL_VERSION,
                "attempt": launch.attempt,
                "run": launch.run,
                "number": launch.number,
                "fence": launch.fence,
                "boot_id": self._site.boot_id,
                "pid": outcome.pid,
                "start_time": outcome.start_time,
                "code": outcome.code,
                "signal": outcome.signal,
                "reason": outcome.reason,
                "detail": outcome.detail,
                "started_at": outcome.started_at,
                "ended_at": outcome.ended_at,
                "duration": round(outcome.duration, 6),
                "usage": outcome.usage.wire(),
                "leftovers": outcome.leftovers,
                "log": outcome.log,
                "snapshot": None if launch.code is None else os.path.basename(launch.code),
            }
        )


def _forget_old_signals() -> None:
    while signal.sigtimedwait(SIGNALS, 0) is not None:
        pass
