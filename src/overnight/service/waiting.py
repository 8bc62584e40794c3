"""The operation that waits until something came of a campaign, sweep, run or attempt: a state, or an event about it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field
from typing_extensions import TypedDict

from overnight.domain.errors import InvalidRequest
from overnight.domain.nouns import Event
from overnight.planner import until
from overnight.planner.until import FINAL, Standing
from overnight.service import views
from overnight.service.answers.looks import EventView
from overnight.service.context import Context
from overnight.service.requests import LARGEST, Id, Request, listed
from overnight.service.subjects import Subject, subject_of
from overnight.service.views import View
from overnight.store import campaigns, chronicle, history, runs
from overnight.store.base import Session
from overnight.store.projection import NOTE_FAMILIES, NOTES

LONGEST = 240.0
"""Seconds that one request waits at most; whoever wants to wait longer asks again, with `next` as `after`."""
PAGE = 1_000
"""Events that are read at once."""
STORED = frozenset({"campaign.create", "sweep.create", "run.create", "run.update", "run.join", "attempt.annotate"})
"""Kinds of events about what is waited for that are neither arrows nor notes by their names."""

Word = Annotated[str, Field(max_length=60, pattern=r"^[a-z_]+(\.([a-z_]+|\*))?$")]


class WaitFor(Request):
    """What is waited for."""

    id: Id = Field(description="As elsewhere; also one attempt: RUN.NUMBER.")
    until: Annotated[list[Word], BeforeValidator(listed)] = Field(
        default=[FINAL],
        min_length=1,
        max_length=20,
        description="Whichever comes first, with commas between them: a state, `final`, `started`, `change` (anything "
        "new), or a kind of event such as `attempt.confirm` or `alert.*`.",
    )
    after: int | None = Field(
        default=None, ge=0, le=LARGEST, description="Events after this `seq` count too: the `next` of an answer before."
    )
    wait: float = Field(default=30.0, ge=0, le=LONGEST, description="Seconds to wait at most, for this answer.")
    subscriber: str | None = Field(
        default=None,
        min_length=1,
        max_length=100,
        pattern=r"^[\x21-\x7e]+$",
        description="Names who waits, over several requests. A new one of the same token ends the one before.",
    )


Why = Literal["came", "timeout", "cannot", "superseded"]


class Waited(TypedDict):
    """What became of a wait. `cannot`: it is over and will not come; `superseded`: another one of this token waits."""

    id: str
    kind: Literal["campaign", "sweep", "run", "attempt"]
    name: str
    came: bool
    why: Why
    until: str | None
    state: str
    event: EventView | None
    next: int


def wait(context: Context, request: WaitFor) -> View:
    """Answers when one of `until` came, when it cannot come any more, or when `wait` seconds are over. Go on with the
    `next` of the answer as `after`: then nothing between two requests is missed."""
    clock = context.store.clock
    deadline = clock.boot() + request.wait
    while True:
        view = context.store.read(lambda session: look(session, request))  # noqa: B023
        left = deadline - clock.boot()
        if view["why"] != "timeout" or left <= 0:
            return view
        request = request.model_copy(update={"after": view["next"]})
        context.store.wait(view["next"], left)


def look(session: Session, request: WaitFor) -> View:
    """How it stands now, and what happened after the cursor; `timeout` stands for: not yet."""
    subject = subject_of(session, request.id)
    standing, name = _standing(session, subject)
    _check(request.until, standing.kind)
    events, following = _news(session, subject, request.after)
    found = until.came(request.until, standing, events)
    why = "came" if found else "timeout"
    if not found and following >= history.head(session) and until.cannot_come(request.until, standing):
        why = "cannot"
    word, event = found or (None, None)
    return {
        "id": standing.id,
        "kind": standing.kind,
        "name": name,
        "came": found is not None,
        "why": why,
        "until": word,
        "state": standing.state,
        "event": _told(event, subject) if event else None,
        "next": event.seq if event else following,
    }


def _told(event: Event, subject: Subject) -> View:
    """An event; of many runs that it names, only the one that was asked about."""
    shown = views.event(event)
    if subject.noun == "run" and "ids" in event.payload:
        shown["payload"]["ids"] = [subject.id]
    return shown


def _standing(session: Session, subject: Subject) -> tuple[Standing, str]:
    """How the thing stands, and what it is called."""
    if subject.attempt is not None:
        it, run = subject.attempt, runs.get(session, subject.id)
        return Standing("attempt", it.id, it.state, it.started_at is not None), run.name
    if subject.noun == "run":
        run = runs.get(session, subject.id)
        return Standing("run", run.id, run.state, run.started_at is not None), run.name
    if subject.noun == "sweep":
        sweep = campaigns.get_sweep(session, subject.id)
        return Standing("sweep", sweep.id, sweep.state, _has_begun(session, (sweep.id,))), sweep.name
    campaign = campaigns.get(session, subject.id)
    return Standing("campaign", campaign.id, campaign.state, campaign.started_at is not None), campaign.name


def _has_begun(session: Session, sweeps: Sequence[str]) -> bool:
    return bool(session.rows("attempts_by_target", things=json.dumps(list(sweeps))))


def _check(words: Sequence[str], kind: str) -> None:
    """Refuse what would be waited for in vain."""
    known = until.words_of(kind)
    families = (*NOTE_FAMILIES, "target.")
    for word in words:
        if word not in known and not until.is_event(word, NOTES | STORED, families):
            raise InvalidRequest(
                f"until: {word!r} is neither a state of a {kind} nor a kind of event",
                place="until",
                next_step=f"One of: {', '.join(known)}; or a kind that `overnight events` shows, such as run.succeed.",
            )


def _news(session: Session, subject: Subject, after: int | None) -> tuple[list[Event], int]:
    if after is None:
        return [], history.head(session)
    events, following = chronicle.after(session, subject.noun, subject.id, after, PAGE)
    attempt = subject.attempt
    if attempt is not None:
        events = [it for it in events if attempt.id in (it.subject, it.payload.get("attempt"))]
    return events, following
