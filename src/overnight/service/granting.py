"""What a new token may be given: never more than whoever makes it has."""

from __future__ import annotations

from collections.abc import Collection

from overnight.config import seconds_of
from overnight.domain.access import Principal, Role, Verb
from overnight.domain.errors import Denied, InvalidRequest
from overnight.store import scope, tokens
from overnight.store.base import Session
from overnight.store.tokens import Token

USUAL_SECONDS = 30 * 86_400.0
"""How long a token counts when nothing is said."""
LONGEST_SECONDS = 366 * 86_400.0
"""Longest life of a token."""


def end_of(creator: Principal, wanted: float | str | None, now: float) -> float:
    """When a new token ends: not after the one by which it is made."""
    latest = now + LONGEST_SECONDS if creator.expires_at is None else creator.expires_at
    if wanted is None:
        return min(now + USUAL_SECONDS, latest)
    seconds = seconds_of(wanted)
    if seconds is None or not 0 < seconds <= LONGEST_SECONDS:
        raise InvalidRequest(
            "expires_in: must be a length of time of at most 366 days", place="expires_in", next_step="Write 30d."
        )
    if now + seconds > latest:
        raise Denied("the token would outlive the one by which it is made", next_step="Give a shorter time.")
    return now + seconds


def refuse_more(session: Session, creator: Principal, token: Token) -> None:
    """Denied when a token could do more than who makes it, or has a role that only the home's own token gives."""
    if token.role is Role.APPROVER:
        raise _more("only the home's first token makes approvers")
    if lacking := token.principal.verbs - creator.verbs:
        raise _more(f"{creator.actor!r} itself may not {', '.join(sorted(lacking))}")
    if not _within(session, creator, token.campaigns):
        raise _more(f"not all of these campaigns are there for {creator.actor!r}")
    own = tokens.find(session, creator.token) if creator.token else None
    if own is not None and own.budget is not None and token.principal.may(Verb.SUBMIT):
        raise _more(f"the budget of {creator.actor!r} is its own and cannot be shared")


def _more(reason: str) -> Denied:
    return Denied(f"a token cannot give more than its maker has: {reason}", next_step="Ask whoever holds the home.")


def _within(session: Session, creator: Principal, campaigns: Collection[str] | None) -> bool:
    if creator.scope is None:
        return True
    if campaigns is None:
        return False
    named = frozenset(creator.scope.campaigns)
    return all(it in named or scope.visible(session, "campaign", it) for it in campaigns)
