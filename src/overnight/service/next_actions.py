"""What may be asked next when something was refused: for programs that cannot read the sentence."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from urllib.parse import quote

from overnight.domain.errors import (
    Action,
    Ambiguous,
    Conflict,
    InvalidFile,
    NotFound,
    OvernightError,
    PreflightFailed,
)
from overnight.service.authority import admitted
from overnight.service.context import Context
from overnight.service.requests import Request
from overnight.service.routes import ROUTES, Route
from overnight.store import campaigns, references, runs
from overnight.store.base import Session

GOES_ON = ("show", "explain", "priority", "cancel")
OF_RUN: Mapping[str, tuple[str, ...]] = {
    "ready": ("start", "cancel"),
    "waiting": GOES_ON,
    "queued": GOES_ON,
    "delayed": GOES_ON,
    "running": ("show", "log", "cancel"),
    "cancelling": ("show", "log"),
    "collecting": ("show", "explain", "log", "cancel"),
    "external": ("show", "cancel"),
    "succeeded": ("show", "log", "retry"),
    "failed": ("explain", "log", "retry"),
    "cancelled": ("show", "retry"),
    "blocked": ("explain", "retry", "cancel"),
}
"""State of a run -> what may be asked of it."""
OF_GROUP = ("show", "explain", "retry", "cancel", "pause")
OF_PAUSED_GROUP = ("show", "explain", "resume", "cancel")
"""What may be asked of a campaign or sweep."""
LISTINGS: Mapping[str, tuple[str, ...]] = {
    "things": ("list_campaigns", "list_runs"),
    "runs": ("list_runs",),
    "campaigns": ("list_campaigns",),
    "tokens": ("list_tokens",),
}
"""Where the id stands in the path -> what lists such ids."""
OF_FILE = ("plan", "doctor")
"""What says more of a file that was refused."""

_ROUTES = {route.name: route for route in ROUTES}


def actions_after(context: Context, route: Route, request: Request, error: OvernightError) -> tuple[Action, ...]:
    """What who asks may ask next; empty where nothing sensible is known. Never raises."""
    with suppress(OvernightError):
        names, thing = _names(context, route, request, error)
        return tuple(_filled(context, names, thing))
    return ()


def _names(
    context: Context, route: Route, request: Request, error: OvernightError
) -> tuple[tuple[str, ...], str | None]:
    thing: str | None = getattr(request, "id", None)
    if isinstance(error, InvalidFile | PreflightFailed):
        return OF_FILE, None
    if isinstance(error, NotFound | Ambiguous):
        return LISTINGS.get(route.path.split("/")[2], LISTINGS["things"]), None
    if isinstance(error, Conflict) and thing is not None:
        asked = thing
        return admitted(context, route).store.read(lambda session: _of_thing(session, asked))
    return (), None


def _of_thing(session: Session, text: str) -> tuple[tuple[str, ...], str]:
    noun, thing = references.resolve(session, text)
    if noun == "run":
        return OF_RUN[runs.get(session, thing).state], thing
    group = campaigns.get(session, thing) if noun == "campaign" else campaigns.get_sweep(session, thing)
    return (OF_PAUSED_GROUP if group.gate == "paused" else OF_GROUP), thing


def _filled(context: Context, names: Iterable[str], thing: str | None) -> Iterable[Action]:
    for name in names:
        route = _ROUTES[name]
        if context.principal.may(route.verb):
            yield Action(name, route.method, route.path.replace("{id}", quote(thing or "", safe="")))
