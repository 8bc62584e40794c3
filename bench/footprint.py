"""What a server costs that does nothing, and how soon commands and servers are there."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time

from bench.measure import Figure
from bench.server import Server

IDLE_SECONDS = 20.0
REPEATS = 7


def figures() -> list[Figure]:
    """Times in seconds, memory in MiB, CPU in percent of one core."""
    ready = []
    for _ in range(3):
        with Server() as server:
            ready.append(server.ready_seconds)
    with Server() as server:
        time.sleep(2.0)
        begin, used = time.perf_counter(), sum(server.seen.cpu_times()[:2])
        time.sleep(IDLE_SECONDS)
        idle = 100 * (sum(server.seen.cpu_times()[:2]) - used) / (time.perf_counter() - begin)
        memory = server.seen.memory_info().rss / 2**20
    bare = _timed([sys.executable, "-c", "pass"])
    help_ = _timed([sys.executable, "-m", "overnight", "--help"])
    start = statistics.median(ready)
    return [
        Figure("server ready", start, "s", "Python alone", start / bare, "<= 0.8 s", start <= 0.8),
        Figure("server memory", memory, "MiB", aim="<= 80 MiB", met=memory <= 80),
        Figure("server idle CPU", idle, "%", aim="< 1 %", met=idle < 1),
        Figure("overnight --help", help_, "s", "Python alone", help_ / bare, "<= 0.15 s", help_ <= 0.15),
    ]


def _timed(command: list[str]) -> float:
    taken = []
    for _ in range(REPEATS):
        begin = time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        taken.append(time.perf_counter() - begin)
    return statistics.median(taken)
