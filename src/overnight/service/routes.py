"""What operations are called and where HTTP puts them: the light half of the table, for clients that start quickly."""

from __future__ import annotations

from typing import NamedTuple

from overnight.domain.access import Verb


class Route(NamedTuple):
    """An operation from outside.

    `path` holds names of request fields in braces; `{path}` at its end takes the rest, slashes too.
    """

    name: str
    method: str
    path: str
    summary: str
    changes: bool = False
    """Takes an idempotency key."""
    status: int = 200
    verb: Verb = Verb.READ
    """What who asks must be allowed to do."""
    destroys: bool = False
    """Ends or takes away what cannot be had back: agents are asked twice."""
    query: tuple[str, ...] = ()
    """Fields that stand in the query although there is a body."""
    public: bool = False
    """Answered without a token."""
    dialect: str = "native"
    """How it is asked and answered: `native` (problem documents) or `wild` (the Wild V2 protocol)."""
    whole: bool = False
    """Only for those for whom everything is there: it cannot be answered for a part of the record."""


ROUTES: tuple[Route, ...] = (
    Route("plan", "POST", "/v1/plan", "Expand, check and preflight a campaign file.", verb=Verb.SUBMIT),
    Route("convert", "POST", "/v1/convert", "Write any campaign file as a native one."),
    Route("submit", "POST", "/v1/campaigns", "Submit a campaign file.", changes=True, verb=Verb.SUBMIT, status=201),
    Route(
        "update",
        "POST",
        "/v1/campaigns/{id}/update",
        "Apply an edited file to a campaign.",
        changes=True,
        verb=Verb.SUBMIT,
    ),
    Route(
        "submit_runs",
        "POST",
        "/v1/runs",
        "Submit runs outside any campaign.",
        changes=True,
        verb=Verb.SUBMIT,
        status=201,
    ),
    Route("list_campaigns", "GET", "/v1/campaigns", "Campaigns, newest first."),
    Route("list_runs", "GET", "/v1/runs", "Runs, newest first."),
    Route("status", "GET", "/v1/status", "Devices, live runs, active campaigns."),
    Route("queue", "GET", "/v1/campaigns/{id}/queue", "A campaign as the experiment queue shows it."),
    Route("show", "GET", "/v1/things/{id}", "A campaign, sweep or run, whole."),
    Route("log", "GET", "/v1/runs/{id}/log", "Part of a run's log."),
    Route("events", "GET", "/v1/events", "Events after a cursor, with a bounded wait."),
    Route("alerts", "GET", "/v1/alerts", "What people were told, or are still to be told."),
    Route("brief", "GET", "/v1/brief", "State, history and next steps of one thing, or of everything open."),
    Route("wait", "GET", "/v1/things/{id}/wait", "Wait until something came of it, a bounded time."),
    Route("explain", "GET", "/v1/things/{id}/explanation", "Why it waits or failed."),
    Route("summary", "GET", "/v1/campaigns/{id}/summary", "What a campaign found."),
    Route("report", "GET", "/v1/campaigns/{id}/report", "The summary as a document."),
    Route("compare", "GET", "/v1/comparison", "Two runs side by side."),
    Route(
        "cancel",
        "POST",
        "/v1/things/{id}/cancel",
        "Cancel a campaign, sweep or run.",
        changes=True,
        verb=Verb.STEER,
        destroys=True,
    ),
    Route(
        "retry",
        "POST",
        "/v1/things/{id}/retry",
        "Try failed, blocked or chosen runs again.",
        changes=True,
        verb=Verb.STEER,
    ),
    Route(
        "pause",
        "POST",
        "/v1/things/{id}/pause",
        "Start nothing new of a campaign or sweep.",
        changes=True,
        verb=Verb.STEER,
    ),
    Route("resume", "POST", "/v1/things/{id}/resume", "Allow starts again.", changes=True, verb=Verb.STEER),
    Route(
        "priority",
        "POST",
        "/v1/things/{id}/priority",
        "Let something go before the rest.",
        changes=True,
        verb=Verb.STEER,
    ),
    Route("list_targets", "GET", "/v1/targets", "Machines that runs may go to, and how they are reached.", whole=True),
    Route("doctor", "GET", "/v1/doctor", "Preflight of a target.", whole=True),
    Route("verify_log", "GET", "/v1/verification", "Check log, tables, invariants.", whole=True),
    Route(
        "create_token",
        "POST",
        "/v1/tokens",
        "Make an access token; its secret is shown once.",
        changes=True,
        status=201,
        verb=Verb.TOKENS,
    ),
    Route("start", "POST", "/v1/things/{id}/start", "Queue ready runs.", changes=True, verb=Verb.STEER),
    Route("list_tokens", "GET", "/v1/tokens", "Access tokens, without their secrets.", verb=Verb.TOKENS, whole=True),
    Route(
        "revoke_token",
        "POST",
        "/v1/tokens/{id}/revoke",
        "Let a token count no more.",
        changes=True,
        verb=Verb.TOKENS,
        destroys=True,
    ),
    Route("whoami", "GET", "/v1/whoami", "Who asks, and what they may do."),
    Route(
        "label",
        "POST",
        "/v1/things/{id}/labels",
        "Put words on a campaign, sweep or run, or take them off.",
        changes=True,
        verb=Verb.STEER,
    ),
)
