"""The contract, on both stores."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from overnight.clock import SystemClock
from overnight.store.sqlite import SqliteStore
from overnight.testing.store_contract import GroupingStore, StoreContract


class TestSqlite(StoreContract):
    @pytest.fixture
    def store(self, tmp_path: Path) -> Iterator[GroupingStore]:
        store = SqliteStore(str(tmp_path / "record.db"), SystemClock())
        yield store
        store.close()


@pytest.mark.real("postgresql")
class TestPostgres(StoreContract):
    @pytest.fixture
    def store(self, new_database: Callable[[], str]) -> Iterator[GroupingStore]:
        from overnight.store.postgres import PostgresStore

        store = PostgresStore(new_database(), SystemClock())
        yield store
        store.close()
