"""Every named query runs on both dialects: none is first parsed in production."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from overnight.clock import SystemClock
from overnight.domain.errors import Conflict
from overnight.store import queries
from overnight.store.base import SYSTEM, Store
from overnight.store.sqlite import SqliteStore
from overnight.testing.store_probes import one_of_each

SHARED = tuple(queries.sqlite())
ONLY_POSTGRES = tuple(sorted(set(queries.postgres()) - set(SHARED)))
NUMBERS = frozenset({
    "draft", "cancelled", "exit_code", "archived_at",
    "after", "before", "change", "code", "created_at", "ended_at", "failures", "fence", "floor", "interruptions",
    "limit", "memory_mib", "mono", "not_before", "now", "number", "observed_at", "pid", "position", "priority",
    "seen_at", "seen_since", "seq", "signal", "started_at", "token", "wall", "failed_since",
    "used_mib", "strangers", "rung", "skip", "met", "next_at", "part", "mib", "since", "most", "attributed",
    "queued_at", "runs", "budget", "expires_at", "until", "place", "archived", "parameters", "scoped", "iteration",
    "alone", "sign", "files", "bytes",
    "cpu_seconds", "rss_bytes", "peak_rss_bytes", "processes", "gpu_utilisation", "gpu_memory_mib",
})  # fmt: skip
SPECIAL: dict[str, Any] = {
    "kind": "slot",
    "settings": "{}",
    "state": "queued",
    "left": "running",
    "paths": '["/a"]',
    "states": '["queued"]',
    "things": '["x"]',
    "ids": '["x"]',
    "scope_campaigns": '["x"]',
    "event_ids": '["x"]',
}
NULLABLE = frozenset({
    "run_reported", "run_archived_put", "run_joined",
    "attempt_started", "attempt_ended", "attempt_sent", "run_judged", "device_upsert", "device_diagnosis",
    "sweep_insert", "result_insert", "alert_failed", "wild_session_insert",
    "fetch_ended",
})  # fmt: skip
NEVER_NULL = frozenset({
    "id", "name", "fence", "kind", "target", "position", "memory_mib", "now", "failures", "interruptions", "priority",
    "settings", "seq", "text", "metric", "run_id", "rung", "strangers", "record", "actor", "scoped",
})  # fmt: skip
"""Arguments of the nullable queries that the schema wants."""


def arguments_of(query: str) -> dict[str, Any]:
    """One plausible value for each argument of a query."""
    names = set(re.findall(r"(?<![:\w]):([a-z_]+)", queries.sqlite()[query]))
    return {name: SPECIAL.get(name, 1 if name in NUMBERS else "x") for name in names}


class EveryQuery:
    @pytest.mark.parametrize("query", SHARED)
    def test_runs(self, store: Store, query: str) -> None:
        self.run(store, query, arguments_of(query))

    @pytest.mark.parametrize("query", sorted(NULLABLE & set(SHARED)))
    def test_runs_with_nothing_known(self, store: Store, query: str) -> None:
        some = {name: value if name in NEVER_NULL else None for name, value in arguments_of(query).items()}
        self.run(store, query, some)

    def run(self, store: Store, query: str, arguments: dict[str, Any]) -> None:
        """A constraint may forbid the made-up values; anything else is a query that this dialect does not take."""
        try:
            store.write(SYSTEM, lambda session: session.rows(query, **arguments))
        except Conflict as error:
            assert query.endswith(("_insert", "_append", "_put", "_upsert", "_add")), error  # noqa: PT017


class TestSqlite(EveryQuery):
    @pytest.fixture(scope="class")
    @classmethod
    def store(cls, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
        folder: Path = tmp_path_factory.mktemp("queries")
        store = SqliteStore(str(folder / "record.db"), SystemClock())
        store.write(SYSTEM, one_of_each)
        yield store
        store.close()


@pytest.mark.real("postgresql")
class TestPostgres(EveryQuery):
    @pytest.fixture(scope="class")
    @classmethod
    def store(cls, new_database: Callable[[], str]) -> Iterator[Store]:
        from overnight.store.postgres import PostgresStore

        store = PostgresStore(new_database(), SystemClock())
        store.write(SYSTEM, one_of_each)
        yield store
        store.close()

    def test_every_query_of_its_own_is_used_by_the_store(self) -> None:
        """They run in the tests of the store itself; one that nothing names would run nowhere."""
        code = "".join(path.read_text() for path in Path("src/overnight/store").glob("*.py"))
        assert [name for name in ONLY_POSTGRES if f'"{name}"' not in code] == []


def test_overrides_take_the_same_arguments() -> None:
    """A query that PostgreSQL says differently is called in one way."""
    for name, sql in queries.postgres().items():
        if name in SHARED:
            plain = set(re.findall(r"%\((\w+)\)s", sql))
            assert plain == set(re.findall(r"(?<![:\w]):([a-z_]+)", queries.sqlite()[name])), name
