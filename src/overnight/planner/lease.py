"""When an attempt on a host that is not heard of may be called dead: its host ended it before its lease was over."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from overnight.domain.lease import HOLD

GRACE_SECONDS = 30.0
"""Seconds after the end of a lease until it counts: for clocks that differ in pace, and for what ends slowly."""


@dataclass(frozen=True, slots=True)
class Term:
    """The lease of one attempt as its server has it; all times are of this server's boot clock."""

    policy: str
    """`hold`, `requeue` or `kill`."""
    lease: float
    """Seconds."""
    since: float
    """From when on this server has known the attempt: a new server waits for one whole term."""
    renewed: float | None = None
    """When the newest beat of its host arrived that was answered: what the host holds to be the last word is older."""
    grace: float = GRACE_SECONDS

    @property
    def base(self) -> float:
        """What the term is counted from."""
        return self.since if self.renewed is None else max(self.since, self.renewed)

    @property
    def ends(self) -> float:
        """When it may be called dead; infinity = never."""
        return float("inf") if self.policy == HOLD else self.base + self.lease + self.grace


def proof_of_end(term: Term, now: float) -> str | None:
    """Why the attempt cannot live any more, in one sentence; None = it may."""
    if now < term.ends:
        return None
    return (
        f"its host was last heard of {now - term.base:.0f} s ago and ends it by itself before its lease of "
        f"{term.lease:g} s is over"
    )


def evidence(term: Term, now: float) -> Mapping[str, float]:
    """The numbers of that proof, for the record."""
    return {"last_beat": term.base, "lease": term.lease, "grace": term.grace, "now": now}
