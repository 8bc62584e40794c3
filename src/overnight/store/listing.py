"""Listings of runs and campaigns: filtered in the query, along an index, from a place on, so that a page costs what it
shows."""

from __future__ import annotations

import heapq
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any, NamedTuple

from overnight.domain.nouns import Campaign, Run
from overnight.store import rows, scope
from overnight.store.base import Session


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which runs are listed. Ids are whole; None = nothing is left out for its sake."""

    campaign: str | None = None
    sweep: str | None = None
    alone: bool = False
    """Only runs outside any campaign."""
    states: tuple[str, ...] = ()
    """Empty = all."""
    chat: str | None = None
    label: str | None = None
    """Has a label of this name, of its own or of its sweep or campaign."""
    value: str | None = None
    """And of this value."""
    metric: str | None = None
    """Has a result of this name."""
    parent: str | None = None
    actor: str | None = None
    archived: bool = False
    """Whether archived ones are listed too."""

    @property
    def arguments(self) -> dict[str, Any]:
        """What the part `chosen_runs` of the queries takes, but for the scope of who asks."""
        return {
            "states": json.dumps(self.states) if self.states else None,
            "archived": int(self.archived),
            "alone": int(self.alone),
            **{name: getattr(self, name) for name in ("chat", "parent", "actor", "label", "value", "metric")},
        }


def page(session: Session, wanted: Wanted, place: int, limit: int, *, newest: bool) -> list[Run]:
    """Runs before the `seq` of `place`, newest first, or after it, oldest first."""
    order = "newest" if newest else "oldest"
    paths = [
        session.rows(f"list_runs{way}_{order}", **argument, **_all_of(session, wanted), place=place, limit=limit)
        for way, argument in _ways(wanted)
    ]
    merged = heapq.merge(*([rows.run(row) for row in path] for path in paths), key=attrgetter("seq"), reverse=newest)
    return list(merged)[:limit]


def _all_of(session: Session, wanted: Wanted) -> dict[str, Any]:
    return {**wanted.arguments, **scope.listed(session)}


def _ways(wanted: Wanted) -> list[tuple[str, dict[str, Any]]]:
    """The ways to the rows, each (ending of the query's name, its argument); several states are several ways."""
    if group := _group(wanted):
        return [group]
    if wanted.parent is not None:
        return [("_made_from", {})]
    if wanted.alone:
        return [("_alone", {})]
    if wanted.states and "succeeded" not in wanted.states:
        return [("_in_state", {"state": state}) for state in wanted.states]
    return [("", {})]


def _group(wanted: Wanted) -> tuple[str, dict[str, Any]] | None:
    """The group of runs that is looked at: of a sweep, a campaign or a conversation."""
    if wanted.sweep is not None:
        return "_of_sweep", {"sweep": wanted.sweep}
    if wanted.campaign is not None:
        return "_of_campaign", {"campaign": wanted.campaign}
    return ("_of_chat", {}) if wanted.chat is not None else None


class SortRow(NamedTuple):
    """What a run can be sorted by; `config` and `number` (a text, as Python writes floats) only where asked for."""

    seq: int
    id: str
    name: str
    config: str | None
    number: str | None


def to_sort(session: Session, wanted: Wanted, *, parameters: bool, metric: str | None) -> list[SortRow] | None:
    """All wanted runs of a sweep, campaign or conversation, in no order; None when no such group is wanted."""
    group = _group(wanted)
    if group is None:
        return None
    way, argument = group
    of_all = _all_of(session, wanted)
    found = session.rows(
        f"sort_runs{way}", **argument, **of_all, parameters=int(parameters), sorted_metric=metric or ""
    )
    return [SortRow(*row) for row in found]


def by_ids(session: Session, ids: Sequence[str]) -> list[Run]:
    """These runs, in this order; those that are not there are left out."""
    found = {row[0]: rows.run(row) for row in session.rows("runs_by_ids", ids=json.dumps(ids))}
    return [found[it] for it in ids if it in found]


@dataclass(frozen=True, slots=True)
class WantedCampaigns:
    """Which campaigns are listed; see `Wanted`."""

    state: str | None = None
    chat: str | None = None
    label: str | None = None
    value: str | None = None


def campaigns(session: Session, wanted: WantedCampaigns, before: int, limit: int) -> list[Campaign]:
    """Campaigns before the `seq` of `before`, newest first."""
    way = {} if wanted.chat is None else {"chat": wanted.chat}
    asked = {"state": wanted.state, "label": wanted.label, "value": wanted.value}
    query = "list_campaigns_of_chat_newest" if way else "list_campaigns_newest"
    found: Iterable[Any] = session.rows(query, **way, **asked, **scope.listed(session), place=before, limit=limit)
    return [rows.campaign(row) for row in found]
