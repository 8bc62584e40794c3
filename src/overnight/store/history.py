"""The event log as it is there for who asks."""

from __future__ import annotations

from overnight.domain.nouns import Event
from overnight.store import rows, scope
from overnight.store.base import Row, Session

SPAN = 10_000
"""Events among which those of a scope are looked for at once: a scope of which nothing happens costs no more."""


def after(session: Session, cursor: int, limit: int) -> tuple[list[Event], int]:
    """Events behind a cursor, oldest first, and the cursor behind what was looked at."""
    if session.change.scope is None:
        return _page(session.rows("events_after", after=cursor, limit=limit), cursor)
    until = max(cursor, min(head(session), cursor + SPAN))
    reach = scope.listed(session)
    events, seen = _page(session.rows("events_after_in_scope", after=cursor, until=until, limit=limit, **reach), until)
    return events, seen if len(events) == limit else until


def _page(found: list[Row], otherwise: int) -> tuple[list[Event], int]:
    events = [rows.event(row) for row in found]
    return events, events[-1].seq if events else otherwise


def last(session: Session, limit: int) -> tuple[list[Event], int]:
    """The newest events, oldest first; within a scope those among the last `SPAN`."""
    newest = head(session)
    if session.change.scope is None:
        found = session.rows("events_last", limit=limit)
    else:
        reach = scope.listed(session)
        found = session.rows("events_last_in_scope", after=newest - SPAN, limit=limit, **reach)
    return [rows.event(row) for row in reversed(found)], newest


def of(session: Session, subject: str, cursor: int, limit: int) -> tuple[list[Event], int]:
    """Events about one thing behind a cursor; whether it is there for who asks is for the caller."""
    found = session.rows("events_of", subject=subject, after=cursor, limit=limit)
    return _page(found, max(cursor, head(session)))


def head(session: Session) -> int:
    """The number of the newest event."""
    newest = session.row("event_head")
    return int(newest[0]) if newest else 0
