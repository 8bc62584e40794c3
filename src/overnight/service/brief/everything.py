"""The brief of everything that is open: what somebody looks at who knows no id."""

from __future__ import annotations

from overnight.domain.nouns import Campaign
from overnight.domain.states import FINAL_RUN
from overnight.reports.story import Happening
from overnight.service import views
from overnight.service.brief import parts
from overnight.service.brief.parts import Draft
from overnight.service.brief.run import questions
from overnight.service.views import View
from overnight.store import campaigns, marks, rows, scope, targets
from overnight.store.base import Session

MOST = 50
"""Campaigns, and runs outside of campaigns, that are named."""
LATELY = 86_400.0
"""Seconds: campaigns that ended since then are told too."""


def draft(session: Session) -> Draft:
    """Active campaigns, runs outside of campaigns that are live or failed last, what waits for a person."""
    active = [
        it for it in map(rows.campaign, session.rows("campaigns_active")) if scope.visible(session, "campaign", it.id)
    ]
    alone, ended = _alone(session), _ended(session)
    view = parts.empty(session, "everything", None, "everything open", f"{len(active)} campaigns are active")
    view |= {
        "text": f"{len(active)} campaigns are active, {len(alone)} runs outside of campaigns are live.",
        "history": parts.told(_over(it) for it in reversed(ended)),
        "waits": [*(_campaign(session, it) for it in active[-MOST:]), *alone],
        "coming": parts.unreached(session, targets.known(session)),
        "decide": _decide(session, active),
        "next": [
            *(f"overnight brief {it.id}" for it in (*active[-5:], *ended[:2])),
            "overnight ls",
            "overnight status",
        ],
    }
    return Draft(view)


def _ended(session: Session) -> list[Campaign]:
    """Campaigns that ended lately, the newest first."""
    latest = [rows.campaign(row) for row in session.rows("campaigns_latest", before=2**62, limit=MOST)]
    lately = [it for it in latest if it.state != "active" and (it.settled_at or 0.0) >= session.now - LATELY]
    return [it for it in lately if scope.visible(session, "campaign", it.id)]


def _over(it: Campaign) -> Happening:
    at = it.settled_at or it.created_at
    return Happening(0, at, at, 1, f"campaign {it.name} {it.id} is over: {it.state}")


def _campaign(session: Session, it: Campaign) -> View:
    counts = campaigns.counts(session, it.id)
    told = ", ".join(f"{number} {state}" for state, number in sorted(counts.items()))
    paused = ", paused" if it.gate == "paused" else ""
    return {
        "state": it.state,
        "runs": views.counts(counts)["total"],
        "code": "campaign",
        "text": f"{it.name}{paused}: {sum(counts.get(state, 0) for state in FINAL_RUN)} over; {told}",
        "example": it.id,
    }


def _alone(session: Session) -> list[View]:
    live = [rows.run(row) for row in session.rows("runs_live", limit=10_000)]
    mine = [it for it in live if it.campaign_id is None and scope.visible(session, "run", it.id)]
    return [
        {"state": it.state, "runs": 1, "code": "run", "text": f"run {it.name} {it.id} is {it.state}", "example": it.id}
        for it in mine[-MOST:]
    ]


def _decide(session: Session, active: list[Campaign]) -> list[View]:
    sweeps = [it.id for campaign in active for it in campaigns.sweeps_of(session, campaign.id)]
    found = questions(session, sweeps)
    found += parts.held(session, marks.holds(session).keys() if session.change.scope is None else sweeps)
    for it in active:
        counts = campaigns.counts(session, it.id)
        stuck = counts.get("failed", 0) + counts.get("blocked", 0)
        if stuck:
            text = f"{it.name}: {stuck} runs failed or are blocked"
            found.append({"text": text, "commands": [f"overnight brief {it.id}", f"overnight retry {it.id} --failed"]})
    return found
