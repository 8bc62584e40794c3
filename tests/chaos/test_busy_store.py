"""Another process holds the database: bounded waits, a clear refusal, and everything goes on afterwards."""

from __future__ import annotations

import contextlib
import sqlite3
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from overnight.store.sqlite import BUSY_MILLISECONDS
from tests.chaos.plane import Gone, Plane, Refusal, eventually

BUSY_SECONDS = BUSY_MILLISECONDS / 1000
MARGIN_SECONDS = 5.0
"""For a machine that is shared."""
RECOVERED_SECONDS = 10.0


@contextlib.contextmanager
def held(plane: Plane) -> Iterator[sqlite3.Connection]:
    """The database is locked for writing by a connection of another process (this one)."""
    other = sqlite3.connect(plane.home / "overnight.db", isolation_level=None, timeout=30)
    try:
        other.execute("BEGIN IMMEDIATE")
        yield other
    finally:
        other.close()


def test_a_submit_waits_a_bounded_time_then_is_refused_and_reading_goes_on(plane: Plane) -> None:
    before = plane.submit("exit 3")
    plane.final(before)
    with held(plane):
        began = time.monotonic()
        with pytest.raises(Refusal, match="another process holds the database") as refusal:
            plane.submit("exit 0", key="once")
        assert refusal.value.code == "store_unavailable"
        assert time.monotonic() - began < 2 * BUSY_SECONDS + MARGIN_SECONDS
        assert plane.run(before)["attempts_made"][0]["code"] == 3
        assert plane.ask("status")
    after = plane.submit("exit 0", key="once")
    assert plane.final(after)["state"] == "succeeded"
    plane.assert_verified()


def test_a_short_lock_is_waited_for(plane: Plane) -> None:
    """No client hears of a lock that ends within the bound."""
    with ThreadPoolExecutor(1) as pool, held(plane) as lock:
        submitting = pool.submit(plane.submit, "exit 0")
        with pytest.raises(TimeoutError):
            submitting.result(timeout=0.5)
        lock.close()
    assert plane.final(submitting.result())["state"] == "succeeded"


def test_what_happens_while_the_database_is_held_is_settled_afterwards(plane: Plane) -> None:
    ending = plane.submit("while [ ! -e go ]; do sleep 0.02; done; exit 5")
    going = plane.submit("while [ ! -e stop ]; do sleep 0.02; done; exit 6")
    for run in (ending, going):
        plane.in_state(run, "running")
        eventually(lambda run=run: plane.run(run)["attempts_made"][0]["pid"], "its start is known")  # type: ignore[misc]
    with held(plane):
        (plane.marks / "go").touch()
        eventually(lambda: not plane.survivors().get(f"{ending}.1"), "the first has ended")
        with pytest.raises(Refusal):
            plane.submit("exit 0")
        assert plane.run(ending)["state"] == "running"
    eventually(lambda: plane.run(ending)["state"] == "failed", "the end is settled", RECOVERED_SECONDS)
    (plane.marks / "stop").touch()
    assert [attempt["code"] for attempt in plane.final(ending)["attempts_made"]] == [5]
    assert [attempt["code"] for attempt in plane.final(going)["attempts_made"]] == [6]
    assert plane.server is not None
    assert plane.server.process.poll() is None
    plane.assert_verified()


def test_a_server_that_starts_while_the_database_is_held_waits_or_says_why(plane: Plane) -> None:
    run = plane.submit("echo up; while [ ! -e go ]; do sleep 0.02; done; exit 5")
    plane.in_state(run, "running")
    assert plane.server is not None
    plane.server.kill()
    with held(plane):
        with pytest.raises(Gone) as gone:
            plane.up()
        assert gone.value.code == 2
    assert "another process holds" in (plane.home.parent / "server.stderr").read_text(encoding="utf-8")
    plane.up()
    (plane.marks / "go").touch()
    assert plane.final(run)["attempts_made"][0]["code"] == 5
    plane.assert_verified()
