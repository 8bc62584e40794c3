"""Finding or starting the runner of a home on this host."""

from __future__ import annotations

import os
import select
import socket
import subprocess

from overnight.host.place import Place, program
from overnight.runner import moment

START_SECONDS = 20.0
"""Longest wait for a runner to be reached: an archive on a busy network drive takes a while to be read."""
PAUSE = 0.02
"""Seconds between two tries to reach a runner that somebody else is starting."""
DROPPED = ("OVERNIGHT_", "SSH_")
"""How variables begin that belong to this session and not to the runner and its jobs."""


class NotReached(Exception):
    """There is no runner and none can be started; the message is one sentence."""


def reach(place: Place) -> socket.socket:
    """A connection to the runner of a home, which is started where there is none. Raises NotReached, OSError."""
    os.makedirs(place.runner, mode=0o700, exist_ok=True)
    until = moment.boot() + START_SECONDS
    try:
        return connect(place.runner)
    except (FileNotFoundError, ConnectionRefusedError):
        problem = _start(place)
    while True:
        try:
            return connect(place.runner)
        except (FileNotFoundError, ConnectionRefusedError) as error:
            if problem or moment.boot() > until:
                raise NotReached(problem or f"the runner does not open {place.runner}/socket") from error
        moment.pause(PAUSE)


def connect(folder: str) -> socket.socket:
    """Connect to the socket in a runner's folder, however long its path is. Raises OSError."""
    handle = os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    connection = socket.socket(socket.AF_UNIX)
    try:
        connection.connect(f"/proc/self/fd/{handle}/socket")
    except BaseException:
        connection.close()
        raise
    finally:
        os.close(handle)
    return connection


def _start(place: Place) -> str:
    """Start a runner that outlives us, and wait until it is ready; what went wrong, or nothing.

    One that finds another runner at work (exit code 3) is nothing wrong.
    """
    with open(os.path.join(place.runner, "runner.log"), "ab") as log:
        process = subprocess.Popen(
            [*program(), "runner", place.runner],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log,
            cwd="/",
            env={name: value for name, value in os.environ.items() if not name.startswith(DROPPED)},
            start_new_session=True,
        )
    assert process.stdout is not None
    with process.stdout as said:
        waiting = select.poll()
        waiting.register(said, select.POLLIN)
        if not waiting.poll(START_SECONDS * 1000):
            return f"the runner was not ready within {START_SECONDS:.0f} s"
        ready = bool(said.readline())
    code = None if ready else process.wait()
    return "" if code in (None, 3) else f"the runner ended with code {code}; see {place.runner}/runner.log"
