"""Keeps the devices of the targets on record, quarantines sick ones, and frees GPUs once they are proven clean."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from overnight.daemon.world import World
from overnight.domain.errors import Unavailable
from overnight.domain.states import DEVICE
from overnight.store import runs
from overnight.store.base import Session
from overnight.store.moves import move
from overnight.targets.base import Offer

SETTLING_SECONDS = 0.25
"""How often GPUs are probed while one of them waits to be proven clean."""
GPU_SECONDS = 15.0
"""How often GPUs are probed otherwise."""
SLOT_SECONDS = 600.0
"""How often a target without GPUs is asked: its slots do not change."""


def look(world: World) -> dict[str, list[Offer]]:
    """Ask every target what it has; one that cannot be asked keeps what is on record, which ages."""
    found: dict[str, list[Offer]] = {}
    for name, place in world.places.items():
        try:
            found[name] = place.target.offers()
        except Unavailable:
            continue
    return found


def interval(world: World, offers: Mapping[str, Sequence[Offer]]) -> float:
    """Seconds until devices must be looked at again."""
    if len(offers) < len(world.places):
        return GPU_SECONDS
    if not any(offer.kind == "gpu" for offered in offers.values() for offer in offered):
        return SLOT_SECONDS
    unclean = world.store.read(
        lambda session: any(session.rows("leases_of_ended", target=name) for name in world.places)
    )
    return SETTLING_SECONDS if unclean else GPU_SECONDS


def note(session: Session, target: str, offers: Sequence[Offer]) -> None:
    """Put a target's offers on record, and release what ended attempts still hold of clean devices."""
    known = {row[0]: (row[7], row[8]) for row in session.rows("devices_of", target=target)}
    for offer in offers:
        session.rows(
            "device_upsert",
            id=offer.id,
            target=target,
            kind=offer.kind,
            position=offer.position,
            uuid=offer.uuid,
            name=offer.name,
            memory_mib=offer.memory_mib,
            busy=offer.busy,
            used_mib=offer.used_mib,
            strangers=int(offer.strangers),
            now=session.now,
        )
        if offer.id not in known:
            session.record("device.create", offer.id, name=offer.name, kind=offer.kind)
        _diagnose(session, offer)
    offered = {offer.id for offer in offers}
    for device, (state, _) in known.items():
        if device not in offered and state == "healthy" and move(session, DEVICE, device, "quarantine", reason="gone"):
            session.rows("device_diagnosis", id=device, diagnosis="the driver does not list it any more")
    _free_clean(session, target, offers)


def _diagnose(session: Session, offer: Offer) -> None:
    if offer.fault is not None:
        move(session, DEVICE, offer.id, "quarantine", reason=offer.fault)
    else:
        move(session, DEVICE, offer.id, "restore")
    session.rows("device_diagnosis", id=offer.id, diagnosis=offer.fault)


def _free_clean(session: Session, target: str, offers: Sequence[Offer]) -> None:
    """A GPU comes back when a probe made after its attempt's end finds no process and no memory there; or into
    quarantine."""
    waiting: dict[str, list[str]] = {}
    for attempt_id, device in session.rows("leases_of_ended", target=target):
        waiting.setdefault(attempt_id, []).append(device)
    done = {offer.id for offer in offers if offer.busy is None or offer.fault is not None}
    done |= {row[0] for row in session.rows("devices_of", target=target) if row[7] == "quarantined"}
    for attempt_id, held in waiting.items():
        attempt = runs.get_attempt(session, attempt_id)
        if attempt is not None and done.issuperset(held):
            runs.release_leases(session, attempt)
