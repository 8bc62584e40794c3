"""When alerts are delivered, and which of them together: a stream of failures becomes few messages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from overnight.domain.alerts import Alert

GATHERING = (2.0, 60.0, 300.0, 900.0)
"""Seconds for which alerts of one kind and campaign are gathered before the first, second … message of an hour."""
HOUR, MINUTE = 3600.0, 60.0
"""Seconds."""
MOST_A_MINUTE = 10
"""Messages of all kinds together."""
FIRST_PAUSE, LONGEST_PAUSE = 30.0, 3600.0
"""Seconds between the first two tries of a message that could not be delivered, doubled up to the longest."""
SLACK = 1.0
"""Seconds by which a clock may be corrected without anything being told too soon."""
GIVING_UP = 24 * 3600.0
"""Seconds after which a message that could not be delivered is not tried again."""

Topic = tuple[str, str | None]
"""Kind and campaign: what makes one message."""


@dataclass(frozen=True, slots=True)
class Sent:
    """A message of the last hour: what it was about, and how many seconds ago it was sent."""

    topic: Topic
    ago: float


@dataclass(frozen=True, slots=True)
class Messages:
    """Alerts that are delivered now, together each, and the seconds after which to look again; None = when woken."""

    now: tuple[tuple[Alert, ...], ...]
    wait: float | None


def next_try(alert: Alert, now: float) -> float | None:
    """When an alert that could not be delivered just now is tried again (wall seconds); None = not any more."""
    if now - alert.at >= GIVING_UP:
        return None
    return now + min(FIRST_PAUSE * 2.0 ** min(alert.tries, 16), LONGEST_PAUSE)


def messages(waiting: Sequence[Alert], recent: Sequence[Sent], now: float, *, hurry: bool = False) -> Messages:
    """What to deliver of the alerts that wait, oldest first. In a `hurry` nothing is gathered any longer."""
    topics: dict[Topic, list[Alert]] = {}
    for alert in waiting:
        topics.setdefault((alert.kind, alert.campaign_id), []).append(alert)
    waits = {topic: 0.0 if hurry else _wait(topic, alerts, recent, now) for topic, alerts in topics.items()}
    ready = [topic for topic in topics if waits[topic] <= 0.0]
    room = MOST_A_MINUTE - sum(sent.ago < MINUTE for sent in recent)
    later = [wait for wait in waits.values() if wait > 0.0]
    if len(ready) > room:
        later.append(MINUTE - max((sent.ago for sent in recent if sent.ago < MINUTE), default=0.0))
    return Messages(tuple(tuple(topics[topic]) for topic in ready[: max(0, room)]), min(later, default=None))


def _wait(topic: Topic, alerts: Sequence[Alert], recent: Sequence[Sent], now: float) -> float:
    """Seconds until a topic is due: its first news has been gathered long enough, or its next try has come.

    What would take longer than it ever should was written before the clock was set back, and is due at once.
    """
    before = sum(sent.topic == topic and sent.ago < HOUR for sent in recent)
    gathering = GATHERING[min(before, len(GATHERING) - 1)]
    fresh = [_sane(alert.at + gathering - now, gathering) for alert in alerts if alert.tries == 0]
    again = [_sane((alert.next_at or now) - now, LONGEST_PAUSE) for alert in alerts if alert.tries > 0]
    return min(fresh + again)


def _sane(wait: float, longest: float) -> float:
    return wait if wait <= longest + SLACK else 0.0
