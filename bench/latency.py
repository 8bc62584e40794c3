"""An idle system, one submit: from the call to the job's first instruction, beside HyperQueue and a bare spawn."""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from bench.measure import Figure, percentile
from bench.plane import plane
from overnight.service.requests import SingleRunRequest, SingleRuns
from overnight.service.submit import submit_runs

SAMPLES = 100
PAUSE = 0.05

STAMP = """
#include <stdio.h>
#include <time.h>
int main(int n, char **v) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  FILE *f = fopen(v[1], "w");
  fprintf(f, "%lld.%09ld\\n", (long long)t.tv_sec, t.tv_nsec);
  return fclose(f);
}
"""
"""A job whose first instruction writes the time: a shell or Python would measure its own start-up."""


def figures() -> list[Figure]:
    """Medians and 99th percentiles in milliseconds."""
    with tempfile.TemporaryDirectory() as folder:
        program = _compile(folder)
        bare = _sample(folder, lambda stamp: os.waitpid(os.posix_spawn(program, [program, stamp], {}), 0))
        ours = _overnight(folder, program)
        peer = _hyperqueue(folder, program)
    middle, tail = statistics.median(ours), percentile(ours, 0.99)
    beside = statistics.median(peer)
    return [
        Figure("bare spawn, median", statistics.median(bare), "ms"),
        Figure("bare spawn, p99", percentile(bare, 0.99), "ms"),
        Figure("HyperQueue, median", beside, "ms"),
        Figure("HyperQueue, p99", percentile(peer, 0.99), "ms"),
        Figure("Overnight, median", middle, "ms", "HyperQueue", middle / beside, "<= 5 ms", middle <= 5),
        Figure("Overnight, p99", tail, "ms", "HyperQueue", tail / percentile(peer, 0.99), "<= 12 ms", tail <= 12),
    ]


def _compile(folder: str) -> str:
    source, program = Path(folder, "stamp.c"), f"{folder}/stamp"
    source.write_text(STAMP, encoding="ascii")
    if os.system(f"cc -O1 -o {program} {source}"):
        raise SystemExit("bench: a C compiler is needed: make real-parts")
    return program


def _sample(folder: str, submit: Callable[[str], object]) -> list[float]:
    taken = []
    for number in range(SAMPLES + 5):
        stamp = Path(folder, f"stamp{number}")
        begin = time.clock_gettime(time.CLOCK_MONOTONIC)
        submit(str(stamp))
        while not (text := stamp.read_text(encoding="ascii") if stamp.exists() else "").endswith("\n"):
            time.sleep(0.002)
        stamp.unlink()
        taken.append((float(text) - begin) * 1000)
        time.sleep(PAUSE)
    return taken[5:]


def _overnight(folder: str, program: str) -> list[float]:
    with plane(slots=1) as context:

        def submit(stamp: str) -> None:
            submit_runs(
                context, SingleRuns(runs=[SingleRunRequest(name="r", command=[program, stamp], workdir="/tmp")])
            )

        return _sample(folder, submit)


def _hyperqueue(folder: str, program: str) -> list[float]:
    from hyperqueue import Job, LocalCluster
    from hyperqueue.cluster import WorkerConfig

    with tempfile.TemporaryDirectory() as home, LocalCluster(home) as cluster:
        cluster.start_worker(WorkerConfig(cores=1))
        client = cluster.client()

        def submit(stamp: str) -> None:
            job = Job(default_workdir=home)
            job.program([program, stamp])
            client.submit(job)

        return _sample(folder, submit)
