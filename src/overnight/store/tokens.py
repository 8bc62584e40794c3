"""Access tokens: what each may, how much of its budget is used. Of secrets only their SHA-256 is here."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from overnight.domain.access import VERBS, Principal, Role, Scope, Verb
from overnight.domain.errors import Conflict, LimitExceeded
from overnight.store.base import Row, Session


@dataclass(frozen=True, slots=True)
class Token:
    """One access token, without its secret. Times are wall seconds."""

    id: str
    seq: int
    name: str
    """What events name; unique for ever, also after it was revoked."""
    role: Role
    campaigns: tuple[str, ...] | None
    """Ids and names; None = everything is there for it, () = only what it made itself."""
    verbs: tuple[Verb, ...] | None
    """None = all of its role."""
    budget: int | None
    """Runs that it may create in all; None = any number."""
    used: int
    created_at: float
    created_by: str
    expires_at: float | None
    revoked_at: float | None = None

    @property
    def principal(self) -> Principal:
        """Who asks by it."""
        allowed = VERBS[self.role] if self.verbs is None else VERBS[self.role] & set(self.verbs)
        scope = None if self.campaigns is None else Scope(self.name, self.campaigns)
        return Principal(self.name, self.role, allowed, scope, self.id, self.expires_at)


def insert(session: Session, token: Token, digest: str) -> None:
    """Keep a new token; `digest` is the SHA-256 of its secret. Conflict when its name was ever used."""
    if find(session, token.name) is not None:
        raise Conflict(
            f"there is, or was, a token {token.name!r}",
            place="name",
            next_step="Choose another name: what it did stays under its own.",
        )
    session.rows(
        "token_insert",
        seq=token.seq,
        id=token.id,
        name=token.name,
        hash=digest,
        role=token.role,
        campaigns=_list(token.campaigns),
        verbs=_list(token.verbs),
        budget=token.budget,
        now=token.created_at,
        created_by=token.created_by,
        expires_at=token.expires_at,
    )
    session.record("token.create", token.id, **told(token))


def _list(texts: tuple[str, ...] | None) -> str | None:
    return None if texts is None else json.dumps(texts)


def told(token: Token) -> Mapping[str, Any]:
    """What its event and listings say of a token, as JSON."""
    return {
        "name": token.name,
        "role": token.role.value,
        "campaigns": None if token.campaigns is None else list(token.campaigns),
        "verbs": None if token.verbs is None else [verb.value for verb in token.verbs],
        "budget": token.budget,
        "expires_at": token.expires_at,
    }


def revoke(session: Session, token: Token) -> bool:
    """Let a token count no more; False when it was revoked before."""
    if not session.rows("token_revoke", id=token.id, now=session.now):
        return False
    session.record("token.revoke", token.id, name=token.name)
    return True


def next_seq(session: Session) -> int:
    """The number of the next token."""
    return int(session.value("token_last_seq")) + 1


def find(session: Session, text: str) -> Token | None:
    """The token of an id or name."""
    found = session.row("token_find", text=text)
    return _token(found) if found else None


def listed(session: Session) -> list[Token]:
    """All tokens that ever were, newest first."""
    return [_token(row) for row in session.rows("tokens_all")]


def standing(session: Session) -> dict[str, Principal]:
    """Who asks by the tokens that count now: SHA-256 of the secret -> principal."""
    return {row[12]: _token(row[:12]).principal for row in session.rows("tokens_standing", now=session.now)}


def spend(session: Session, runs: int) -> None:
    """Take new runs off the budget of the token by which it is asked; LimitExceeded when it has not so many left."""
    token = session.change.token
    if token is not None and not session.rows("token_spend", id=token, runs=runs):
        raise LimitExceeded(
            f"the budget of the token {session.change.actor!r} is used up: {runs} more runs are beyond it",
            next_step="Ask for a new token: budgets are not raised.",
        )


def _token(row: Row) -> Token:
    columns: list[Any] = list(row)
    columns[3] = Role(row[3])
    columns[4] = None if row[4] is None else tuple(json.loads(row[4]))
    columns[5] = None if row[5] is None else tuple(Verb(it) for it in json.loads(row[5]))
    return Token(*columns)
