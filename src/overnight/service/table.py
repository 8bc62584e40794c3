"""THE TABLE: every operation once. HTTP, client and commands are renderings of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from overnight.service import convert, doctor, findings, look, queue_view, retrying, steer, submit, told, update
from overnight.service import requests as ask
from overnight.service.context import Context
from overnight.service.routes import ROUTES
from overnight.service.views import View


@dataclass(frozen=True, slots=True)
class Operation:
    """One thing that can be asked of Overnight.

    `changes` operations take an idempotency key and need a role above viewer. `path` holds `{id}` where the request's
    `id` belongs.
    """

    name: str
    method: str
    path: str
    request: type[ask.Request]
    work: Callable[[Context, Any], View]
    changes: bool
    summary: str
    status: int = 200


_WORK: dict[str, tuple[type[ask.Request], Callable[[Context, Any], View]]] = {
    "plan": (ask.CampaignFile, submit.plan),
    "convert": (ask.CampaignFile, convert.convert),
    "submit": (ask.CampaignFile, submit.submit),
    "update": (ask.Update, update.update),
    "submit_runs": (ask.SingleRuns, submit.submit_runs),
    "list_campaigns": (ask.Page, look.list_campaigns),
    "list_runs": (ask.RunPage, look.list_runs),
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
}
"""What each operation takes and what carries it out."""

OPERATIONS: tuple[Operation, ...] = tuple(
    Operation(it.name, it.method, it.path, *_WORK[it.name], it.changes, it.summary, it.status) for it in ROUTES
)

BY_NAME = {operation.name: operation for operation in OPERATIONS}
