"""One claim and one "latest 50" with 10,000, 100,000 and 1,000,000 stored runs: both must stay flat."""

from __future__ import annotations

import random
import statistics
import tempfile
import time
from collections.abc import Callable

from bench.measure import Figure
from overnight.clock import SystemClock
from overnight.daemon import devices
from overnight.daemon.placing import snapshot_of
from overnight.domain.plan import SweepPlan
from overnight.planner.place import place
from overnight.store import campaigns, rows, runs
from overnight.store.base import SYSTEM, Session
from overnight.store.sqlite import SqliteStore
from overnight.targets.base import Offer

SIZES = (10_000, 100_000, 1_000_000)
SAMPLES = 50


def figures() -> list[Figure]:
    """Medians in milliseconds per size, and the growth from the smallest to the largest."""
    claims, listings = [], []
    for size in SIZES:
        claim, listing = _measure(size)
        claims.append(claim)
        listings.append(listing)
    shown = [Figure(f"claim with {size:,} stored", value, "ms") for size, value in zip(SIZES, claims, strict=True)]
    shown += [
        Figure(f"latest 50 with {size:,} stored", value, "ms") for size, value in zip(SIZES, listings, strict=True)
    ]
    growth, list_growth = claims[-1] / claims[0], listings[-1] / listings[0]
    return [
        *shown,
        Figure(
            "claim at 1,000,000",
            claims[-1],
            "ms",
            "10,000",
            growth,
            "<= 0.3 ms, flat within 2 x",
            claims[-1] <= 0.3 and growth <= 2,
        ),
        Figure(
            "latest 50 at 1,000,000", listings[-1], "ms", "10,000", list_growth, "flat within 2 x", list_growth <= 2
        ),
    ]


def _measure(size: int) -> tuple[float, float]:
    with tempfile.TemporaryDirectory(prefix="overnight-scale-") as folder:
        store = SqliteStore(f"{folder}/overnight.db", SystemClock())
        _fill(store, size)
        slot = Offer("here/slot0", "slot", 0, None, "slot", 0, None, None)
        store.write(SYSTEM, lambda session: devices.note(session, "here", [slot]))
        claim = _timed(lambda: store.write(SYSTEM, _undone_claim))
        listing = _timed(lambda: store.read(lambda session: session.rows("runs_latest", before=2**62, limit=50)))
        store.close()
    return claim, listing


def _fill(store: SqliteStore, size: int) -> None:
    rng = random.Random(0)

    def fill(session: Session) -> None:
        sweep = campaigns.insert_sweep(session, None, SweepPlan("bench", (), "/tmp"), rng)
        config = '{"command":["/bin/true"],"env":{},"outputs":[],"parameters":{}}'
        for start in range(0, size, 50_000):
            made = ((f"{number:012x}", f"r{number}", config) for number in range(start, min(size, start + 50_000)))
            campaigns.insert_runs(session, None, sweep, made, state="queued")

    store.write(SYSTEM, fill)


class _UndoError(Exception):
    """Rolls a measured claim back, so that the next one meets the same rows; the time counted is that of the claim."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self.seconds = seconds


def _undone_claim(session: Session) -> None:
    begin = time.perf_counter()
    snapshot = snapshot_of(session, "here", [rows.sweep(row) for row in session.rows("sweeps_startable")])
    (chosen,) = place(snapshot, session.now)
    runs.claim(
        session, chosen.run_id, 1, target="here", folder="/tmp/x", devices=[device.id for device in chosen.devices]
    )
    raise _UndoError(time.perf_counter() - begin)


def _timed(work: Callable[[], object]) -> float:
    taken = []
    for _ in range(SAMPLES):
        begin = time.perf_counter()
        try:
            work()
            taken.append(time.perf_counter() - begin)
        except _UndoError as undone:
            taken.append(undone.seconds)
    return statistics.median(taken) * 1000
