"""Tells people what happened: delivers the alerts on record through a messenger, at least once each.

An alert is marked when a messenger has taken it. A process that is killed in between tells it again; nothing is lost.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from overnight.domain.alerts import Alert
from overnight.planner.telling import HOUR, Sent, Topic, messages, next_try
from overnight.reports.message import message
from overnight.store import alerts
from overnight.store.base import SYSTEM, Session, Store


class Messenger(Protocol):
    """The services that people chose. `places` are their numbers, with names that tell no secret."""

    @property
    def places(self) -> Sequence[str]:
        """`discord`, `json` …: one per configured address."""

    def send(self, place: int, title: str, body: str) -> str | None:
        """Deliver plain text to one address within a bounded time; None = it was taken, else why not. Never raises."""


@dataclass(slots=True)
class Herald:
    """`turn` delivers what is due. Without a messenger nobody is told, and every alert is marked so."""

    store: Store
    messenger: Messenger | None
    kinds: frozenset[str]
    _recent: list[tuple[Topic, float]] = field(default_factory=list)
    """What was tried in the last hour, and when on the boot clock."""
    _taken: dict[int, set[int]] = field(default_factory=dict)
    """Alert -> addresses that have it, while others do not: those are not told twice."""

    def turn(self, *, hurry: bool = False) -> float | None:
        """Deliver what is due; answers the seconds until the next is, None when nothing waits."""
        waiting = self._wanted(self.store.read(alerts.waiting))
        now = self.store.clock.boot()
        self._recent = [(topic, at) for topic, at in self._recent if now - at < HOUR]
        recent = [Sent(topic, now - at) for topic, at in self._recent]
        due = messages(waiting, recent, self.store.clock.wall(), hurry=hurry)
        tried = [self._deliver(together) for together in due.now]
        return due.wait if all(tried) else 0.0

    def flush(self) -> None:
        """Deliver what waits without gathering it any longer: this process ends."""
        self.turn(hurry=True)

    def _wanted(self, waiting: Sequence[Alert]) -> list[Alert]:
        """Those that somebody is to be told; the others are marked."""
        told = self.kinds if self.messenger else frozenset()
        unwanted = [alert for alert in waiting if alert.kind not in told]
        if unwanted:
            self.store.write(SYSTEM, lambda session: alerts.unwanted(session, unwanted))
        return [alert for alert in waiting if alert.kind in told]

    def _deliver(self, together: Sequence[Alert]) -> bool:
        """One message to every address; whether all of them have it now."""
        self._recent.append(((together[0].kind, together[0].campaign_id), self.store.clock.boot()))
        failures = self._send(together)
        self.store.write(SYSTEM, lambda session: self._note(session, together, "; ".join(failures)))
        if not failures:
            for alert in together:
                self._taken.pop(alert.seq, None)
        return not failures

    def _send(self, together: Sequence[Alert]) -> list[str]:
        """To each address what it does not have yet; answers why those that failed did."""
        failures = []
        for place, name in enumerate(self.messenger.places if self.messenger else ()):
            missing = [alert for alert in together if place not in self._taken.get(alert.seq, ())]
            if not missing or self.messenger is None:
                continue
            made = message(missing)
            failure = self.messenger.send(place, made.title, made.body)
            if failure is not None:
                failures.append(f"{name}: {failure}")
                continue
            for alert in missing:
                self._taken.setdefault(alert.seq, set()).add(place)
        return failures

    def _note(self, session: Session, together: Sequence[Alert], failure: str) -> None:
        first = together[0]
        if not failure:
            alerts.sent(session, together)
            session.record("alert.send", first.subject, alert=first.kind, alerts=len(together))
            return
        for alert in together:
            next_at = next_try(alert, session.now)
            alerts.failed(session, alert, failure, next_at)
            if next_at is None:
                session.record("alert.drop", alert.subject, alert=alert.kind, failure=failure)
