"""THE TABLE: every operation once. HTTP, client and commands are renderings of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from overnight.service import findings, look, steer, submit
from overnight.service import requests as ask
from overnight.service.context import Context
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


OPERATIONS: tuple[Operation, ...] = (
    Operation(
        "plan", "POST", "/v1/plan", ask.CampaignFile, submit.plan, False, "Expand, check and preflight a campaign file."
    ),
    Operation("submit", "POST", "/v1/campaigns", ask.CampaignFile, submit.submit, True, "Submit a campaign file.", 201),
    Operation(
        "submit_runs",
        "POST",
        "/v1/runs",
        ask.SingleRuns,
        submit.submit_runs,
        True,
        "Submit runs outside any campaign.",
        201,
    ),
    Operation(
        "list_campaigns", "GET", "/v1/campaigns", ask.Page, look.list_campaigns, False, "Campaigns, newest first."
    ),
    Operation("list_runs", "GET", "/v1/runs", ask.RunPage, look.list_runs, False, "Runs, newest first."),
    Operation("status", "GET", "/v1/status", ask.Nothing, look.status, False, "Devices, live runs, active campaigns."),
    Operation("show", "GET", "/v1/things/{id}", ask.One, look.show, False, "A campaign, sweep or run, whole."),
    Operation("log", "GET", "/v1/runs/{id}/log", ask.LogRange, look.log, False, "Part of a run's log."),
    Operation(
        "events", "GET", "/v1/events", ask.EventRange, look.events, False, "Events after a cursor, with a bounded wait."
    ),
    Operation(
        "explain", "GET", "/v1/things/{id}/explanation", ask.One, look.explain_thing, False, "Why it waits or failed."
    ),
    Operation(
        "summary", "GET", "/v1/campaigns/{id}/summary", ask.One, findings.summary, False, "What a campaign found."
    ),
    Operation(
        "report",
        "GET",
        "/v1/campaigns/{id}/report",
        ask.ReportRequest,
        findings.report,
        False,
        "The summary as a document.",
    ),
    Operation("compare", "GET", "/v1/comparison", ask.Pair, findings.compare_runs, False, "Two runs side by side."),
    Operation(
        "cancel", "POST", "/v1/things/{id}/cancel", ask.One, steer.cancel, True, "Cancel a campaign, sweep or run."
    ),
    Operation("retry", "POST", "/v1/things/{id}/retry", ask.Retry, steer.retry, True, "Try failed runs again."),
    Operation(
        "pause",
        "POST",
        "/v1/things/{id}/pause",
        ask.One,
        steer.pause,
        True,
        "Start nothing new of a campaign or sweep.",
    ),
    Operation("resume", "POST", "/v1/things/{id}/resume", ask.One, steer.resume, True, "Allow starts again."),
    Operation("doctor", "GET", "/v1/doctor", ask.TargetName, findings.doctor, False, "Preflight of a target."),
    Operation(
        "verify_log",
        "GET",
        "/v1/verification",
        ask.Nothing,
        findings.verify_log,
        False,
        "Check log, tables, invariants.",
    ),
)

BY_NAME = {operation.name: operation for operation in OPERATIONS}
