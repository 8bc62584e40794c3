"""A home with 10,000 runs on record, some of them running: a killed server is ready again within seconds."""

from __future__ import annotations

import os
import statistics
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.chaos.journal import listed
from tests.chaos.plane import HttpServer, Plane, eventually

EXECUTED, WAITING, RUNNING = 3_000, 6_500, 16
"""Runs that were carried out, that wait for a slot or for others, and that run while the server dies."""
CANCELLED = 484
AIM_SECONDS = 3.0
STARTS = 5

WAVES = """\
campaign: waves
workdir: .
sweeps:
  first: {grid: {n: %s}, command: exit 0}
  second: {needs: {first: [n]}, grid: {n: %s}, command: exit 0}
"""


def store_many(plane: Plane) -> list[str]:
    """Fill the record; returns the runs that still run."""
    done = submit(plane, EXECUTED, lambda number: f"exit {number % 3}")
    eventually(lambda: final(plane) == len(done), "the first runs are final", 90)
    os.mkfifo(plane.marks / "go")  # waiting for it takes no time of the processor
    running = submit(plane, RUNNING, lambda _: "read word < go; exit 5")
    eventually(lambda: states(plane)["running"] == RUNNING, "the slots are full")
    submit(plane, WAITING - 2_000, lambda _: "exit 0")
    numbers = list(range(1_000))
    plane.ask("submit", file=WAVES % (numbers, numbers), path="waves.yaml", directory=str(plane.marks))
    for run in submit(plane, CANCELLED, lambda _: "exit 0"):
        plane.ask("cancel", id=run)
    return running


def submit(plane: Plane, count: int, command: Callable[[int], str]) -> list[str]:
    runs = [{"name": "many", "command": command(number), "workdir": str(plane.marks)} for number in range(count)]
    found: list[str] = plane.ask("submit_runs", runs=runs)["ids"]
    return found


def states(plane: Plane) -> Counter[str]:
    return Counter(run["state"] for run in listed(plane.ask).values())


def final(plane: Plane) -> int:
    found = states(plane)
    return found["succeeded"] + found["failed"]


@pytest.mark.timeout(300)
def test_a_killed_server_with_ten_thousand_runs_is_ready_soon(
    tmp_path: Path, record_chaos: Callable[[str, Mapping[str, Any]], None]
) -> None:
    plane = Plane(tmp_path, slots=RUNNING, kind=HttpServer)
    try:
        plane.up()
        running = store_many(plane)
        before = states(plane)
        assert sum(before.values()) == 10_000
        for _ in range(STARTS):
            assert plane.server is not None
            plane.server.kill()
            plane.up()
            assert states(plane) == before
        restarts = plane.ready[1:]
        record_chaos("ready_with_10_000_runs", {
            "median_seconds": round(statistics.median(restarts), 3), "slowest_seconds": round(max(restarts), 3),
            "aim_seconds": AIM_SECONDS, "states": dict(before),
        })  # fmt: skip
        assert max(restarts) < 3 * AIM_SECONDS
        (plane.marks / "go").write_text("")
        ended = [plane.final(run) for run in running]
        assert [[attempt["code"] for attempt in run["attempts_made"]] for run in ended] == [[5]] * RUNNING
        plane.assert_verified()
    finally:
        plane.clean()
