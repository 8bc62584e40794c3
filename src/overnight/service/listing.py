"""Operations that list: campaigns and runs, page by page."""

from __future__ import annotations

from collections.abc import Sequence

from overnight.domain.errors import InvalidRequest
from overnight.domain.nouns import Run
from overnight.service import cursors, views
from overnight.service.context import Context
from overnight.service.cursors import Place
from overnight.service.requests import CampaignPage, RunPage
from overnight.service.sorting import CREATED, Order, after
from overnight.service.views import View
from overnight.store import campaigns, labels, listing, references
from overnight.store.base import Session
from overnight.store.listing import Wanted, WantedCampaigns

NEWEST = 2**62
"""A place before which everything lies."""
NEWEST_FIRST = Order(f"-{CREATED}")
OLDEST_FIRST = Order(CREATED)


def list_campaigns(context: Context, request: CampaignPage) -> View:
    """Campaigns, newest first; on the first page, unless a state is asked for, the newest runs outside any too."""

    def read(session: Session) -> View:
        place = cursors.read(request.cursor, "campaigns").seq if request.cursor else NEWEST
        name, value = _label(request.label)
        wanted = WantedCampaigns(request.state, request.chat, name, value)
        found = listing.campaigns(session, wanted, place, request.limit + 1)
        shown, more = found[: request.limit], len(found) > request.limit
        own = labels.of_things(session, [it.id for it in shown])
        return {
            "campaigns": [views.campaign(it, campaigns.counts(session, it.id), own.get(it.id)) for it in shown],
            "runs": [] if request.cursor or request.state else _alone(session, request),
            "next_cursor": cursors.written(Place("campaigns", None, shown[-1].seq)) if more else None,
        }

    return context.store.read(read)


def _alone(session: Session, request: CampaignPage) -> list[View]:
    name, value = _label(request.label)
    wanted = Wanted(alone=True, chat=request.chat, label=name, value=value)
    return seen(session, listing.page(session, wanted, NEWEST, request.limit, newest=True))


def list_runs(context: Context, request: RunPage) -> View:
    """Runs, newest first unless asked otherwise; of a campaign or sweep in the order of submission."""

    def read(session: Session) -> View:
        wanted = _wanted(session, request)
        order = _order(request)
        place = cursors.read(request.cursor, order.text) if request.cursor else None
        pages = _by_time if order.kind == CREATED else _sorted
        found, following = pages(session, wanted, order, place, request.limit)
        return {"runs": seen(session, found), "next_cursor": cursors.written(following) if following else None}

    return context.store.read(read)


def seen(session: Session, found: Sequence[Run]) -> list[View]:
    """Runs as they are listed, with their labels."""
    return [views.run(run, words) for run, words in zip(found, labels.of_runs(session, found), strict=True)]


def _order(request: RunPage) -> Order:
    if request.sort is not None:
        return Order(request.sort)
    return OLDEST_FIRST if request.campaign or request.sweep else NEWEST_FIRST


def _wanted(session: Session, request: RunPage) -> Wanted:
    if request.campaign and request.sweep:
        raise InvalidRequest(
            "sweep: a sweep is of one campaign already", place="sweep", next_step="Give the campaign or the sweep."
        )
    name, value = _label(request.label)
    return Wanted(
        campaign=_thing(session, request.campaign, "campaign"),
        sweep=_thing(session, request.sweep, "sweep"),
        alone=request.alone,
        states=tuple(dict.fromkeys(request.state)),
        chat=request.chat,
        label=name,
        value=value,
        metric=request.metric,
        parent=_thing(session, request.parent, "run"),
        actor=request.actor,
        archived=request.archived,
    )


def _thing(session: Session, text: str | None, wanted: str) -> str | None:
    if text is None:
        return None
    noun, thing = references.resolve(session, text, wanted)
    references.require(noun, wanted, text)
    return thing


def _label(text: str | None) -> tuple[str | None, str | None]:
    if text is None:
        return None, None
    name, given, value = text.partition("=")
    return name, value if given else None


def _by_time(
    session: Session, wanted: Wanted, order: Order, place: Place | None, limit: int
) -> tuple[list[Run], Place | None]:
    """A page in the order of submission, and where the next one starts; None = there is none."""
    start = place.seq if place else (NEWEST if order.descending else 0)
    found = listing.page(session, wanted, start, limit + 1, newest=order.descending)
    following = Place(order.text, None, found[limit - 1].seq) if len(found) > limit else None
    return found[:limit], following


def _sorted(
    session: Session, wanted: Wanted, order: Order, place: Place | None, limit: int
) -> tuple[list[Run], Place | None]:
    """A page in another order: the whole group is looked at, which is why there must be one."""
    metric = order.name if order.kind == "metric" else None
    found = listing.to_sort(session, wanted, parameters=order.kind == "param", metric=metric)
    if found is None:
        raise InvalidRequest(
            f"sort: {order.text!r} is for the runs of one campaign, sweep or chat",
            place="sort",
            next_step="Give campaign, sweep or chat too, or sort by created.",
        )
    behind = after(order, found, place)
    key, last = behind[limit - 1] if len(behind) > limit else (None, None)
    following = Place(order.text, key, last.seq) if last else None
    return listing.by_ids(session, [row.id for _, row in behind[:limit]]), following
