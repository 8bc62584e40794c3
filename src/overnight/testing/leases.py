"""Leases on a simulated host: when the newest answered beat was sent, and which processes end for want of one.

The rules are those of `overnight.runner.lease`. Beats are not events of their own, which would cost more than all else:
while a connection hears, those that are due by now are counted as sent and answered when somebody asks.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from overnight.testing.machine import Process

EVERY = 10.0
"""Seconds between two beats."""
LONGEST_MARGIN = 30.0
"""As `overnight.runner.lease` has it."""
SLOWEST = 25.0
"""Seconds after its lease by which the slowest process is gone: less than its server waits."""


@dataclass(slots=True)
class Tenancies:
    """What a host knows of its server. All times are true ones."""

    heard: float
    """When the newest answered beat was sent; the start of the machine while none of this boot was answered."""
    since: float | None = None
    """When the connection began that answers beats; None = none does."""
    late: list[tuple[float, float]] = field(default_factory=list)
    """Answers that are still under way though their connection is cut: when they come, and when their beat was sent."""

    def answered(self, sent: float, now: float) -> None:  # noqa: ARG002
        """A server has the beat of that time."""
        self.heard = max(self.heard, sent)

    def beat(self, now: float) -> float | None:
        """Send what is due by now, and have it answered; returns when the newest was sent, None if nobody hears."""
        if self.since is None:
            return None
        sent = max(self.since, now // EVERY * EVERY)
        self.answered(sent, now)
        return sent

    def ends(self, process: Process) -> float:
        """When an attempt must begin to end, as it looks now."""
        if process.lease is None or process.lease_over or self.since is not None:
            return float("inf")
        return self.heard + process.lease - margin_of(process.lease) - bounded(process) + process.slow

    def admits(self, lease: float | None, grace: float, now: float) -> bool:
        """Whether a launch with this lease may begin."""
        least = 0.0 if lease is None else lease - margin_of(lease) - min(grace, lease / 4)
        return lease is None or self.since is not None or now < self.heard + least

    def next_due(self) -> float:
        """When the next late answer comes."""
        return min((due for due, _ in self.late), default=float("inf"))

    def take_late(self, now: float, *, there: bool) -> None:
        """Answers of a connection that is cut arrive, for nothing if no runner is there."""
        for due, sent in [it for it in self.late if it[0] <= now]:
            self.late.remove((due, sent))
            if there:
                self.answered(sent, now)

    def boot(self, now: float) -> None:
        """The machine started anew."""
        self.heard, self.since = now, None
        self.late.clear()


def margin_of(lease: float) -> float:
    """Seconds before the end of a lease by which its last process should be gone."""
    return min(LONGEST_MARGIN, lease / 4)


def bounded(process: Process) -> float:
    """The grace that a process gets when its lease ends."""
    return min(process.grace, (process.lease or 0.0) / 4)
