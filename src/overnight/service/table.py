"""THE TABLE: every operation once. HTTP, client and commands are renderings of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from overnight.service import (
    convert,
    doctor,
    findings,
    labels,
    listing,
    look,
    queue_view,
    retrying,
    steer,
    submit,
    targets,
    tokens,
    told,
    update,
    waiting,
)
from overnight.service import requests as ask
from overnight.service.answers import briefs, changes, documents, looks, queues, summaries, things
from overnight.service.brief import answer as brief
from overnight.service.context import Context
from overnight.service.routes import ROUTES, Route
from overnight.service.wild import alerts, cluster, logs, metrics, runs, sessions, skills, sweeps
from overnight.service.wild.routes import WILD_ROUTES
from overnight.service.wild.work import Work


@dataclass(frozen=True, slots=True)
class Operation:
    """One thing that can be asked of Overnight: where (see `Route`), what it takes, what carries it out."""

    route: Route
    request: type[ask.Request]
    work: Callable[[Context, Any], Any]
    answer: Any
    """Shape of what comes back: a Pydantic model, a TypedDict, or a list of one; None = any object."""

    @property
    def name(self) -> str:
        """What it is called; like the other properties here the route's own."""
        return self.route.name

    @property
    def method(self) -> str:
        """GET, POST, PUT or DELETE."""
        return self.route.method

    @property
    def path(self) -> str:
        """Names in braces are fields of the request."""
        return self.route.path

    @property
    def changes(self) -> bool:
        """Whether it takes an idempotency key."""
        return self.route.changes

    @property
    def summary(self) -> str:
        """One sentence."""
        return self.route.summary

    @property
    def status(self) -> int:
        """HTTP's number for a good answer."""
        return self.route.status


_WORK: dict[str, tuple[type[ask.Request], Callable[[Context, Any], Any], Any]] = {
    "plan": (ask.CampaignFile, submit.plan, changes.Planned),
    "convert": (ask.CampaignFile, convert.convert, changes.Converted),
    "submit": (ask.Submission, submit.submit, changes.Submitted),
    "update": (ask.Update, update.update, changes.Updated),
    "submit_runs": (ask.SingleRuns, submit.submit_runs, changes.RunIds),
    "list_campaigns": (ask.CampaignPage, listing.list_campaigns, looks.CampaignList),
    "list_runs": (ask.RunPage, listing.list_runs, looks.RunList),
    "status": (ask.Nothing, look.status, looks.Status),
    "queue": (ask.One, queue_view.queue, queues.QueueView),
    "show": (ask.One, look.show, things.Shown),
    "log": (ask.LogRange, look.log, looks.LogPart),
    "events": (ask.EventRange, look.events, looks.EventList),
    "alerts": (ask.AlertPage, told.list_alerts, looks.AlertList),
    "brief": (brief.BriefOf, brief.brief, briefs.Brief),
    "wait": (waiting.WaitFor, waiting.wait, waiting.Waited),
    "explain": (ask.One, look.explain_thing, queues.Explained),
    "summary": (ask.One, findings.summary, summaries.SummaryView),
    "report": (ask.ReportRequest, findings.report, documents.ReportView),
    "compare": (ask.Pair, findings.compare_runs, documents.ComparisonView),
    "cancel": (ask.One, steer.cancel, changes.Cancelled),
    "retry": (ask.Retry, retrying.retry, changes.Retried),
    "start": (ask.One, steer.start, changes.Begun),
    "pause": (ask.One, steer.pause, changes.Gated),
    "resume": (ask.One, steer.resume, changes.Gated),
    "priority": (ask.Priority, steer.priority, changes.Prioritised),
    "list_targets": (ask.Nothing, targets.list_targets, documents.Targets),
    "doctor": (ask.TargetName, doctor.doctor, documents.Checkup),
    "verify_log": (ask.Nothing, findings.verify_log, documents.Verification),
    "create_token": (tokens.CreateToken, tokens.create_token, tokens.NewToken),
    "list_tokens": (ask.Nothing, tokens.list_tokens, tokens.TokenList),
    "revoke_token": (tokens.OneToken, tokens.revoke_token, tokens.Revoked),
    "whoami": (ask.Nothing, tokens.whoami, tokens.Whoami),
    "label": (ask.Label, labels.label, changes.Labelled),
}
"""What each operation takes, what carries it out, and the shape of its answer."""

_WILD: dict[str, Work] = {
    **runs.WORK, **sweeps.WORK, **logs.WORK, **metrics.WORK, **alerts.WORK, **cluster.WORK, **sessions.WORK,
    **skills.WORK,
}  # fmt: skip
"""The same for the Wild V2 protocol."""

NATIVE: tuple[Operation, ...] = tuple(Operation(it, *_WORK[it.name]) for it in ROUTES if it.name in _WORK)
WILD: tuple[Operation, ...] = tuple(Operation(it, *_WILD[it.name]) for it in WILD_ROUTES if it.name in _WILD)
OPERATIONS = (*NATIVE, *WILD)

BY_NAME = {operation.name: operation for operation in OPERATIONS}
