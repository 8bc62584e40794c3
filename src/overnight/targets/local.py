"""This machine as a target: a runner of our own beside the jobs, found or started."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

from overnight.clock import Clock
from overnight.runner.locks import FOLDER
from overnight.targets.base import Offer
from overnight.targets.keeper import Patience, Stream
from overnight.targets.runner_target import Offers, RunnerTarget

START_SECONDS = 10.0
"""Longest wait for a runner that was just started to open its socket."""
PATIENCE = Patience(short_life=0.0)
"""A runner that died is replaced at once, however often: jobs wait for the next one. Only one that cannot even be
greeted is left alone for a while."""
POLL_SECONDS = 0.01
"""How often the socket of a runner that is being started is tried."""


def local_target(
    *,
    folder: Path,
    offers: Offers,
    clock: Clock,
    session: Callable[[int], int],
    pause: Callable[[float], None],
    locks: str = FOLDER,
    name: str = "here",
) -> RunnerTarget:
    """A target that carries attempts out through the runner of this home; `folder` is the runner's own, in `locks` it
    locks devices."""
    way = WayHere(folder, clock, pause, locks)
    return RunnerTarget(name, way, clock=clock, session=session, patience=PATIENCE, offers=offers)


class WayHere:
    """Connects to the runner of a folder of this machine, or starts it."""

    def __init__(self, folder: Path, clock: Clock, pause: Callable[[float], None], locks: str = FOLDER) -> None:
        self._folder = folder
        self._locks = locks
        self._clock = clock
        self._sleep = pause
        self._process: subprocess.Popen[bytes] | None = None

    def open(self) -> Stream:
        """See `Way.open`."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            return Stream(connect(str(self._folder)))
        except (FileNotFoundError, ConnectionRefusedError):
            self._spawn()
        return Stream(self._connect_soon())

    def _connect_soon(self) -> socket.socket:
        deadline = self._clock.boot() + START_SECONDS
        while True:
            try:
                return connect(str(self._folder))
            except (FileNotFoundError, ConnectionRefusedError):
                if self._clock.boot() > deadline:
                    raise
                self._sleep(POLL_SECONDS)

    def _spawn(self) -> None:
        """Start a runner in a session of its own; it outlives us."""
        if self._process is not None:
            self._process.poll()
        environment = {name: value for name, value in os.environ.items() if not name.startswith("OVERNIGHT_")}
        with (self._folder / "runner.log").open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "overnight.runner", str(self._folder), "--locks", self._locks],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd="/",
                env=environment,
                start_new_session=True,
            )


def connect(folder: str) -> socket.socket:
    """Connect to the socket in a runner's folder, however long its path is. Raises OSError."""
    handle = os.open(folder, os.O_PATH | os.O_DIRECTORY)
    try:
        connection = socket.socket(socket.AF_UNIX)
        try:
            connection.connect(f"/proc/self/fd/{handle}/socket")
        except BaseException:
            connection.close()
            raise
        return connection
    finally:
        os.close(handle)


def fixed(offers: Iterable[Offer]) -> Offers:
    """Offers that never change: a target without GPUs."""
    kept = list(offers)
    return lambda: list(kept)
