"""Alerts as one short message of plain text.

What jobs and people wrote is marked as theirs, cut, and made inert: no service may find a mention, a link or markup in
it. Nothing of a log is in a message but what the alerts quote.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from overnight.domain.alerts import Alert, AlertKind
from overnight.reports.visible import visible

LONGEST_TITLE, LONGEST_LINE, LONGEST_BODY = 120, 200, 1000
"""Characters."""
MOST_NAMED = 5
"""Alerts of which a message about many says more than their number."""
OURS = frozenset({AlertKind.SETTLED, AlertKind.DISK_FULL, AlertKind.STALLED})
"""Kinds whose details quote nothing of a job's output."""

_INERT = str.maketrans({"@": "＠", "<": "‹", ">": "›", "`": "'", "[": "(", "]": ")", "|": "¦"})


@dataclass(frozen=True, slots=True)
class Message:
    """What a service gets; the title is one line."""

    title: str
    body: str


def message(alerts: Sequence[Alert]) -> Message:
    """One message about alerts of one kind and campaign; at least one."""
    first = alerts[0]
    many = f" and {len(alerts) - 1} more" if len(alerts) > 1 else ""
    title = f"Overnight: {inert(first.title, LONGEST_TITLE - 40)}{many}"
    told = _alone(first) if len(alerts) == 1 else [f"- {inert(it.title, LONGEST_LINE)}" for it in alerts[:MOST_NAMED]]
    if len(alerts) > MOST_NAMED:
        told.append(f"- and {len(alerts) - MOST_NAMED} more")
    look = f"Look: overnight summary {first.campaign_id}" if first.campaign_id else "Look: overnight alerts"
    return Message(title[:LONGEST_TITLE], "\n".join([*told, look])[:LONGEST_BODY])


def _alone(alert: Alert) -> list[str]:
    if not alert.detail:
        return []
    if alert.kind in OURS:
        return [inert(alert.detail, LONGEST_LINE * 2)]
    return ["Text from the job, not from Overnight:", f"«{inert(alert.detail, LONGEST_LINE * 2)}»"]


def inert(text: str, most: int) -> str:
    """One line that no service takes for a mention, a link or markup."""
    return visible(text, most).translate(_INERT).replace("://", ": //")
