"""Alerts on record: the outbox from which people are told, and the requests for analyses."""

from __future__ import annotations

from collections.abc import Iterable

from overnight.domain.alerts import ANALYSIS, Alert
from overnight.store import scope
from overnight.store.base import Row, Session

AT_ONCE = 10_000
"""Waiting alerts that are read at once; the rest follows when these are told."""


def waiting(session: Session) -> list[Alert]:
    """What people are still to be told, oldest first."""
    return [_alert(row) for row in session.rows("alerts_waiting", other=ANALYSIS, limit=AT_ONCE)]


def analyses(session: Session) -> list[Alert]:
    """The campaigns that are over and whose analysis hook has not been run, oldest first."""
    return [_alert(row) for row in session.rows("alerts_waiting_of_kind", kind=ANALYSIS, limit=AT_ONCE)]


def listed(session: Session, campaign_id: str | None, before: int, limit: int) -> list[Alert]:
    """Alerts of one campaign, or of all that is there for who asks, newest first, with numbers below `before`."""
    if campaign_id is None and session.change.scope is not None:
        reach = scope.listed(session)
        return [_alert(row) for row in session.rows("alerts_in_scope", before=before, limit=limit, **reach)]
    if campaign_id is None:
        return [_alert(row) for row in session.rows("alerts_latest", before=before, limit=limit)]
    found = session.rows("alerts_of_campaign", campaign_id=campaign_id, before=before, limit=limit)
    return [_alert(row) for row in found]


def unwanted(session: Session, alerts: Iterable[Alert]) -> None:
    """Note that nobody is to be told of them."""
    session.many("alert_unwanted", [{"seq": alert.seq} for alert in alerts])


def sent(session: Session, alerts: Iterable[Alert]) -> None:
    """Note that they were delivered."""
    session.many("alert_sent", [{"seq": alert.seq, "now": session.now} for alert in alerts])


def failed(session: Session, alert: Alert, failure: str, next_at: float | None) -> None:
    """Note that a delivery failed, and when it is tried again; None = not any more."""
    session.rows("alert_failed", seq=alert.seq, failure=failure, next_at=next_at)


def _alert(row: Row) -> Alert:
    return Alert(*row)
