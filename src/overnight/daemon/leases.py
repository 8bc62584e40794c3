"""Leases of attempts on hosts that are not heard of: what may be called dead, by the time alone. Part of listening."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from overnight.daemon.launches import Claimed
from overnight.daemon.world import World
from overnight.domain.lease import HOLD
from overnight.planner.lease import Term, evidence, proof_of_end
from overnight.targets.base import Dead, News


@dataclass(frozen=True, slots=True)
class Tenants:
    """The attempts whose leases count."""

    there: Mapping[str, Claimed]
    """Those that may live on their hosts."""
    ended: frozenset[str] = frozenset()
    """Those among them that have ended by their host's word: what is known of that beats the time."""


@dataclass(slots=True)
class Leases:
    """What this server knows of them. It begins anew with every server, so that each attempt gets one whole term."""

    _since: dict[str, float] = field(default_factory=dict)
    """Attempt -> when this server first saw it, on the boot clock."""

    def look(self, world: World, tenants: Tenants, now: float) -> list[News]:
        """The attempts whose leases have ended. What a host tells in the same turn must come after these."""
        found = []
        for attempt, term in self._terms(world, tenants, now):
            proof = proof_of_end(term, now)
            if proof is not None:
                seen = Dead(proof, evidence(term, now))
                found.append(News(attempt, tenants.there[attempt].fence, seen))
        return found

    def next(self, world: World, tenants: Tenants, now: float) -> float:
        """When the first of them ends if nothing is heard, on the boot clock; infinity where nobody has one."""
        return min((term.ends for _, term in self._terms(world, tenants, now)), default=float("inf"))

    def _terms(self, world: World, tenants: Tenants, now: float) -> list[tuple[str, Term]]:
        leased = {it: made for it, made in tenants.there.items() if made.settings.on_disconnect != HOLD}
        self._since = {it: self._since.get(it, now) for it in leased}
        return [
            (it, Term(made.settings.on_disconnect, made.settings.lease, self._since[it], _renewed(world, made.target)))
            for it, made in leased.items()
            if it not in tenants.ended
        ]


def _renewed(world: World, target: str) -> float | None:
    """When its newest answered beat came; a target that is configured no more is not heard."""
    place = world.places.get(target)
    return place.target.renewed if place else None
