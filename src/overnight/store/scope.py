"""What is there for who asks. A scoped principal has the campaigns that its scope names, what these contain, and what
it made itself; for it nothing else exists, so that a foreign id and an unknown one are answered alike.

Who asks stands in `session.change`, for reads too (`service.scoped.ScopedStore`). Listings filter inside their query,
with the arguments that `listed` gives:

    AND (CAST(:scope_actor AS TEXT) IS NULL OR actor = :scope_actor OR id = :scope_run
      OR campaign_id IN (SELECT value FROM json_each(:scope_campaigns)))
"""

from __future__ import annotations

import json

from overnight.domain.access import Scope
from overnight.domain.errors import NotFound
from overnight.domain.nouns import Campaign, Run
from overnight.store import campaigns, runs
from overnight.store.base import Session


def visible(session: Session, noun: str, thing: str) -> bool:
    """Whether a `campaign`, `sweep` or `run` is there for who asks. Says nothing of ids that name nothing."""
    scope = session.change.scope
    if scope is None:
        return True
    if scope.run is not None:
        return noun == "run" and thing == scope.run
    if noun == "campaign":
        return _campaign(session, scope, thing)
    if noun == "run":
        return _run(session, scope, thing)
    # A sweep of runs that were submitted alone is shared by all who submit such runs.
    campaign_id = session.value("sweep_campaign", id=thing)
    return campaign_id is not None and _campaign(session, scope, campaign_id)


def _campaign(session: Session, scope: Scope, campaign_id: str) -> bool:
    found = session.row("campaign_owner", id=campaign_id)
    if found is None:
        return False
    actor, name = found
    return actor == scope.actor or campaign_id in scope.campaigns or name in scope.campaigns


def _run(session: Session, scope: Scope, run_id: str) -> bool:
    found = session.row("run_owner", id=run_id)
    if found is None:
        return False
    actor, campaign_id = found
    return actor == scope.actor or (campaign_id is not None and _campaign(session, scope, campaign_id))


def require_run(session: Session, run_id: str) -> Run:
    """The run; NotFound (`Run not found`) for an unknown id and for a foreign one alike."""
    if session.row("run_owner", id=run_id) is None or not visible(session, "run", run_id):
        raise NotFound("Run not found", next_step="List the runs with: overnight ls --runs")
    return runs.get(session, run_id)


def require_campaign(session: Session, campaign_id: str) -> Campaign:
    """The campaign, which the Wild V2 protocol calls a sweep; NotFound (`Sweep not found: ID`) as for runs."""
    if session.row("campaign_owner", id=campaign_id) is None or not visible(session, "campaign", campaign_id):
        raise NotFound(f"Sweep not found: {campaign_id}", next_step="List the campaigns with: overnight ls")
    return campaigns.get(session, campaign_id)


def under_way(session: Session, digest: str) -> str | None:
    """The active campaign of a file that is there for who asks."""
    found: str | None = session.value("campaign_by_digest", digest=digest, **listed(session))
    return found


def campaign_ids(session: Session) -> list[str] | None:
    """The campaigns that are there for who asks; None = all."""
    scope = session.change.scope
    if scope is None:
        return None
    if scope.run is not None:
        return []
    named = json.dumps(scope.campaigns)
    return [row[0] for row in session.rows("campaigns_in_scope", actor=scope.actor, scope_campaigns=named)]


def listed(session: Session) -> dict[str, str | None]:
    """The arguments by which a listing leaves out what is not there for who asks: `scope_actor` (None = nothing is left
    out), `scope_run`, `scope_campaigns` (JSON list of ids)."""
    scope = session.change.scope
    return {
        "scope_actor": scope.actor if scope else None,
        "scope_run": scope.run if scope else None,
        "scope_campaigns": json.dumps(campaign_ids(session) or []),
    }
