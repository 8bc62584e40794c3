"""SQLite answers what is asked all the time from the intended index: no scan, no sorting, however much is stored."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from overnight.clock import SystemClock
from overnight.store import queries
from overnight.store.base import SYSTEM, Store
from overnight.store.sqlite import SqliteStore
from overnight.testing.specimens import stored

HOT = {
    "runs_latest": "SEARCH runs USING INTEGER PRIMARY KEY (rowid<?)",
    "campaigns_latest": "SEARCH campaigns USING INTEGER PRIMARY KEY (rowid<?)",
    "runs_due": "SEARCH runs USING INDEX runs_delayed (not_before<?)",
    "runs_next_due": "SEARCH runs USING COVERING INDEX runs_delayed",
    "attempts_live": "SEARCH attempts USING INDEX attempts_live_target (target=?)",
    "attempt_live_of_run": "SEARCH attempts USING INDEX attempts_live (run_id=?)",
    "runs_of_sweep": "SEARCH runs USING INDEX runs_sweep (sweep_id=? AND seq>?)",
    "runs_of_campaign": "SEARCH runs USING INDEX runs_campaign (campaign_id=? AND seq>?)",
    "runs_waiting": "SEARCH runs USING INDEX runs_waiting (sweep_id=?)",
    "sweep_counts": "SEARCH tallies USING INDEX sqlite_autoindex_tallies_1 (sweep_id=?)",
    "events_after": "SEARCH events USING INTEGER PRIMARY KEY (rowid>?)",
    "events_of": "SEARCH events USING INDEX events_subject (subject=? AND seq>?)",
}
"""Query -> its whole plan, one step."""
HEAD = [
    "SEARCH runs USING INDEX runs_queued (sweep_id=?)",
    "CORRELATED SCALAR SUBQUERY 1",
    "SEARCH w USING INDEX wild_sessions_paused (chat=?)",
]
"""The next runs of a sweep, without those that a paused loop holds back: the index has paused ones alone."""
SMALL = frozenset({"holds", "fence", "devices", "campaigns", "sweeps", "tokens", "json_each", "totals", "targets"})
"""Tables that may be read whole: a campaign has a few sweeps, a machine a few devices."""
WHOLE = re.compile(r"^audit_")
"""Queries that are meant to read everything: verify-log's."""
FROM_THE_END = frozenset({"event_head", "events_last"})
"""Walk backwards over the primary key and stop at their limit."""
LIVE_ONLY = frozenset(
    {
        "attempts_live",
        "attempts_live_target",
        "leases_held",
        "sweeps_active",
        "campaigns_active",
        "questions_undelivered",
    }
)
"""Partial indexes that hold only what is going on now: walking over all of one is cheap."""


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    store = SqliteStore(str(tmp_path_factory.mktemp("plans") / Path("record.db")), SystemClock())
    stored(store, 100)
    store.write(SYSTEM, lambda s: s.connection.execute("ANALYZE"))
    yield store
    store.close()


def plan(store: Store, query: str) -> list[str]:
    sql = queries.sqlite()[query]
    arguments = dict.fromkeys(re.findall(r"(?<![:\w]):([a-z_]+)", sql), 1)
    return [row[3] for row in store.read(lambda s: s.connection.execute(f"EXPLAIN QUERY PLAN {sql}", arguments))]


@pytest.mark.parametrize("query", HOT)
def test_a_hot_query_uses_its_index_alone(store: Store, query: str) -> None:
    assert plan(store, query) == [HOT[query]]


def test_the_next_runs_are_found_by_indexes_of_what_is_queued_and_paused(store: Store) -> None:
    assert plan(store, "runs_queued_head") == HEAD


@pytest.mark.parametrize("query", [q for q in queries.sqlite() if not WHOLE.search(q) and q not in FROM_THE_END])
def test_no_query_reads_a_growing_table_whole(store: Store, query: str) -> None:
    for step in plan(store, query):
        if step.startswith("SCAN") and not step.endswith(("VALUES CLAUSE", "CONSTANT ROW")):
            index = re.search(r"USING (?:COVERING )?INDEX (\w+)", step)
            alias = step.split()[1]
            table = re.search(rf"(?:FROM|JOIN|UPDATE) (\w+) {alias}\b", queries.sqlite()[query])
            name = table.group(1) if table and len(alias) == 1 else alias
            assert name in SMALL or (index and index.group(1) in LIVE_ONLY), step
