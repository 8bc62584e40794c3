"""What the event log says of what attempts left on other machines. Part of the projection, and as pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from overnight.domain.nouns import Event
from overnight.domain.states import FETCH, Arrow
from overnight.store.lives import AttemptLife, FetchLife, Rules, RunLife, Violation

DIGEST_LENGTH = 64
"""Characters of a SHA-256."""


class Homecoming:
    """The state of every fetch after the events so far, and what is wrong with them (I6, I11, I25)."""

    def __init__(self, attempts: Mapping[str, AttemptLife], rules: Rules) -> None:
        self.fetches: dict[str, FetchLife] = {}
        """By attempt."""
        self._attempts = attempts
        self._rules = rules

    def create(self, event: Event) -> Iterator[Violation]:
        """Something is expected: of an attempt that has ended, once, by its own token."""
        attempt = self._attempts.get(event.subject)
        if event.subject in self.fetches:
            yield _said("I6", event.seq, event.subject, "what it left is expected twice")
        self.fetches[event.subject] = FetchLife(FETCH.initial[0], event.seq)
        if attempt is None or attempt.state not in ("exited", "lost"):
            state = attempt.state if attempt else "unknown"
            yield _said("I25", event.seq, event.subject, f"what it left is expected although it is {state}")
        elif event.token != attempt.fence:
            sentence = f"what it left is expected by the token {event.token}, it has {attempt.fence}"
            yield _said("I11", event.seq, event.subject, sentence)

    def move(self, arrow: Arrow, event: Event) -> Iterator[Violation]:
        """A fetch ended; one that is done names what its copy was verified by."""
        fetch = self.fetches.get(event.subject)
        if fetch is None:
            yield _said("I6", event.seq, event.subject, "this fetch was never created")
            return
        if fetch.state not in arrow.sources:
            rule = "I7" if fetch.state in FETCH.terminal else "I6"
            yield _said(rule, event.seq, event.subject, f"{arrow.transition} is not allowed from {fetch.state}")
        fetch.state, fetch.seq = arrow.target, event.seq
        if arrow.transition == "complete":
            fetch.digest = event.payload.get("digest")
            if not isinstance(fetch.digest, str) or len(fetch.digest) != DIGEST_LENGTH:
                yield _said("I25", event.seq, event.subject, "what it left is here, verified by nothing")

    def judged(self, run_id: str, run: RunLife, transition: str, seq: int) -> Iterator[Violation]:
        """I25: a run whose newest attempt was made elsewhere succeeds when what that left is here, and not before."""
        fetch, newest = self.fetches.get(run.newest), self._attempts[run.newest]
        state = fetch.state if fetch else None
        if transition == "succeed" and state != "done" and (fetch or self._rules.is_far(newest.target)):
            yield _said("I25", seq, run_id, f"succeeded although what {run.newest} left is {state or 'not expected'}")
        elif transition == "collect" and (state != "pending" or newest.state != "exited"):
            yield _said("I25", seq, run_id, f"waits for what {run.newest} left, which is {state or 'not expected'}")
        elif transition == "fail" and run.state == "collecting" and state != "failed":
            yield _said("I25", seq, run_id, f"failed although what {run.newest} left is {state or 'not expected'}")


def _said(invariant: str, seq: int, subject: str, sentence: str) -> Violation:
    return Violation(invariant, seq, subject, sentence)
