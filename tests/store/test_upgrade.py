"""A record of an older version keeps every value when it is opened by this one."""

from __future__ import annotations

from pathlib import Path

import apsw
import pytest

from overnight.clock import SystemClock
from overnight.store import migrate
from overnight.store.base import SYSTEM
from overnight.store.sqlite import SqliteStore

BEFORE_HOSTS = 3
"""The last migration before runs could wait for files of other machines."""


def columns(raw: apsw.Connection) -> dict[str, str]:
    return {row[1]: row[2] for row in raw.execute("PRAGMA table_info(runs)")}


def test_runs_keep_every_value(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, every = tmp_path / "record.db", migrate.migrations()
    monkeypatch.setattr(migrate, "migrations", lambda: every[:BEFORE_HOSTS])
    SqliteStore(str(path), SystemClock()).close()
    monkeypatch.undo()
    raw = apsw.Connection(str(path))
    raw.execute(
        "INSERT INTO sweeps (id, seq, name, state, gate, priority, settings, created_at)"
        " VALUES ('s', 1, 's', 'active', 'open', 0, '{}', 1.0)"
    )
    kept = columns(raw)
    row = {name: number if kind != "TEXT" else f"text {number}" for number, (name, kind) in enumerate(kept.items())}
    row |= {"sweep_id": "s", "campaign_id": None, "state": "running"}
    names = ", ".join(row)
    raw.execute(f"INSERT INTO runs ({names}) VALUES ({', '.join(f':{name}' for name in row)})", row)
    indexes = set(raw.execute("SELECT name, sql FROM sqlite_master WHERE type = 'index' AND tbl_name = 'runs'"))
    raw.close()
    SqliteStore(str(path), SystemClock()).close()
    raw = apsw.Connection(str(path))
    assert columns(raw) == kept
    assert dict(zip(row, raw.execute(f"SELECT {names} FROM runs").fetchone(), strict=True)) == row
    now = set(raw.execute("SELECT name, sql FROM sqlite_master WHERE type = 'index' AND tbl_name = 'runs'"))
    assert now >= {index for index in indexes if index[1] is not None}
    raw.close()
    store = SqliteStore(str(path), SystemClock())
    store.write(SYSTEM, lambda s: s.connection.execute("UPDATE runs SET state = 'collecting'"))
    store.close()
