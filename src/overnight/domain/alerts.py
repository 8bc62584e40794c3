"""What people are told while nobody looks: the kinds of alerts, and one as the record keeps it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class AlertKind(StrEnum):
    """What happened; `[notify] on` in `config.toml` chooses from these."""

    SETTLED = "settled"
    """A campaign is over."""
    STUCK = "stuck"
    """A run failed for good."""
    BREAKER = "breaker"
    """The first runs of a sweep all failed in the same way; the rest was not started."""
    STALLED = "stalled"
    """Nothing has run for long although runs of a campaign are to be started."""
    DISK_FULL = "disk_full"
    """Nothing new starts, for want of room on a disk."""
    ANALYSIS_FAILED = "analysis_failed"
    """The analysis hook of a campaign failed."""
    HANG = "hang"
    """A run showed neither output nor progress and was stopped."""
    QUESTION = "question"
    """A job, or a rule about its numbers, asks something and waits for an answer."""
    SYNC = "sync"
    """What runs left on another machine has not come for long."""
    SLOW = "slow"
    SILENT = "silent"
    IDLE = "idle"


DEFAULT_KINDS = (
    AlertKind.SETTLED,
    AlertKind.STUCK,
    AlertKind.BREAKER,
    AlertKind.STALLED,
    AlertKind.DISK_FULL,
    AlertKind.ANALYSIS_FAILED,
    AlertKind.HANG,
    AlertKind.QUESTION,
    AlertKind.SYNC,
)
"""Told unless the configuration chooses: what ended, what does not go on by itself, and what waits for an answer."""

ANALYSIS = "analysis"
"""Kind of the row that asks for the analysis hook of a campaign that is over: nobody is told of it."""


@dataclass(frozen=True, slots=True)
class Alert:
    """One thing that people should hear. Times are wall seconds; `title` and `detail` may quote hostile text."""

    seq: int
    kind: str
    subject: str
    """Id of what happened once; with `kind` unique."""
    campaign_id: str | None
    title: str
    detail: str
    at: float
    tries: int
    """Deliveries that were tried."""
    next_at: float | None
    """When it is to be delivered; None = delivered, given up, or for nobody."""
    failure: str | None
    """Why the last try failed."""
    sent_at: float | None
    """When it was delivered; equal to `at` when nobody was to be told."""

    @property
    def standing(self) -> str:
        """`waiting`, `sent`, `unwanted` or `given up`."""
        if self.sent_at is not None:
            return "unwanted" if self.sent_at == self.at and self.tries == 0 else "sent"
        return "waiting" if self.next_at is not None else "given up"
