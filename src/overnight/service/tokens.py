"""Operations on access tokens. The secret of a new one is in the first answer and nowhere else."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field
from typing_extensions import TypedDict

from overnight.domain.access import RESERVED_ACTORS, Principal, Role, Verb
from overnight.domain.errors import Denied, InvalidRequest, NotFound
from overnight.ids import new_id, new_secret
from overnight.service import granting
from overnight.service.context import Context
from overnight.service.keyring import digest_of
from overnight.service.requests import Nothing, Reference, Request
from overnight.store import tokens
from overnight.store.base import Session
from overnight.store.tokens import Token

Grantable = Literal["viewer", "agent", "operator", "approver", "worker"]
Name = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9][A-Za-z0-9._@-]*$")]


class CreateToken(Request):
    """A new access token."""

    name: Name = Field(description="Who acts by it; unique for ever.")
    role: Grantable
    campaigns: list[Reference] | None = Field(
        default=None,
        max_length=1000,
        description="Ids or names of the campaigns that are there for it, beside what it makes itself; absent = all, "
        "[] = only its own.",
    )
    verbs: list[Verb] | None = Field(default=None, max_length=20, description="Only these of its role's verbs.")
    budget: int | None = Field(default=None, ge=0, le=2**53, description="Runs that it may create in all.")
    expires_in: float | str | None = Field(default=None, description="Seconds, or 90s, 45m, 12h, 30d; absent = 30d.")


class OneToken(Request):
    """A token."""

    id: Reference = Field(description="Its id or name.")


class TokenView(TypedDict):
    """A token, without its secret. Times are wall seconds."""

    id: str
    name: str
    role: str
    campaigns: list[str] | None
    verbs: list[str] | None
    budget: int | None
    used: int
    created_at: float
    created_by: str
    expires_at: float | None
    revoked_at: float | None
    state: Literal["valid", "expired", "revoked"]


class NewToken(TokenView):
    """`secret` is null where the request was repeated: it was told in the first answer, and is kept nowhere."""

    secret: str | None


class TokenList(TypedDict):
    """All tokens that ever were, newest first."""

    tokens: list[TokenView]


class Revoked(TypedDict):
    """`changed`: whether it counted until now."""

    id: str
    name: str
    changed: bool


class Whoami(TypedDict):
    """Who asks, and what they may do. `campaigns` null: everything is there."""

    actor: str
    role: str
    verbs: list[str]
    campaigns: list[str] | None
    run: str | None
    token: str | None
    budget: int | None
    used: int | None
    expires_at: float | None


def create_token(context: Context, request: CreateToken) -> NewToken:
    """Make a token; Denied when it could do more than who makes it."""
    secret = new_secret()
    made: list[Token] = []

    def change(session: Session) -> TokenView:
        token = _token_of(context, session, request)
        tokens.insert(session, token, digest_of(secret.encode()))
        made.append(token)
        return _view(token, session.now)

    view = context.store.write(context.change, change)
    if not made:  # an answer to an earlier request with the same key
        return {**view, "secret": None}
    context.keyring.add({digest_of(secret.encode()): made[-1].principal})
    return {**view, "secret": secret}


def _token_of(context: Context, session: Session, request: CreateToken) -> Token:
    if request.name in RESERVED_ACTORS or _looks_like_an_id(request.name):
        raise InvalidRequest(
            f"a token cannot be called {request.name!r}", place="name", next_step="Choose another name."
        )
    token = Token(
        id=new_id(context.rng),
        seq=tokens.next_seq(session),
        name=request.name,
        role=Role(request.role),
        campaigns=None if request.campaigns is None else tuple(dict.fromkeys(request.campaigns)),
        verbs=None if request.verbs is None else tuple(dict.fromkeys(request.verbs)),
        budget=request.budget,
        used=0,
        created_at=session.now,
        created_by=session.change.actor,
        expires_at=granting.end_of(context.principal, request.expires_in, session.now),
    )
    if context.principal.role is not Role.ADMIN:
        granting.refuse_more(session, context.principal, token)
    return token


def _looks_like_an_id(name: str) -> bool:
    return len(name) == 12 and all(it in "0123456789abcdef" for it in name)


def list_tokens(context: Context, _: Nothing) -> TokenList:
    """All tokens that ever were, newest first."""

    def read(session: Session) -> TokenList:
        return {"tokens": [_view(it, session.now) for it in tokens.listed(session)]}

    return context.store.read(read)


def revoke_token(context: Context, request: OneToken) -> Revoked:
    """Let a token count no more, at once. Repeating it changes nothing more."""

    def change(session: Session) -> Revoked:
        token = tokens.find(session, request.id)
        if token is None or not _reached(context.principal, token):
            raise NotFound(f"there is no token {request.id!r}", next_step="List them with: overnight token ls")
        if token.role is Role.APPROVER and context.principal.role is not Role.ADMIN:
            raise Denied("only the home's first token revokes approvers", next_step="Ask whoever holds the home.")
        return {"id": token.id, "name": token.name, "changed": tokens.revoke(session, token)}

    revoked = context.store.write(context.change, change)
    context.keyring.drop(revoked["id"])
    return revoked


def _reached(who: Principal, token: Token) -> bool:
    """Whoever has a scope reaches the tokens that it made, and its own."""
    return who.scope is None or who.actor in (token.created_by, token.name)


def whoami(context: Context, _: Nothing) -> Whoami:
    """Who asks, and what they may do."""
    who = context.principal
    mine = who.token
    token = context.store.read(lambda session: tokens.find(session, mine)) if mine else None
    return {
        "actor": who.actor,
        "role": who.role.value,
        "verbs": sorted(verb.value for verb in who.verbs),
        "campaigns": None if who.scope is None else list(who.scope.campaigns),
        "run": who.scope.run if who.scope else None,
        "token": who.token,
        "budget": token.budget if token else None,
        "used": token.used if token else None,
        "expires_at": who.expires_at,
    }


def _view(it: Token, now: float) -> TokenView:
    expired = it.expires_at is not None and it.expires_at <= now
    return {
        "id": it.id,
        "name": it.name,
        "role": it.role.value,
        "campaigns": None if it.campaigns is None else list(it.campaigns),
        "verbs": None if it.verbs is None else [verb.value for verb in it.verbs],
        "budget": it.budget,
        "used": it.used,
        "created_at": it.created_at,
        "created_by": it.created_by,
        "expires_at": it.expires_at,
        "revoked_at": it.revoked_at,
        "state": "revoked" if it.revoked_at is not None else "expired" if expired else "valid",
    }
