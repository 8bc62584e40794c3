"""What the store contract does to a store: groups of writes, forced states, the chain computed anew."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from typing import Any, Protocol

import pytest

from overnight.domain.states import DEVICE, RUN, Machine
from overnight.store import fetches
from overnight.store.base import SYSTEM, Change, Session, Store
from overnight.store.ledger import GENESIS, event_hash
from overnight.store.moves import move, move_runs
from overnight.testing.specimens import Specimen, add_devices, claim, plan_of, submit

PATIENCE = 10.0
"""Seconds after which something that should have happened counts as missing."""
COUNT_RUNS = "SELECT state, count(*) FROM runs WHERE sweep_id = :id GROUP BY state"


class GroupingStore(Store, Protocol):
    """A store that tells how many writes wait for its next commit."""

    @property
    def waiting(self) -> int:
        """Writes that wait."""


def event_head(session: Session) -> int:
    """Number of the last event."""
    return int(session.value("event_head") or 0)


def counted(session: Session) -> int:
    """Take a fence and record it."""
    fence = int(session.value("fence_next"))
    session.record("test.count", "x", fence)
    return fence


def numbered(number: int, *, fails: bool = False) -> tuple[Change, Callable[[Session], int]]:
    """A request that records its number, and may then fail."""

    def work(session: Session) -> int:
        session.record("test.number", str(number))
        if fails:
            raise ZeroDivisionError(number)
        return number

    return Change("test", f"request-{number}"), work


def group_of(store: GroupingStore, requests: list[tuple[Change, Callable[[Session], Any]]]) -> list[Any]:
    """Have all requests committed as one group; returns their answers or exceptions, in order.

    A first write holds the writer until all others wait.
    """
    leading, go_on = threading.Event(), threading.Event()
    results: list[Any] = [None] * len(requests)

    def hold(_session: Session) -> None:
        leading.set()
        assert go_on.wait(PATIENCE)

    def send(place: int) -> None:
        try:
            results[place] = store.write(*requests[place])
        except Exception as error:
            results[place] = error

    threads = [threading.Thread(target=store.write, args=(SYSTEM, hold))]
    threads[0].start()
    assert leading.wait(PATIENCE)
    threads += [threading.Thread(target=send, args=(place,)) for place in range(len(requests))]
    for place, thread in enumerate(threads[1:], start=1):
        thread.start()
        until(lambda place=place: store.waiting >= place)  # type: ignore[misc]
    go_on.set()
    for thread in threads:
        thread.join(PATIENCE)
    return results


def until(condition: Callable[[], bool]) -> None:
    """Poll until true; fails after PATIENCE."""
    pause = threading.Event()
    for _ in range(int(PATIENCE / 0.002)):
        if condition():
            return
        pause.wait(0.002)
    pytest.fail("it did not happen in time")


def in_thread(work: Callable[[], Any]) -> None:
    """Run to the end in another thread."""
    run_threads([work])


def run_threads(works: list[Callable[[], Any]]) -> None:
    """Run all at once, to the end."""
    threads = [threading.Thread(target=work) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(6 * PATIENCE)
        assert not thread.is_alive()


def check_chain(store: Store) -> int:
    """Compute every hash anew; returns the number of events."""
    previous, expected = GENESIS, 1
    for row in store.read(lambda s: s.rows("events_raw", after=0, limit=100_000)):
        fields, (prev_hash, digest) = tuple(row[:10]), row[10:]
        assert (row[0], prev_hash) == (expected, previous)
        assert event_hash(previous, fields) == digest
        previous, expected = digest, expected + 1
    return expected - 1


def one_of_each(session: Session) -> dict[str, str]:
    """One thing per table that has a state; returns table -> id."""
    made = submit(session, plan_of(1))
    device = add_devices(session, 1)[0]
    attempt = claim(session, made.runs[0], devices=[device])
    wild = {"seq": 1, "id": "wild-00000000", "chat": None, "record": "{}", "actor": "ada", "scoped": 0}
    session.rows("wild_session_insert", **wild, now=session.now)
    fetches.expect(session, attempt)
    tables = {"campaigns": made.campaign, "sweeps": made.sweep, "runs": made.runs[0], "wild_sessions": "wild-00000000"}
    return {**tables, "attempts": attempt.id, "fetches": attempt.id, DEVICE.table: device}


def force(session: Session, machine: Machine, thing: str, state: str) -> None:
    """Put a thing into a state, past all rules."""
    session.connection.execute(
        f"UPDATE {machine.table} SET {machine.column} = :state WHERE id = :id", {"id": thing, "state": state}
    )


def state_of(session: Session, machine: Machine, thing: str) -> Any:
    """The state a thing is in."""
    found = session.connection.execute(f"SELECT {machine.column} FROM {machine.table} WHERE id = :id", {"id": thing})
    return found[0][0]


def insert_attempt(session: Session, run: str, number: int, *, fence: int, suffix: str = "") -> None:
    """An attempt past all rules but the database's."""
    session.rows(
        "attempt_insert",
        id=f"{run}.{number}{suffix}",
        run_id=run,
        number=number,
        fence=fence,
        target="here",
        folder="/x",
        devices="[]",
        now=session.now,
    )


def random_moves(session: Session, made: Specimen, rng: random.Random) -> None:
    """A few moves of single runs and one of many."""
    for _ in range(8):
        move(session, RUN, rng.choice(made.runs), rng.choice(RUN.arrows).transition)
    some = rng.sample(made.runs, 6)
    move_runs(session, some, rng.choice(RUN.arrows).transition, subject=made.sweep)
