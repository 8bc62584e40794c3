"""Notices that a machine does nothing all night although there is work: then somebody must look."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from overnight.domain.alerts import AlertKind
from overnight.domain.nouns import Campaign
from overnight.store import campaigns
from overnight.store.base import Session
from overnight.store.marks import alert
from overnight.store.rows import campaign as campaign_of

STALLED_SECONDS = 1800.0
"""How long nothing runs at all before people are told of the campaigns that wait."""


@dataclass(slots=True)
class Stalls:
    """Remembers since when nothing has run, on the boot clock: a new server begins anew."""

    _since: float | None = None

    def look(self, session: Session, now: float) -> None:
        """Tell of every campaign that waits while nothing has run for long; once until something of it is started."""
        waiting = [] if session.rows("runs_live", limit=1) else _waiting(session)
        if not waiting:
            self._since = None
            return
        self._since = now if self._since is None else self._since
        if now - self._since >= STALLED_SECONDS:
            for campaign, counts in waiting:
                _tell(session, campaign, counts)


def _waiting(session: Session) -> list[tuple[Campaign, Mapping[str, int]]]:
    """Active campaigns, not paused, that have runs to start and no time at which one of them will."""
    found = []
    for campaign in map(campaign_of, session.rows("campaigns_active")):
        counts = _open_counts(session, campaign.id) if campaign.gate == "open" else {}
        if counts.get("queued", 0) + counts.get("waiting", 0) and not counts.get("delayed", 0):
            found.append((campaign, counts))
    return found


def _open_counts(session: Session, campaign_id: str) -> Mapping[str, int]:
    """Runs by state of the sweeps that are not paused."""
    counts: dict[str, int] = {}
    for sweep in campaigns.sweeps_of(session, campaign_id):
        if sweep.gate == "open" and sweep.state == "active":
            for state, number in campaigns.sweep_counts(session, sweep.id).items():
                counts[state] = counts.get(state, 0) + number
    return counts


def _tell(session: Session, campaign: Campaign, counts: Mapping[str, int]) -> None:
    waiting = ", ".join(f"{counts[state]} {state}" for state in ("queued", "waiting") if counts.get(state))
    minutes = round(STALLED_SECONDS / 60)
    alert(
        session,
        AlertKind.STALLED,
        f"{campaign.id}:{campaign.attempts_used}",
        campaign_id=campaign.id,
        title=f"{campaign.name}: nothing has run for {minutes} minutes",
        detail=f"{waiting}; overnight explain {campaign.id} says why",
    )
