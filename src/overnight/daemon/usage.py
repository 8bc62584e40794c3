"""Keeps on record what live attempts use, with the GPUs that they hold: for people who look, not for decisions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from overnight.daemon.launches import Claimed
from overnight.daemon.settle import Fact
from overnight.store import usages
from overnight.store.base import Session
from overnight.targets.base import Alive, Offer, Use

EVERY = 20.0
"""Seconds for which what is on record of an attempt is new enough."""


@dataclass(slots=True)
class Usages:
    """When each attempt was last written down, and what was last read of the GPUs."""

    _kept: dict[str, float] = field(default_factory=dict)
    """Attempt -> boot clock."""
    _gpus: dict[str, Offer] = field(default_factory=dict)

    def note(self, offers: Mapping[str, Sequence[Offer]]) -> None:
        """Keep what was read of GPUs."""
        for offered in offers.values():
            self._gpus |= {it.id: it for it in offered if it.kind == "gpu"}

    def take_in(self, session: Session, facts: Sequence[Fact], claims: Mapping[str, Claimed], now: float) -> None:
        """Write down what was seen, of each attempt only so often."""
        self._kept = {it: at for it, at in self._kept.items() if it in claims}
        due: dict[str, Use] = {}
        for fact in facts:
            attempt, seen = fact.news.attempt, fact.news.seen
            if isinstance(seen, Alive) and seen.use is not None and now - self._kept.get(attempt, 0.0) >= EVERY:
                due[attempt] = seen.use
        usages.keep(session, [self._row(claims[it], use) for it, use in due.items() if it in claims])
        self._kept |= dict.fromkeys(due, now)

    def _row(self, claimed: Claimed, use: Use) -> dict[str, Any]:
        gpus = [self._gpus[device.id] for device in claimed.devices if device.id in self._gpus]
        used = [it.utilisation for it in gpus if it.utilisation is not None]
        memory = [it.ours.get(claimed.attempt) or it.used_mib for it in gpus]
        known = [mib for mib in memory if mib is not None]
        return {
            "attempt_id": claimed.attempt,
            "cpu_seconds": use.cpu_seconds,
            "rss_bytes": use.rss_bytes,
            "peak_rss_bytes": use.peak_rss_bytes,
            "processes": use.processes,
            "gpu_utilisation": sum(used) / len(used) if used else None,
            "gpu_memory_mib": sum(known) if known else None,
        }
