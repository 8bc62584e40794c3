"""What people write to mean a campaign, a sweep, a run, or one attempt of a run (`RUN.NUMBER`)."""

from __future__ import annotations

import re
from typing import NamedTuple

from overnight.domain.errors import NotFound
from overnight.domain.nouns import Attempt
from overnight.store import references, runs
from overnight.store.base import Session

_ATTEMPT = re.compile(r"(.+)\.([1-9][0-9]{0,8})")


class Subject(NamedTuple):
    """One thing. `attempt` is the numbered one of a run, where an attempt is meant."""

    noun: str
    """`campaign`, `sweep`, `run`; the run where an attempt is meant."""
    id: str
    attempt: Attempt | None = None

    @property
    def kind(self) -> str:
        """The noun, or `attempt`."""
        return "attempt" if self.attempt else self.noun

    @property
    def name(self) -> str:
        """The id, that of the attempt where one is meant."""
        return self.attempt.id if self.attempt else self.id


def subject_of(session: Session, text: str) -> Subject:
    """See `references.resolve`; of names with a dot and a number at their end the whole name goes before."""
    try:
        return Subject(*references.resolve(session, text))
    except NotFound:
        found = _ATTEMPT.fullmatch(text)
        if found is None:
            raise
    noun, thing = _resolved(session, found[1], text)
    made = (
        next((it for it in runs.attempts(session, thing) if it.number == int(found[2])), None)
        if noun == "run"
        else None
    )
    if made is None:
        raise NotFound(
            f"there is no campaign, sweep, run or attempt {text!r}", next_step="List the runs with: overnight ls --runs"
        )
    return Subject("run", thing, made)


def _resolved(session: Session, run: str, text: str) -> references.Thing:
    try:
        return references.resolve(session, run, "run")
    except NotFound as error:
        raise NotFound(f"there is no campaign, sweep, run or attempt {text!r}", next_step=error.next_step) from None
