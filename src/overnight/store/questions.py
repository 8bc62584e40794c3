"""Questions on record: asked once, answered once, and the answer delivered to the attempt that asked."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from overnight.domain.alerts import AlertKind
from overnight.domain.errors import BadRequest, Conflict, LimitExceeded, NotFound
from overnight.domain.nouns import Run
from overnight.domain.questions import IGNORE, STOP_RUN, Question
from overnight.store import scope
from overnight.store.base import Row, Session
from overnight.store.marks import alert

MOST_OPEN = 100
"""Questions of one run that may wait for an answer: a job that asks in a loop is told so."""
AT_ONCE = 100
"""Answers that are delivered at once; the others follow."""


@dataclass(frozen=True, slots=True)
class Wording:
    """What is asked."""

    message: str
    choices: Sequence[str]
    severity: str
    rule: str | None = None
    quiet: bool = False
    """People are told of it in another way."""


@dataclass(frozen=True, slots=True)
class Undelivered:
    """An answer that is not in its attempt's folder yet; without target and folder there is nobody to read it."""

    id: str
    run_id: str
    response: str
    target: str | None
    folder: str | None


def ask(session: Session, run: Run, question_id: str, asked: Wording) -> bool:
    """Ask something about a run's newest attempt, and have people told; False when its rule has asked before.

    LimitExceeded when too many of its questions wait for an answer; a rule may always ask.
    """
    if asked.rule is None and len(session.rows("questions_open", run_id=run.id, limit=MOST_OPEN)) >= MOST_OPEN:
        raise LimitExceeded(
            f"{MOST_OPEN} alerts of this run wait for an answer",
            next_step="Answer some of them first: GET /alerts",
        )
    inserted = session.rows(
        "question_insert",
        seq=session.value("question_last_seq") + 1,
        id=question_id,
        run_id=run.id,
        number=run.attempts,
        rule=asked.rule,
        severity=asked.severity,
        message=asked.message,
        choices=json.dumps(list(asked.choices)),
        now=session.now,
    )
    if not inserted:
        return False
    session.record("question.ask", run.id, question=question_id, attempt=run.attempts, rule=asked.rule)
    if asked.quiet:
        return True
    choices = " / ".join(asked.choices)
    title, detail = (asked.message, choices) if asked.rule else (f"{run.name} asks", f"{asked.message} ({choices})")
    alert(session, AlertKind.QUESTION, question_id, campaign_id=run.campaign_id, title=title, detail=detail)
    return True


def ask_by_rule(session: Session, run: Run, question_id: str, rule: str, detail: str, *, quiet: bool = False) -> bool:
    """Have a rule ask whether a run should go on; False when it has asked about this attempt before.

    `quiet`: people are told of it in another way.
    """
    return ask(session, run, question_id, Wording(f"{run.name}: {detail}", (IGNORE, STOP_RUN), "warning", rule, quiet))


def get(session: Session, question_id: str) -> Question:
    """The question; NotFound for an unknown id, and for one about a run that is not there for who asks."""
    found = session.row("question_get", id=question_id)
    if found is None or not scope.visible(session, "run", found[1]):
        raise NotFound("Alert not found", next_step="List them with: GET /alerts")
    return _question(found)


def respond(session: Session, question_id: str, choice: str) -> bool:
    """Answer a question; False when it was answered so before. What the choice orders is for the caller to do
    (`service.wild.alerts.answer`), as is waking the loop, which has the answer delivered.

    Raises NotFound, BadRequest (`Invalid choice`), and Conflict when another answer stands.
    """
    asked = get(session, question_id)
    if choice not in asked.choices:
        raise BadRequest("Invalid choice", place="choice", next_step=f"Choose one of {json.dumps(asked.choices)}")
    if not session.rows(
        "question_answer", id=question_id, response=choice, actor=session.change.actor, now=session.now
    ):
        if asked.response != choice:
            raise Conflict(f"This alert was answered before, with {asked.response!r}: the first answer stands")
        return False
    session.record("question.answer", asked.run_id, question=question_id, before=None, after=choice)
    return True


def latest(session: Session, limit: int, before: int = 2**62) -> list[Question]:
    """Questions that are there for who asks, newest first."""
    found = session.rows("questions_latest", before=before, limit=limit, **scope.listed(session))
    return [_question(row) for row in found]


def undelivered(session: Session) -> list[Undelivered]:
    """Answers that are still to be delivered, oldest question first."""
    return [Undelivered(*row) for row in session.rows("questions_undelivered", limit=AT_ONCE)]


def delivered(session: Session, it: Undelivered, why_not: str | None) -> None:
    """Note that an answer lies where it was wanted, or why it never will."""
    if session.rows("question_delivered", id=it.id, now=session.now):
        session.record("question.deliver", it.run_id, question=it.id, undeliverable=why_not)


def _question(row: Row) -> Question:
    columns = list(row)
    columns[6] = tuple(json.loads(row[6]))
    return Question(*columns)
