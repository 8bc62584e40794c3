"""Whether who asks may do what is asked. Deny by default: nothing is carried out before this was asked."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

from overnight.domain.access import VERBS, Role, Verb
from overnight.domain.errors import Denied, StoreUnavailable
from overnight.ids import run_of_attempt
from overnight.service.context import Context
from overnight.service.routes import Route
from overnight.service.scoped import ScopedStore
from overnight.store.base import Session


def admitted(context: Context, route: Route) -> Context:
    """The context in which who asks may be answered: with the store as it is there for them.

    Raises Denied when they may not ask this. A refused change of somebody known is written into the log.
    """
    if not route.public:
        reason = _objection(context, route)
        if reason is not None:
            _note(context, route)
            raise Denied(reason, next_step=_who(route.verb))
    if context.change.scope is None:
        return context
    return replace(context, store=ScopedStore(context.store, context.change))


def _objection(context: Context, route: Route) -> str | None:
    who = context.principal
    if not context.keyring.stands(who, context.store.clock.wall()):
        return f"the token of {who.actor!r} counts no more"
    if not who.may(route.verb):
        return f"{route.name} needs the verb {route.verb!r}, which {who.actor!r} ({who.role}) does not have"
    if route.whole and who.scope is not None:
        return f"{route.name} needs somebody for whom everything is there; {who.actor!r} has a scope"
    if who.role is Role.ATTEMPT and not context.store.read(lambda session: _is_live(session, who.actor)):
        return f"{who.actor} has ended, and its token with it"
    return None


def _who(verb: Verb) -> str:
    roles = ", ".join(role for role, verbs in VERBS.items() if verb in verbs)
    return f"Ask somebody with one of these roles: {roles}."


def _is_live(session: Session, actor: str) -> bool:
    attempt = actor.removeprefix("attempt:")
    return bool(session.value("attempt_live_of_run", run_id=run_of_attempt(attempt)) == attempt)


def _note(context: Context, route: Route) -> None:
    """Write a refused change into the log, unless the same was refused to the same actor just before."""
    who = context.principal
    if not route.changes or not context.traffic.worth_noting(who.actor, route.name, context.store.clock.wall()):
        return

    def note(session: Session) -> None:
        session.record(f"denied.{route.name}", who.token or who.actor, role=who.role, verb=route.verb)

    with suppress(StoreUnavailable):  # refused it is all the same
        context.store.write(context.change, note)
