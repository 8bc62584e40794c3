"""Server, runner and executors are killed at random moments under load: nothing is lost, doubled or harmed."""

from __future__ import annotations

import os
import random
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from overnight.domain.states import FINAL_RUN
from tests.chaos.executions import check
from tests.chaos.journal import Client, listed
from tests.chaos.plane import Plane, eventually, kill

KILLS = int(os.environ.get("OVERNIGHT_CHAOS_KILLS", "200"))
"""Moments at which something is killed."""
SEED = int(os.environ.get("OVERNIGHT_CHAOS_SEED", "20"))
LONGEST_LULL = 0.4
"""Seconds of work between two kills, at most."""
VICTIMS = {"server": 8, "runner": 6, "server and runner": 5, "all and an executor": 1}
"""Who dies together, and how often."""
LONGEST_READY = 10.0
"""Seconds: far above the aim of 3, since the machine may be shared; the figure itself is reported."""
CHECKED_EVERY = 40


@dataclass(slots=True)
class Storm:
    """Kills, and what they did."""

    plane: Plane
    rng: random.Random
    kills: Counter[str] = field(default_factory=Counter)
    executors: int = 0
    _never: threading.Event = field(default_factory=threading.Event)

    def strike(self) -> None:
        """Wait for a random moment, kill, and start the server again if it died."""
        self._never.wait(self.rng.uniform(0, LONGEST_LULL))
        victims = self.rng.choices(list(VICTIMS), list(VICTIMS.values()))[0]
        if victims != "server":
            self._kill_runner()
        if victims == "all and an executor":
            self._kill_executor()
        if victims != "runner":
            self._restart()
        self.kills[victims] += 1

    def _kill_runner(self) -> None:
        runner = self.plane.runner()
        if runner is not None:
            kill(runner)

    def _kill_executor(self) -> None:
        living = self.plane.executors()
        if living and kill(self.rng.choice(living)):
            self.executors += 1

    def _restart(self) -> None:
        """The old server stays the known one until the new one is ready, so that the client sees it die."""
        assert self.plane.server is not None
        kill(self.plane.server.pid)
        self.plane.server.process.wait()
        self.plane.up()


@pytest.mark.timeout(900)
def test_kills_under_load_lose_nothing_and_double_nothing(
    http_plane: Plane, record_chaos: Callable[[str, Mapping[str, Any]], None]
) -> None:
    print(f"seed {SEED}")
    plane = http_plane
    client, storm = Client(plane, random.Random(SEED)), Storm(plane, random.Random(SEED + 1))
    client.begin()
    try:
        for number in range(1, KILLS + 1):
            storm.strike()
            if number % CHECKED_EVERY == 0:
                plane.assert_verified()
    finally:
        client.finish()
    eventually(lambda: settled(plane), "every run is final")
    tally = check(plane, client.acknowledged, executors_killed=storm.executors)
    slowest = max(plane.ready)
    record_chaos("kills_under_load", {
        "seed": SEED, "kills": dict(storm.kills), "executors": storm.executors, "runs": tally.runs,
        "executions": tally.executions, "requests_repeated": client.repeated,
        "slowest_ready_seconds": round(slowest, 3),
    })  # fmt: skip
    assert tally.wrong == []
    assert set(listed(plane.ask)) == set(client.acknowledged), "a repeated request made further runs"
    plane.assert_verified()
    plane.assert_nobody_left()
    assert sum(storm.kills.values()) == KILLS
    assert tally.runs >= KILLS, "there was no load"
    assert slowest < LONGEST_READY


def settled(plane: Plane) -> bool:
    counts = Counter(run["state"] for run in listed(plane.ask).values())
    return set(counts) <= set(FINAL_RUN)
