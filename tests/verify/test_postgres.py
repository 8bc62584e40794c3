"""The same check on PostgreSQL: a sound record is sound there too, and a changed one is not."""

from __future__ import annotations

import pytest

from overnight.clock import SystemClock
from overnight.store.base import SYSTEM
from overnight.store.postgres import PostgresStore
from overnight.store.verify import verify
from tests.parts.postgres import PostgresServer
from tests.verify.record import fill


@pytest.mark.real("postgresql")
def test_verify_works_on_postgresql() -> None:
    server = PostgresServer()
    try:
        server.start()
        store = PostgresStore(server.create_database("verify"), SystemClock())
        ids = fill(store)
        report = verify(store)
        assert report.ok, report.violations
        assert report.events > 50
        _change(store, f"UPDATE runs SET fence = 99 WHERE id = '{ids['running']}'")
        _change(store, "UPDATE events SET actor = 'eve' WHERE seq = 7")
        broken = verify(store)
        assert broken.found == 2
        assert (broken.violations[0].invariant, broken.violations[0].seq) == ("I1", 7)
        store.close()
    finally:
        server.remove()


def _change(store: PostgresStore, sql: str) -> None:
    store.write(SYSTEM, lambda session: session.connection.execute(sql))
