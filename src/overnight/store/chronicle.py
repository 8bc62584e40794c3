"""The event log of one thing: of a run with its attempts, of a sweep or campaign with everything in it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence

from overnight.domain.nouns import Event
from overnight.store import history, rows
from overnight.store.base import Row, Session

MOST = 500
"""Events of one thing that are told, the newest ones; of a run with more than a hundred attempts not all."""
NUMBERS = "metrics.append"
"""Kind of the events that say that numbers came: of no use in a story, and there may be very many."""


def of_run(session: Session, run_id: str, attempts: Iterable[str], wider: Iterable[str]) -> list[Event]:
    """What happened to a run and its attempts, and what is said of it in events about `wider` things (its sweep, its
    campaign, what it needs); oldest first, at most the newest `MOST` of each."""
    own = session.rows("chronicle_newest", things=json.dumps([run_id, *attempts]), left_out=NUMBERS, limit=MOST)
    pattern = f'%"{run_id}"%'
    said = session.rows("chronicle_naming", things=json.dumps(list(wider)), pattern=pattern, limit=MOST)
    return _ordered(own, said)


def of_group(session: Session, things: Sequence[str], sweeps: Sequence[str]) -> list[Event]:
    """What happened to a campaign and its sweeps (`things`), and to those runs of `sweeps` whose attempts did not all
    end well; oldest first, at most the newest `MOST` of each."""
    own = session.rows("chronicle_newest", things=json.dumps(list(things)), left_out=NUMBERS, limit=MOST)
    verdicts = session.rows("chronicle_verdicts", things=json.dumps(list(sweeps)), limit=MOST)
    return _ordered(own, verdicts)


def of_targets(session: Session, targets: Iterable[str]) -> list[Event]:
    """What happened to targets, oldest first."""
    return _ordered(session.rows("chronicle_newest", things=json.dumps(list(targets)), left_out=NUMBERS, limit=MOST))


def _ordered(*found: Iterable[Row]) -> list[Event]:
    by_seq = {row[0]: row for listed in found for row in listed}
    return [rows.event(by_seq[seq]) for seq in sorted(by_seq)]


def after(session: Session, noun: str, thing: str, cursor: int, limit: int) -> tuple[list[Event], int]:
    """Events about a `campaign`, `sweep` or `run` with all that belongs to it behind a cursor, oldest first, and the
    cursor behind what was looked at: at most `history.SPAN` events further."""
    until = max(cursor, min(history.head(session), cursor + history.SPAN))
    span = {"after": cursor, "until": until, "limit": limit}
    if noun == "run":
        found = session.rows("chronicle_of_run", run_id=thing, pattern=f'%"{thing}"%', **span)
    else:
        found = session.rows("chronicle_within", thing=thing, **span)
    events = [rows.event(row) for row in found]
    return events, events[-1].seq if len(events) == limit else until
