"""What attempts left on other machines is kept alike on both databases."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from overnight.domain.fetch import Fetched
from overnight.domain.nouns import Attempt
from overnight.store import fetches
from overnight.store.base import SYSTEM, Store
from overnight.store.sqlite import SqliteStore
from overnight.store.verify import verify
from overnight.testing.clock import FakeClock
from tests.verify.record import Record

COPY = Fetched(files=3, bytes=2**40, digest="cd" * 32)


class FetchesContract:
    @pytest.fixture
    def clock(self) -> FakeClock:
        return FakeClock()

    @pytest.fixture
    def record(self, store: Store) -> Record:
        return Record(store)

    def ended(self, record: Record, clock: FakeClock, number: int) -> list[Attempt]:
        """Attempts that ended well on another machine, one second apart."""
        made = []
        for run in record.singles(number):
            attempt = record.claim(run, target="box")
            record.end(attempt, "exit", "collect")
            clock.advance(1)
            made.append(attempt)
        return made

    def test_what_is_due_is_told_oldest_first(self, record: Record, clock: FakeClock) -> None:
        made = [it.id for it in self.ended(record, clock, 4)]

        def due(limit: int, *left_out: str) -> list[str]:
            return record.store.read(lambda s: [it.id for it in fetches.due(s, "box", limit, left_out=left_out)])

        assert due(2) == made[:2]
        assert due(2, made[0], made[2]) == [made[1], made[3]]
        assert due(0) == []
        assert record.store.read(lambda s: fetches.due(s, "moon", 5)) == []
        later = clock.wall() + 30
        record.store.write(SYSTEM, lambda s: fetches.postpone(s, made[0], later, "cut\0\udcff" + "x" * 1000))
        assert due(9) == made[1:]
        oldest = record.store.read(lambda s: fetches.oldest(s, "box"))
        assert oldest is not None
        assert (oldest.id, oldest.tries, oldest.not_before) == (made[0], 1, later)
        assert oldest.problem is not None
        assert oldest.problem.startswith("cut??x")
        assert len(oldest.problem) == fetches.LONGEST_PROBLEM
        clock.advance(30)
        assert due(1) == made[:1]
        record.store.write(SYSTEM, lambda s: fetches.postpone(s, made[0], clock.wall() + 900, "again"))
        record.store.write(SYSTEM, lambda s: fetches.hurry(s, "box"))
        assert due(9) == made

    def test_an_end_is_taken_once(self, record: Record, clock: FakeClock) -> None:
        came, lost = self.ended(record, clock, 2)
        complete, fail = partial(fetches.complete, attempt_id=came.id, fetched=COPY), fetches.fail
        assert record.store.write(SYSTEM, complete)
        assert not record.store.write(SYSTEM, complete)
        assert not record.store.write(SYSTEM, lambda s: fail(s, came.id, "too late"))
        assert record.store.write(SYSTEM, lambda s: fail(s, lost.id, "two names"))
        found = record.store.read(lambda s: [fetches.get(s, it.id) for it in (came, lost)])
        told = [(it.state, it.files, it.bytes, it.digest, it.problem) for it in found if it is not None]
        assert told == [("done", 3, 2**40, COPY.digest, None), ("failed", None, None, None, "two names")]
        assert record.store.read(lambda s: list(fetches.of_run(s, came.run_id))) == [came.id]
        assert record.store.read(lambda s: fetches.get(s, "moon.1")) is None
        assert record.store.read(lambda s: fetches.oldest(s, "box")) is None
        report = verify(record.store)
        assert report.ok, report.violations


class TestSqlite(FetchesContract):
    @pytest.fixture
    def store(self, tmp_path: Path, clock: FakeClock) -> Iterator[Store]:
        store = SqliteStore(str(tmp_path / "record.db"), clock)
        yield store
        store.close()


@pytest.mark.real("postgresql")
class TestPostgres(FetchesContract):
    @pytest.fixture
    def store(self, new_database: Callable[[], str], clock: FakeClock) -> Iterator[Store]:
        from overnight.store.postgres import PostgresStore

        store = PostgresStore(new_database(), clock)
        yield store
        store.close()
