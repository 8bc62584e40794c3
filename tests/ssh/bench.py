"""An SSH target on a box, and its runner there."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import count

from overnight.clock import SystemClock
from overnight.domain.errors import Unavailable
from overnight.domain.remote import SshSettings
from overnight.targets.ssh.target import SshTarget
from tests.ssh.conftest import Box
from tests.ssh.waiting import eventually

HOME = "0123456789ab"
SESSIONS = count(1)
PATIENCE = 20.0


def target_of(
    box: Box,
    *,
    home: str = HOME,
    settings: SshSettings | None = None,
    sessions: Callable[[int], int] | None = None,
) -> SshTarget:
    """A server's view of a box. Servers of one home have one row of session numbers."""
    return SshTarget(
        "lab",
        settings or box.settings,
        home=home,
        clock=SystemClock(),
        session=sessions or (lambda floor: max(floor + 1, next(SESSIONS))),
        rng=random.Random(1),
    )


def moments() -> Iterator[None]:
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        yield
        time.sleep(0.02)


def disconnect(target: SshTarget) -> None:
    """Cut its connection and wait until that is known."""
    before = target.generation
    target.close()
    eventually(lambda: target.generation > before, "the end of the connection is known")


def runner_pid(box: Box, home: str = HOME) -> int:
    """The pid of a home's runner on a box."""
    lock = box.home / ".overnight-host" / home / "runner" / "lock"
    return int(lock.read_text(encoding="ascii").split()[0])


def clear(target: SshTarget) -> None:
    """End and forget everything that the target has."""

    def done() -> bool:
        target.retry_now()
        try:
            owned = target.owned()
            for handle in owned:
                target.stop(handle, 0.0, "the test is over")
            target.forget([handle.attempt for handle in owned])
        except Unavailable:
            return False
        return not owned

    eventually(done, "nothing is left")
    target.news()


def end_runner(box: Box, home: str = HOME) -> None:
    """End a home's runner on a box, where there is one."""
    with suppress(FileNotFoundError, ProcessLookupError):
        os.kill(runner_pid(box, home), signal.SIGTERM)
