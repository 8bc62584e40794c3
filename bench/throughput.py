"""1,000 runs of /bin/true on 2 slots: ours (durable: folder, log, exit record, events), HyperQueue, the bound."""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path

import apsw

from bench.measure import Figure, median_of
from bench.plane import plane, wait_until_final
from overnight.service.requests import SingleRunRequest, SingleRuns
from overnight.service.submit import submit_runs

RUNS = 1_000
SLOTS = 2
REPEATS = 3


def figures() -> list[Figure]:
    """The three rates, measured in turn."""
    ours = median_of(REPEATS, overnight)
    peer = median_of(REPEATS, hyperqueue)
    limit = median_of(REPEATS, bound)
    return [
        Figure("HyperQueue, no journal", peer, "runs/s"),
        Figure("bound: claim + folder + log + bare spawn + finish, one by one", limit, "runs/s"),
        Figure("Overnight beside HyperQueue", ours, "runs/s", "HyperQueue", ours / peer, "> 1", ours > peer),
        Figure("Overnight beside the bound", ours, "runs/s", "bound", ours / limit, ">= 0.5", ours >= 0.5 * limit),
    ]


def overnight() -> float:
    """Runs per second from the first start to the last end."""
    with plane(SLOTS) as context:
        submit_runs(context, _true(2))
        time.sleep(1.0)  # the runner is up and warm
        sweep = context.store.read(lambda session: session.rows("runs_latest", before=2**62, limit=1)[0][3])
        begin = time.perf_counter()
        submit_runs(context, _true(RUNS))
        wait_until_final(context, sweep, RUNS + 2)
        return RUNS / (time.perf_counter() - begin)


def _true(number: int) -> SingleRuns:
    return SingleRuns(
        runs=[SingleRunRequest(name=f"r{n}", command=["/bin/true"], workdir="/tmp") for n in range(number)]
    )


def hyperqueue() -> float:
    """The same work on HyperQueue's LocalCluster."""
    from hyperqueue import Job, LocalCluster
    from hyperqueue.cluster import WorkerConfig

    with tempfile.TemporaryDirectory() as folder, LocalCluster(folder) as cluster:
        cluster.start_worker(WorkerConfig(cores=SLOTS))
        client = cluster.client()
        for number in (10, RUNS):
            job = Job(default_workdir=folder)
            for _ in range(number):
                job.program(["/bin/true"])
            begin = time.time()
            client.wait_for_jobs([client.submit(job)])
        return RUNS / (_last_start(Path(folder)) - begin)


def _last_start(folder: Path) -> float:
    """When the last task opened its output. Its client looks only once a second, so the files say it better."""
    return max(path.stat().st_mtime for path in folder.rglob("*.stdout"))


def bound() -> float:
    """A durable claim, a folder, a log, a bare spawn and a durable finish, two at a time, and nothing else."""
    with tempfile.TemporaryDirectory() as folder:
        database = apsw.Connection(f"{folder}/q.db")
        database.pragma("journal_mode", "wal")
        database.pragma("synchronous", "FULL")
        database.execute("CREATE TABLE q (i INTEGER PRIMARY KEY, state TEXT)")
        with database:
            database.executemany("INSERT INTO q VALUES (?, 'queued')", ((n,) for n in range(RUNS)))
        live: dict[int, int] = {}
        waiting = iter(range(RUNS))
        begin, done = time.perf_counter(), 0
        while done < RUNS:
            while len(live) < SLOTS and (number := next(waiting, None)) is not None:
                database.execute("UPDATE q SET state = 'running' WHERE i = ? AND state = 'queued'", (number,))
                live[_spawn(f"{folder}/{number}")] = number
            pid, _ = os.wait()
            if pid not in live:
                continue  # something of the peer's
            database.execute("UPDATE q SET state = 'done' WHERE i = ?", (live.pop(pid),))
            done += 1
        elapsed = time.perf_counter() - begin
        database.close()
        return RUNS / elapsed


def _spawn(folder: str) -> int:
    os.mkdir(folder)
    log = os.open(f"{folder}/log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    actions = [(os.POSIX_SPAWN_DUP2, log, 1), (os.POSIX_SPAWN_DUP2, log, 2)]
    pid = os.posix_spawn("/bin/true", ["true"], {}, file_actions=actions, setsid=True)
    os.close(log)
    return pid
