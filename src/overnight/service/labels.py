"""The operation that puts labels on things."""

from __future__ import annotations

from overnight.domain.errors import InvalidRequest
from overnight.service.context import Context
from overnight.service.requests import Label
from overnight.service.views import View
from overnight.store import labels, references
from overnight.store.base import Session

MOST = 100
"""Labels of one thing."""


def label(context: Context, request: Label) -> View:
    """Put labels on a campaign, sweep or run, or take them off; repeating it changes nothing more."""
    both = sorted(set(request.set) & set(request.remove))
    if both:
        raise InvalidRequest(f"remove: {both[0]!r} is set too", place="remove", next_step="Say one of the two.")

    def change(session: Session) -> View:
        noun, thing = references.resolve(session, request.id)
        changed = labels.change(session, thing, request.set, request.remove)
        own = labels.of_things(session, [thing]).get(thing, {})
        if len(own) > MOST:
            raise InvalidRequest(
                f"set: a {noun} has at most {MOST} labels", place="set", next_step="Take some off: overnight label"
            )
        return {"id": thing, "kind": noun, "labels": own, "changed": changed}

    return context.store.write(context.change, change)
