"""The client of a kill test: it submits all the time, keeps what was acknowledged, and repeats what was not."""

from __future__ import annotations

import random
import signal
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tests.chaos.plane import Gone, Plane, Server

AHEAD = 40
"""Runs that may wait or run before the client holds its breath."""
RETRY_SECONDS = 0.005


@dataclass(frozen=True, slots=True)
class Ending:
    """How a job's main process ends, and what the plane must call it."""

    command: str
    state: str
    reason: str
    code: int | None
    signal: int | None = None


ENDINGS = (
    Ending("exit 0", "succeeded", "ok", 0),
    Ending("exit 7", "failed", "nonzero_exit", 7),
    Ending("exit 137", "failed", "killed", 137),
    Ending("kill -9 $$", "failed", "killed", None, signal.SIGKILL),
    Ending("kill -15 $$", "failed", "killed", None, signal.SIGTERM),
    Ending("kill -11 $$", "failed", "nonzero_exit", None, signal.SIGSEGV),
)
PROGRAM = (
    'echo hello; f={marks}/$OVERNIGHT_RUN_ID; echo "start $$ $OVERNIGHT_ATTEMPT" >> $f; sleep {seconds}; '
    'echo "end $$ $OVERNIGHT_ATTEMPT" >> $f; {ending}'
)
"""One execution leaves two lines that name its process: a pair that is not closed is a job that was killed."""


def seconds_of(rng: random.Random) -> float:
    """Mostly short, some long enough to live through several deaths of the server."""
    return rng.choices([0.0, rng.uniform(0.02, 0.3), rng.uniform(1.0, 3.0)], [16, 6, 1])[0]


@dataclass(slots=True)
class Batch:
    """One request: its idempotency key and what it asks for."""

    key: str
    endings: list[Ending]
    runs: list[dict[str, Any]]


@dataclass(slots=True)
class Client:
    """Submits batches of 1 to 3 runs on a thread of its own until it is told to finish."""

    plane: Plane
    rng: random.Random
    acknowledged: dict[str, Ending] = field(default_factory=dict)
    """Run id -> how it must end."""
    repeated: int = 0
    """Requests that were given up and made again (the package's own client repeats many of them by itself)."""
    failed: BaseException | None = None
    _finish: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def begin(self) -> None:
        """Start to submit."""
        self._thread = threading.Thread(target=self._submit_all, name="client")
        self._thread.start()

    def finish(self) -> None:
        """Stop submitting; what was asked for is acknowledged when this returns."""
        self._finish.set()
        assert self._thread is not None
        self._thread.join()
        if self.failed is not None:
            raise self.failed

    def _submit_all(self) -> None:
        try:
            number = 0
            while not self._finish.is_set():
                if len(self.acknowledged) - self._begun() > AHEAD:
                    self._finish.wait(RETRY_SECONDS)
                    continue
                number += 1
                self._submit(self._batch(number))
        except BaseException as error:
            self.failed = error

    def _begun(self) -> int:
        return sum(1 for _ in self.plane.marks.iterdir())

    def _batch(self, number: int) -> Batch:
        endings = [self.rng.choice(ENDINGS) for _ in range(self.rng.randint(1, 3))]
        commands = [
            PROGRAM.format(marks=self.plane.marks, seconds=f"{seconds_of(self.rng):.3f}", ending=ending.command)
            for ending in endings
        ]
        runs = [
            {"name": f"batch-{number}", "command": command, "workdir": str(self.plane.marks)} for command in commands
        ]
        return Batch(f"key-{number}", endings, runs)

    def _submit(self, batch: Batch) -> None:
        """Ask until there is an answer: always with the same key."""
        tried: Server | None = None
        while True:
            server = self.plane.server
            if server is None or server is tried:
                self._finish.wait(RETRY_SECONDS)
                continue
            try:
                answer = server.ask("submit_runs", key=batch.key, runs=batch.runs)
            except Gone:
                self.repeated += 1
                tried = server
                continue
            self.acknowledged.update(zip(answer["ids"], batch.endings, strict=True))
            return


def listed(ask: Callable[..., dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Every run on record, by id."""
    found: dict[str, dict[str, Any]] = {}
    cursor: str | None = None
    while True:
        page = ask("list_runs", limit=10_000, cursor=cursor)
        found.update((run["id"], run) for run in page["runs"])
        cursor = page["next_cursor"]
        if cursor is None:
            return found
