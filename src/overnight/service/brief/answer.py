"""Which brief is meant, and how it is finished: logs are read outside of any transaction."""

from __future__ import annotations

from pydantic import Field

from overnight.reports import brief as text
from overnight.reports.figures import moment
from overnight.service.brief import everything, group, parts, run
from overnight.service.brief.parts import Draft
from overnight.service.context import Context
from overnight.service.requests import Reference, Request
from overnight.service.subjects import subject_of
from overnight.service.views import View
from overnight.store import history
from overnight.store.base import Session


class BriefOf(Request):
    """Of what."""

    id: Reference | None = Field(
        default=None, description="A campaign, sweep, run or attempt (RUN.NUMBER); without it everything that is open."
    )
    text: bool = Field(
        default=False, description="Only `content`, the brief as a text of about a screen; the lists stay empty."
    )


def brief(context: Context, request: BriefOf) -> View:
    """State and since when, what was asked, what happened by the event log, how attempts ended and why, what it waits
    for, what goes on by itself, what a person has to decide, exact commands, where things lie."""

    def read(session: Session) -> Draft:
        draft = _draft(context, session, request.id)
        draft.view["last_event"] = history.head(session)
        return draft

    draft = context.store.read(read)
    parts.read_logs(context.spots, draft.logs)
    view = parts.permitted(context, draft.view)
    return _as_text(view) if request.text else view


def _draft(context: Context, session: Session, wanted: str | None) -> Draft:
    if wanted is None:
        return everything.draft(session)
    subject = subject_of(session, wanted)
    if subject.noun == "run":
        return run.draft(context, session, subject)
    return group.draft(context, session, subject)


def _as_text(view: View) -> View:
    lists = ("history", "attempts", "failures", "waits", "coming", "decide", "next", "places")
    return {**view, **{name: [] for name in lists}, "content": "\n".join(text.lines(view, moment))}
