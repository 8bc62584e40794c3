"""What people were told, or are still to be told."""

from __future__ import annotations

from overnight.domain.alerts import Alert
from overnight.service.context import Context
from overnight.service.requests import AlertPage
from overnight.service.views import View
from overnight.store import alerts, references
from overnight.store.base import Session

NEWEST = 2**62
"""A cursor before which everything lies."""


def list_alerts(context: Context, request: AlertPage) -> View:
    """Alerts, newest first, of everything or of one campaign; requests for an analysis are among them."""

    def read(session: Session) -> View:
        campaign = None
        if request.campaign is not None:
            noun, campaign = references.resolve(session, request.campaign)
            references.require(noun, "campaign", request.campaign)
        found = alerts.listed(session, campaign, request.before or NEWEST, request.limit)
        return {"alerts": [_view(it) for it in found], "next": found[-1].seq if len(found) == request.limit else None}

    return context.store.read(read)


def _view(it: Alert) -> View:
    return {
        "seq": it.seq,
        "kind": it.kind,
        "subject": it.subject,
        "campaign_id": it.campaign_id,
        "title": it.title,
        "detail": it.detail,
        "at": it.at,
        "state": it.standing,
        "tries": it.tries,
        "next_at": it.next_at,
        "failure": it.failure,
        "sent_at": it.sent_at,
    }
