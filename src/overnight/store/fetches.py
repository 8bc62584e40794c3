"""What ended attempts left on other machines, and how far it is copied home."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from overnight.domain.fetch import Fetch, Fetched
from overnight.domain.nouns import Attempt
from overnight.domain.states import FETCH
from overnight.store.base import Row, Session
from overnight.store.moves import move

LONGEST_PROBLEM = 500
"""Characters of a problem that are kept."""


def expect(session: Session, attempt: Attempt) -> None:
    """What an attempt that just ended left is to be copied."""
    session.rows("fetch_insert", id=attempt.id, run_id=attempt.run_id, target=attempt.target, now=session.now)
    session.record("fetch.create", attempt.id, attempt.fence, run=attempt.run_id, target=attempt.target)


def get(session: Session, attempt_id: str) -> Fetch | None:
    """The one of an attempt; None where nothing is to be copied."""
    found = session.row("fetch_get", id=attempt_id)
    return _fetch(found) if found else None


def of_run(session: Session, run_id: str) -> dict[str, Fetch]:
    """Attempt -> what it left, over all attempts of a run that were made on other machines."""
    return {row[0]: _fetch(row) for row in session.rows("fetches_of_run", run_id=run_id)}


def due(session: Session, target: str, limit: int, *, left_out: Collection[str] = ()) -> Sequence[Fetch]:
    """Those of a target that may be tried now, oldest first, without some attempts."""
    rows = session.rows("fetches_due", target=target, now=session.now, limit=limit + len(left_out))
    return [_fetch(row) for row in rows if row[0] not in left_out][:limit]


def oldest(session: Session, target: str) -> Fetch | None:
    """The one of a target that has been on its way for longest."""
    found = session.row("fetches_oldest", target=target)
    return _fetch(found) if found else None


def postpone(session: Session, attempt_id: str, until: float, problem: str) -> None:
    """A try did not bring all of it: the next one is made at `until` (wall seconds) or later."""
    session.rows("fetch_postponed", id=attempt_id, not_before=until, problem=_kept(problem))


def hurry(session: Session, target: str) -> None:
    """What keeps a target from being asked is over: try all of it now."""
    session.rows("fetches_hurry", target=target)


def complete(session: Session, attempt_id: str, fetched: Fetched) -> bool:
    """All of it is here; False when that was known before."""
    said: dict[str, Any] = {"files": fetched.files, "bytes": fetched.bytes, "digest": fetched.digest}
    moved = move(session, FETCH, attempt_id, "complete", **said)
    if moved:
        session.rows("fetch_ended", id=attempt_id, problem=None, now=session.now, **said)
    return moved


def fail(session: Session, attempt_id: str, problem: str) -> bool:
    """It can never be copied whole; False when it had ended before."""
    moved = move(session, FETCH, attempt_id, "fail", problem=_kept(problem))
    if moved:
        nothing = {"files": None, "bytes": None, "digest": None}
        session.rows("fetch_ended", id=attempt_id, problem=_kept(problem), now=session.now, **nothing)
    return moved


def _kept(problem: str) -> str:
    """What a database takes of a text that may quote a host."""
    clean = problem.replace("\0", "?").encode("utf-8", "replace").decode()
    return clean[:LONGEST_PROBLEM]


def _fetch(row: Row) -> Fetch:
    return Fetch(*row)
