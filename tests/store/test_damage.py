"""One flipped bit anywhere in a closed database: it is found, or it changed at most the text of one value."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from overnight.clock import SystemClock
from overnight.domain.errors import StoreRefused, StoreUnavailable
from overnight.store.base import SYSTEM, Session
from overnight.store.sqlite import SqliteStore
from overnight.testing.specimens import add_devices, claim, stored
from overnight.testing.store_probes import check_chain

FLIPS = 1000
SEED = 5
Dump = dict[str, list[tuple[Any, ...]]]


def dump(session: Session) -> Dump:
    """Every row of every table, in the order of the rows."""
    tables = session.connection.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")
    return {name: session.connection.execute(f"SELECT * FROM {name} ORDER BY rowid") for (name,) in tables}


def differing(one: Dump, other: Dump) -> list[str]:
    """Which tables' values differ, once per value; tables and rows must be the same in number."""
    one, other = ({name.lower(): rows for name, rows in it.items()} for it in (one, other))  # SQLite folds their case
    assert one.keys() == other.keys()
    found = []
    for table, rows in one.items():
        assert len(rows) == len(other[table]), table
        for left, right in zip(rows, other[table], strict=True):
            found += [table for a, b in zip(left, right, strict=True) if a != b]
    return found


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, Dump]:
    """The bytes of a closed database and what it says."""
    path = tmp_path_factory.mktemp("damage") / "record.db"
    store = SqliteStore(str(path), SystemClock())
    made = stored(store, 60)
    devices = store.write(SYSTEM, lambda s: add_devices(s, 2))
    store.write(SYSTEM, lambda s: claim(s, made.runs[0], devices=devices))
    said = store.read(dump)
    store.close()
    return path.read_bytes(), said


def outcome_of(path: Path, said: Dump) -> str:
    """How a damaged file is found out."""
    try:
        store = SqliteStore(str(path), SystemClock())
    except StoreRefused:
        return "refused"
    try:
        if store.read(lambda s: s.connection.execute("PRAGMA integrity_check(1)")) != [("ok",)]:
            return "checked"
        differences = differing(said, store.read(dump))
        if not differences:
            return "harmless"
        assert len(differences) == 1, differences
        if differences == ["events"]:
            with pytest.raises(AssertionError):
                check_chain(store)
            return "chain"
        return "text"
    except StoreUnavailable:
        return "unavailable"
    finally:
        store.close()


def test_a_flipped_bit_is_found_or_touches_one_value(tmp_path: Path, original: tuple[bytes, Dump]) -> None:
    content, said = original
    rng = random.Random(SEED)
    outcomes: Counter[str] = Counter()
    for _ in range(FLIPS):
        damaged = bytearray(content)
        damaged[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
        path = tmp_path / "record.db"
        path.write_bytes(damaged)
        outcomes[outcome_of(path, said)] += 1
        for left in tmp_path.iterdir():
            left.unlink()
    assert outcomes["refused"], outcomes
    assert outcomes["chain"], outcomes
    assert outcomes["harmless"], outcomes
