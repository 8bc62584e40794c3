"""Metric rows that were sent for runs, as they were sent, and what the rules remember of them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from overnight.domain.nouns import Run
from overnight.store.base import Session, Store

PAGE = 100
"""Rows that are read at once: each look at the record lets other threads go on, who wait for no more than these."""


def append(session: Session, run: Run, rows: Sequence[str]) -> None:
    """Append rows, each a JSON object as text, to those of a run and its newest attempt."""
    last = int(session.value("point_last_seq", run_id=run.id))
    shared = {"run_id": run.id, "number": run.attempts, "now": session.now}
    session.many("point_insert", [{**shared, "seq": seq, "data": row} for seq, row in enumerate(rows, last + 1)])
    session.record("metrics.append", run.id, rows=len(rows), attempt=run.attempts)


def of_run(store: Store, run_id: str) -> Iterator[Mapping[str, Any]]:
    """All rows of a run, oldest first, read page by page: rows that come meanwhile may be among them."""
    after = 0
    while page := store.read(lambda session: session.rows("points_after", run_id=run_id, after=after, limit=PAGE)):  # noqa: B023
        for _, data in page:
            yield json.loads(data)
        after = page[-1][0]


def curve(session: Session, run: Run) -> Any:
    """What is remembered of the loss of a run's newest attempt, as plain values; None = nothing yet."""
    kept = session.value("curve_get", run_id=run.id, number=run.attempts)
    return json.loads(kept) if kept else None


def keep_curve(session: Session, run: Run, kept: Mapping[str, Any]) -> None:
    """Remember it."""
    session.rows("curve_put", run_id=run.id, number=run.attempts, data=json.dumps(kept))
