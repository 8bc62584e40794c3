"""The process that carries out attempts: forked from the runner without exec, used again and again.

It is a child subreaper in a session of its own and knows its runner by one socket. Lines to it are launches; lines
from it are `started`, `ended` and `refused`. When the runner dies it finishes its attempt, brings the record to the
disk itself, and goes.
"""

from __future__ import annotations

import ctypes
import gc
import json
import os
import signal
import socket
from typing import NoReturn

from . import launch as launches
from . import record, spawn
from .attempt import SIGNALS, Execution, Site
from .cgroup import Cgroup, Place
from .complaint import complain_of_exception
from .identity import read_stat
from .launch import Launch
from .protocol import PIECE, text

_SET_CHILD_SUBREAPER = 36
_SET_NAME = 15
_IGNORED = (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGPIPE)
STARTED, ENDED, REFUSED = b"started", b"ended", b"refused"
"""First words of the lines that an executor sends."""


class Channel:
    """The executor's end of its line to the runner, which may have died."""

    __slots__ = ("_rest", "_socket", "runner_lost")

    def __init__(self, end: socket.socket) -> None:
        self._socket = end
        self._rest = b""
        self.runner_lost = False

    def started(self, pid: int, start_time: int, at: float, clock: float) -> None:
        """Tell that the main process runs."""
        self.send(STARTED, text([pid, start_time, at, clock]))

    def send(self, word: bytes, payload: str) -> None:
        """Send one line; a runner that is gone is remembered, not an error."""
        try:
            self._socket.sendall(b"%s %s\n" % (word, payload.encode("ascii")))
        except OSError:
            self.runner_lost = True

    def receive(self) -> bytes | None:
        """Return the next line, None when the runner has gone. Waits."""
        while b"\n" not in self._rest:
            try:
                data = self._socket.recv(PIECE)
            except OSError:
                return None
            if not data:
                return None
            self._rest += data
        line, _, self._rest = self._rest.partition(b"\n")
        return line


def fork(
    end: socket.socket,
    state_dir: str,
    boot_id: str,
    environment: dict[str, str],
    place: Place | None,
    group_prefix: str,
    locks: str,
) -> int:
    """Start an executor behind this end of a socket pair and return its pid; never returns in the child.

    Raises OSError when the machine has no room for another process. Descriptor 0 must be /dev/null.
    """
    pid = os.fork()
    if pid != 0:
        return pid
    try:
        _serve(end, state_dir, boot_id, environment, place, group_prefix, locks)
    except BaseException:  # whatever it is, the runner's stack below must not go on in this process
        complain_of_exception()
    finally:
        os._exit(1)


def _serve(
    end: socket.socket,
    state_dir: str,
    boot_id: str,
    environment: dict[str, str],
    place: Place | None,
    group_prefix: str,
    locks: str,
) -> NoReturn:
    _become_executor(end.fileno())
    stat = read_stat(os.getpid())
    cgroup = Cgroup(place, f"{group_prefix}{os.getpid()}-{stat.start_time if stat else 0}")
    cgroup.enter()
    site = Site(state_dir, boot_id, environment, cgroup, locks)
    channel = Channel(end)
    owed: list[tuple[str, str]] = []
    while not channel.runner_lost:
        line = channel.receive()
        if line is None:
            break
        _carry_out(launches.from_wire(json.loads(line)), site, channel, owed)
    _write_owed(owed)
    cgroup.leave()
    cgroup.remove()
    os._exit(0)


def _carry_out(launch: Launch, site: Site, channel: Channel, owed: list[tuple[str, str]]) -> None:
    try:
        ending = Execution(launch, site, channel).carry_out()
    except spawn.AlreadyStarted:
        channel.send(REFUSED, text("already_started"))
        return
    written = record.write(launch.folder, ending)
    channel.send(ENDED, ending)
    if not written:
        owed.append((launch.folder, ending))
    elif channel.runner_lost:
        record.sync(launch.folder)


def _write_owed(owed: list[tuple[str, str]]) -> None:
    """The runner has gone, and may have taken what it was told with it: records that found no room are the only
    word of those ends. Their attempts count as alive until this process has ended."""
    for folder, ending in owed:
        record.write_late(folder, ending)
        record.sync(folder)


def _become_executor(kept: int) -> None:
    gc.freeze()  # nothing of the runner is finalised here: that would close descriptors of ours by number
    signal.set_wakeup_fd(-1)
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGUSR2):
        signal.signal(number, signal.SIG_DFL)
    for number in _IGNORED:
        signal.signal(number, signal.SIG_IGN)
    for name in os.listdir("/proc/self/fd"):
        if int(name) > 2 and int(name) != kept:
            _close(int(name))
    os.setsid()
    os.chdir("/")
    library = ctypes.CDLL(None)
    if library.prctl(_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError("The executor cannot become a child subreaper.")
    library.prctl(_SET_NAME, b"overnight-exec", 0, 0, 0)


def _close(descriptor: int) -> None:
    try:
        os.close(descriptor)
    except OSError:
        return  # the one that listdir itself had open
