"""What a job or a rule asks a person, and the answers."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, WithJsonSchema
from typing_extensions import TypedDict

from overnight.domain.errors import BadRequest
from overnight.domain.nouns import Run
from overnight.domain.questions import SEVERITIES, STOP_RUN, USUAL_SEVERITY, Question
from overnight.ids import new_question_id
from overnight.service import steer
from overnight.service.context import Context
from overnight.service.views import View
from overnight.service.wild.requests import OneRun, WildRequest
from overnight.service.wild.work import Work
from overnight.store import questions, runs
from overnight.store.base import Session
from overnight.store.scope import require_run

MOST_LISTED = 1_000
"""Alerts that are listed, the newest ones."""
MOST_CHOICES = 20

Choice = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\x00]+$")]
Severity = Annotated[
    Any, WithJsonSchema({"type": "string", "enum": [*SEVERITIES], "default": USUAL_SEVERITY, "title": "Severity"})
]


class CreateAlert(OneRun):
    """A question about a run."""

    message: str = Field(min_length=1, max_length=10_000, pattern=r"^[^\x00]+$")
    choices: list[Choice] = Field(max_length=MOST_CHOICES, description="At least one.")
    severity: Severity = USUAL_SEVERITY


class AlertPage(WildRequest):
    """The newest alerts."""

    limit: int = Field(default=MOST_LISTED, ge=0, le=MOST_LISTED)


class RespondToAlert(OneRun):
    """An answer."""

    choice: str = Field(max_length=200, description="One of the alert's choices.")


class AlertMade(TypedDict):
    """The id of a new alert."""

    alert_id: str


class AlertView(TypedDict):
    """One alert. Times are seconds since 1970."""

    id: str
    run_id: str
    timestamp: float
    severity: str
    message: str
    choices: list[str]
    status: str
    response: str | None
    responded_at: float | None
    session_id: str | None
    auto_session: bool


class AlertMessage(TypedDict):
    """What became of an answer."""

    message: str


def create_alert(context: Context, request: CreateAlert) -> View:
    """Ask a person something about a run. The run goes on meanwhile: waiting for the answer is its own matter."""
    if not request.choices:
        raise BadRequest("An alert needs at least one choice", place="choices", next_step="Send some choices.")
    severity = request.severity if request.severity in SEVERITIES else USUAL_SEVERITY
    wording = questions.Wording(request.message, request.choices, severity)

    def change(session: Session) -> View:
        run, question_id = require_run(session, request.id), new_question_id(context.rng)
        questions.ask(session, run, question_id, wording)
        return {"alert_id": question_id}

    return steer.in_one_write(context, change)


def get_alerts(context: Context, request: AlertPage) -> list[View]:
    """Alerts, newest first."""
    return [_view(it) for it in context.store.read(lambda session: questions.latest(session, request.limit))]


def respond_to_alert(context: Context, request: RespondToAlert) -> View:
    """Answer an alert: the answer is put into its run's folder, and carried out where a rule has asked."""

    def change(session: Session) -> View:
        answer(session, request.id, request.choice)
        return {"message": "Response recorded"}

    return steer.in_one_write(context, change)


def answer(session: Session, question_id: str, choice: str) -> bool:
    """As `questions.respond`, with what the choice orders; the caller wakes the loop."""
    if not questions.respond(session, question_id, choice):
        return False
    asked = questions.get(session, question_id)
    if asked.rule is not None and choice == STOP_RUN:
        _stop(session, runs.get(session, asked.run_id), asked.attempt)
    return True


def _stop(session: Session, run: Run, attempt: int) -> None:
    """End a run, if the attempt that was asked about is still its newest one."""
    if run.attempts == attempt:
        steer.stop_run(session, run)


def _view(it: Question) -> View:
    return {
        "id": it.id,
        "run_id": it.run_id,
        "timestamp": it.at,
        "severity": it.severity,
        "message": it.message,
        "choices": list(it.choices),
        "status": "pending" if it.response is None else "resolved",
        "response": it.response,
        "responded_at": it.responded_at,
        "session_id": it.chat,
        "auto_session": False,
    }


WORK: dict[str, Work] = {
    "create_alert": Work(CreateAlert, create_alert, AlertMade),
    "get_alerts": Work(AlertPage, get_alerts, list[AlertView]),
    "respond_to_alert": Work(RespondToAlert, respond_to_alert, AlertMessage),
}
"""Name of an operation -> what it takes, what carries it out, what it answers."""
