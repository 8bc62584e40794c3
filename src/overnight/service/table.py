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
    told,
    tokens,
    update,
)
from overnight.service import requests as ask
from overnight.service.context import Context
from overnight.service.routes import ROUTES, Route
from overnight.service.views import View
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


_WORK: dict[str, tuple[type[ask.Request], Callable[[Context, Any], Any]]] = {
    "plan": (ask.CampaignFile, submit.plan),
    "convert": (ask.CampaignFile, convert.convert),
    "submit": (ask.Submission, submit.submit),
    "update": (ask.Update, update.update),
    "submit_runs": (ask.SingleRuns, submit.submit_runs),
    "list_campaigns": (ask.CampaignPage, listing.list_campaigns),
    "list_runs": (ask.RunPage, listing.list_runs),
    "status": (ask.Nothing, look.status),
    "queue": (ask.One, queue_view.queue),
    "show": (ask.One, look.show),
    "log": (ask.LogRange, look.log),
    "events": (ask.EventRange, look.events),
    "alerts": (ask.AlertPage, told.list_alerts),
    "explain": (ask.One, look.explain_thing),
    "summary": (ask.One, findings.summary),
    "report": (ask.ReportRequest, findings.report),
    "compare": (ask.Pair, findings.compare_runs),
    "cancel": (ask.One, steer.cancel),
    "retry": (ask.Retry, retrying.retry),
    "pause": (ask.One, steer.pause),
    "resume": (ask.One, steer.resume),
    "priority": (ask.Priority, steer.priority),
    "doctor": (ask.TargetName, doctor.doctor),
    "verify_log": (ask.Nothing, findings.verify_log),
    "create_token": (tokens.CreateToken, tokens.create_token),
    "list_tokens": (ask.Nothing, tokens.list_tokens),
    "revoke_token": (tokens.OneToken, tokens.revoke_token),
    "whoami": (ask.Nothing, tokens.whoami),
    "label": (ask.Label, labels.label),
}
"""What each operation takes and what carries it out."""

_WILD: dict[str, Work] = {
    **runs.WORK, **sweeps.WORK, **logs.WORK, **metrics.WORK, **alerts.WORK, **cluster.WORK, **sessions.WORK,
    **skills.WORK,
}  # fmt: skip
"""The same for the Wild V2 protocol."""

NATIVE: tuple[Operation, ...] = tuple(Operation(it, *_WORK[it.name], None) for it in ROUTES if it.name in _WORK)
WILD: tuple[Operation, ...] = tuple(Operation(it, *_WILD[it.name]) for it in WILD_ROUTES if it.name in _WILD)
OPERATIONS = (*NATIVE, *WILD)

BY_NAME = {operation.name: operation for operation in OPERATIONS}
