"""Every process of one attempt, seen from its executor, which is the subreaper of them all."""

from __future__ import annotations

import os
import signal

from . import processes
from .identity import Stat
from .record import Usage

_ANY_CHILD = 0x40000000
"""__WALL: also children that do not announce their end by SIGCHLD."""
CHASE_FROM_ROUND = 2
"""From this round of killing on process groups are killed too: something forks faster than we look."""


class Tree:
    """The main process and all its descendants. Only the executor may hold one, one at a time."""

    __slots__ = ("_rounds", "empty", "main", "root", "status", "usage")

    def __init__(self, main: int) -> None:
        self.main = main
        self.root = os.getpid()
        self.status: int | None = None
        """Wait status of the main process, None while it runs."""
        self.empty = False
        """No descendant is left, proven by the kernel (ECHILD)."""
        self.usage = Usage()
        self._rounds = 0

    def reap(self) -> None:
        """Collect everything that has ended."""
        while True:
            try:
                pid, status, resources = os.wait4(-1, os.WNOHANG | _ANY_CHILD)
            except ChildProcessError:
                self.empty = True
                return
            if pid == 0:
                return
            if pid == self.main:
                self.status = status
            usage = self.usage
            usage.user_seconds += resources.ru_utime
            usage.system_seconds += resources.ru_stime
            usage.max_rss_bytes = max(usage.max_rss_bytes, resources.ru_maxrss * 1024)

    def living(self) -> list[Stat]:
        """Return every process that has not ended; slow (it looks at all processes of the host)."""
        return processes.descendants(self.root)

    def terminate(self) -> bool:
        """Ask the whole tree to end (SIGTERM, and SIGCONT for those that are stopped).

        Returns whether the main process was among those asked: False when it had ended by itself.
        """
        living = self.living()
        processes.signal_all(living, signal.SIGTERM)
        processes.signal_all(living, signal.SIGCONT)
        return any(stat.pid == self.main for stat in living)

    def kill(self) -> bool:
        """SIGKILL the whole tree once; to be repeated until it is empty. Returns as terminate does."""
        self._rounds += 1
        living = self.living()
        processes.signal_all(living, signal.SIGKILL)
        if self._rounds >= CHASE_FROM_ROUND:
            processes.kill_in_passing(self.root)
        return any(stat.pid == self.main for stat in living)
