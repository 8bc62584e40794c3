"""`python -m overnight.runner STATE_DIR [--idle-exit SECONDS]`: one detached supervisor per state folder.

Prints `ready` on stdout once it can be reached, then lets go of the caller's stdin, stdout and stderr.
Exit 0 after SIGTERM or when idle, 2 when the folder cannot be used, 3 when another runner holds it.
"""

from __future__ import annotations

import argparse
import fcntl
import os
import signal
import sys
from collections.abc import Sequence

from . import locks
from .complaint import complain
from .supervisor import Supervisor

LOCK = "lock"
"""Name inside the state folder; it holds the pid of the runner that has it."""
LOG = "runner.log"
"""Name inside the state folder: what the runner has to complain about."""
MOST_LOG = 1024 * 1024
"""Bytes of the log that are kept from one start to the next."""
IDLE_EXIT = 60.0
"""Seconds without a server and without a live attempt after which the runner goes."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the supervisor with these arguments (None: those of the process) and return its exit code."""
    parser = argparse.ArgumentParser(prog="overnight-runner", description="Starts and watches attempts on this host.")
    parser.add_argument("state_dir", metavar="STATE_DIR", help="folder of this runner: socket, journal, lock")
    parser.add_argument(
        "--idle-exit",
        type=float,
        default=IDLE_EXIT,
        metavar="SECONDS",
        help="go after this long without a server and without an attempt (default: %(default)s)",
    )
    parser.add_argument(
        "--locks",
        default=locks.FOLDER,
        metavar="FOLDER",
        help="where devices are locked against other homes and users of this host (default: %(default)s)",
    )
    options = parser.parse_args(arguments)
    state_dir = os.path.realpath(options.state_dir)
    try:
        os.makedirs(state_dir, mode=0o700, exist_ok=True)
        os.chmod(state_dir, 0o700)
        lock = _lock(state_dir)
    except OSError as error:
        print(f"The state folder {state_dir} cannot be used: {error.strerror}.", file=sys.stderr)
        return 2
    if lock is None:
        print(f"Another runner holds {state_dir}.", file=sys.stderr)
        return 3
    _stand_alone()
    supervisor = Supervisor(state_dir, options.idle_exit, os.path.abspath(options.locks))
    supervisor.settle_inherited()
    _let_go(state_dir)
    supervisor.run()
    return 0


def _lock(state_dir: str) -> int | None:
    descriptor = os.open(f"{state_dir}/{LOCK}", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    pid = f"{os.getpid()}\n".encode("ascii")
    try:
        os.ftruncate(descriptor, os.write(descriptor, pid))
    except OSError:
        complain("The lock does not tell our pid: the disk is full.")
    return descriptor


def _stand_alone() -> None:
    """Leave the caller's session and working directory, and inherit nothing of its descriptors to jobs."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # executors that end are collected by the kernel
    if os.getpid() != os.getpgrp():
        os.setsid()
    os.chdir("/")
    for name in os.listdir("/proc/self/fd"):
        if int(name) > 2 and os.path.lexists(f"/proc/self/fd/{name}"):
            os.set_inheritable(int(name), False)


def _let_go(state_dir: str) -> None:
    """Tell the caller that the runner is ready and release its terminal or pipes."""
    try:
        os.write(1, b"ready\n")
    except OSError:
        complain("Nobody hears that the runner is ready.")
    path = f"{state_dir}/{LOG}"
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
    if os.path.exists(path) and os.path.getsize(path) > MOST_LOG:
        flags |= os.O_TRUNC
    descriptor = os.open(path, flags, 0o600)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    os.close(descriptor)
    os.close(nothing)


if __name__ == "__main__":
    sys.exit(main())
