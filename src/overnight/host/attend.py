"""Attending one server: its channel ends here, its runner is found or started, and what is asked of the host answered.

Nothing durable hangs on it: when the channel ends it goes, and the runner and the jobs live on.
"""

from __future__ import annotations

import json
import os
import socket
import sys
import threading
from typing import Any

from overnight.host.operations import Operations
from overnight.host.place import Place
from overnight.host.reach import NotReached, reach
from overnight.host.relay import SILENCE_SECONDS, Output, Relay
from overnight.host.workers import Workers
from overnight.runner import identity, kernel, moment
from overnight.runner.complaint import complain_of_exception
from overnight.runner.protocol import line

FAILED = 98
"""Exit code when it cannot begin; the sentence is on stderr."""
LOOK_SECONDS = 5.0
"""Pause between two looks whether the server still says something."""
MOST_LOG = 1024 * 1024
"""Bytes of our log that are kept from one channel to the next."""


def attend(root: str, home: str, nonce: str) -> int:
    """Serve the channel on stdin and stdout until it ends; never returns after that. 98 when it cannot begin."""
    place = Place(os.path.realpath(root), home)
    output = Output(_private_stdout())
    try:
        os.close(kernel.pidfd_open(os.getpid()))
    except OSError as error:
        print(f"overnight: no kernel of at least Linux 5.3: {error}", file=sys.stderr)
        return FAILED
    try:
        os.makedirs(place.folder, mode=0o700, exist_ok=True)
        runner = reach(place)
    except (NotReached, OSError) as error:
        print(f"overnight: no runner: {error}", file=sys.stderr)
        return FAILED
    operations = Operations(place)
    workers = Workers()
    relay = Relay(0, output, runner, lambda request: workers.take(lambda: _answer(operations, output, request)))
    threading.Thread(target=_watch, args=(relay,), daemon=True).start()
    try:
        output.write(f"{nonce} ready {json.dumps(_greeting(place))}\n".encode())
        said = _keep_log(place)
        os.write(said, f"overnight: {relay.run()}\n".encode())
    except BaseException:
        complain_of_exception()
    finally:
        os._exit(0)  # whatever a thread may still wait for


def _private_stdout() -> int:
    """The way to the server, out of reach of whatever prints; stdout becomes stderr."""
    kept = os.dup(1)
    os.dup2(2, 1)
    return kept


def _greeting(place: Place) -> dict[str, Any]:
    """What a server is told of this host before anything else."""
    python = ".".join(map(str, sys.version_info[:3]))
    found = os.stat(place.folder)
    return {
        "folder": place.folder,
        "folder_id": f"{found.st_dev}:{found.st_ino}",
        "user_home": os.path.expanduser("~"),
        "host": socket.gethostname(),
        "boot_id": identity.boot_id(),
        "python": python,
        "pid": os.getpid(),
    }


def _keep_log(place: Place) -> int:
    """From now on complaints go into a file: nobody may read stderr, and then it fills. Returns the old stderr."""
    said = os.dup(2)
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
    if os.path.exists(place.log) and os.path.getsize(place.log) > MOST_LOG:
        flags |= os.O_TRUNC
    log = os.open(place.log, flags, 0o600)
    os.dup2(log, 1)
    os.dup2(log, 2)
    return said


def _watch(relay: Relay) -> None:
    """End this process when the server is silent, also while it is stuck writing to a line that takes nothing."""
    while moment.boot() - relay.heard_at < SILENCE_SECONDS:
        moment.pause(LOOK_SECONDS)
    os._exit(0)


def _answer(operations: Operations, output: Output, request: dict[str, Any]) -> None:
    try:
        output.write(line(operations.answer(request)))
    except OSError:
        os._exit(0)  # the channel is gone
