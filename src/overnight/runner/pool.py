"""The runner's side of its executors: one per live attempt, idle ones kept for the next."""

from __future__ import annotations

import os
import select
import socket
from collections.abc import Callable
from dataclasses import dataclass

from . import cgroup, executor, kernel
from .identity import Identity, read_stat
from .protocol import PIECE, LineBuffer

MOST_IDLE = 16
"""Idle executors that are kept; each costs a few MiB."""
SEND_TIMEOUT = 5.0
"""Seconds within which an idle executor must take a launch that is larger than its socket buffer."""

Line = Callable[["Executor", bytes, bytes], None]
"""Receives an executor's line: its first word and the rest."""
Lost = Callable[["Executor"], None]
"""Hears that an executor has ended."""


class Executor:
    """An executor process of this runner and the line to it."""

    __slots__ = ("attempt", "buffer", "group", "identity", "pidfd", "socket")

    def __init__(self, end: socket.socket, identity: Identity, pidfd: int, group: str | None) -> None:
        self.socket = end
        self.identity = identity
        self.pidfd = pidfd
        self.group = group
        self.buffer = LineBuffer()
        self.attempt: str | None = None
        """The attempt it carries out, None while it is idle."""


@dataclass(frozen=True)
class Origin:
    """What every executor inherits."""

    state_dir: str
    boot_id: str
    environment: dict[str, str]
    place: cgroup.Place | None
    group_prefix: str
    locks: str
    """Folder of the locks on devices."""


class Pool:
    """All executors of this runner. Lines and losses are handed on as they come."""

    def __init__(
        self,
        origin: Origin,
        watch: Callable[[int, Callable[[], None]], None],
        unwatch: Callable[[int], None],
        line: Line,
        lost: Lost,
    ) -> None:
        self._origin = origin
        self._watch = watch
        self._unwatch = unwatch
        self._line = line
        self._lost = lost
        self._idle: list[Executor] = []

    def take(self) -> Executor:
        """Return an idle executor, forked if there is none. Raises OSError when the machine has no room for it."""
        return self._idle.pop() if self._idle else self._fork()

    def give_back(self, idle: Executor) -> None:
        """Keep an executor that has nothing to do any more."""
        idle.attempt = None
        if len(self._idle) < MOST_IDLE:
            self._idle.append(idle)
        else:
            self._drop(idle)

    def send(self, busy: Executor, line: bytes) -> bool:
        """Hand over a launch; False when the executor does not take it, which then ends without starting anything."""
        try:
            sent = busy.socket.send(line, socket.MSG_DONTWAIT)
            if sent < len(line):
                busy.socket.settimeout(SEND_TIMEOUT)
                busy.socket.sendall(memoryview(line)[sent:])
                busy.socket.settimeout(None)
        except OSError:
            return False
        return True

    def abandon(self, stuck: Executor) -> None:
        """Give up an executor that does not take its launch: it ends by itself, without having started it."""
        self._drop(stuck)

    def _fork(self) -> Executor:
        origin = self._origin
        ours, theirs = socket.socketpair()
        try:
            pid = executor.fork(
                theirs,
                origin.state_dir,
                origin.boot_id,
                origin.environment,
                origin.place,
                origin.group_prefix,
                origin.locks,
            )
            pidfd = kernel.pidfd_open(pid)
        except OSError:
            ours.close()
            raise
        finally:
            theirs.close()
        stat = read_stat(pid)
        start_time = stat.start_time if stat is not None else 0
        group = f"{origin.place.folder}/{origin.group_prefix}{pid}-{start_time}" if origin.place else None
        made = Executor(ours, Identity(origin.boot_id, pid, start_time), pidfd, group)
        self._watch(ours.fileno(), lambda: self._read(made))
        return made

    def _read(self, source: Executor) -> None:
        try:
            data = source.socket.recv(PIECE, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._end(source)
            return
        for line in source.buffer.feed(data):
            word, _, payload = line.partition(b" ")
            self._line(source, word, payload)

    def _end(self, gone: Executor) -> None:
        if gone in self._idle:
            self._idle.remove(gone)
        self._wait_for_death(gone)
        self._lost(gone)
        self._drop(gone)

    def _wait_for_death(self, gone: Executor) -> None:
        """Its socket closes a moment before the process is gone; what is judged afterwards must not see it alive."""
        poller = select.poll()
        poller.register(gone.pidfd, select.POLLIN)
        poller.poll(1000)

    def _drop(self, gone: Executor) -> None:
        self._unwatch(gone.socket.fileno())
        gone.socket.close()
        os.close(gone.pidfd)
