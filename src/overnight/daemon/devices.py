"""Keeps the devices of the targets on record, quarantines sick ones, and frees GPUs once they are proven clean."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from overnight.daemon.world import World
from overnight.domain.cluster import HERE, ClusterType
from overnight.domain.nouns import Attempt
from overnight.domain.states import DEVICE, LIVE_ATTEMPT
from overnight.store import campaigns, cluster, families, rows, runs
from overnight.store.base import Session
from overnight.store.moves import move
from overnight.targets.base import Offer

SETTLING_SECONDS = 0.25
"""How often GPUs are probed while one of them waits to be proven clean."""
GPU_SECONDS = 15.0
"""How often GPUs are probed otherwise."""
LEARNING_SECONDS = 2.0
"""How often they are probed while runs that may share a GPU are on one: a short run must be seen at its most."""
SLOT_SECONDS = 600.0
"""How often a target without GPUs is asked: its slots do not change."""
GONE = "the driver does not list it any more"
"""Diagnosis of a device that was there before."""


def interval(world: World, name: str, offers: Sequence[Offer] | None) -> float:
    """Seconds until the devices of a target must be looked at again. None: it could not be asked; what is on record
    stands, and ages."""
    if offers is None:
        return GPU_SECONDS
    if not any(offer.kind == "gpu" for offer in offers):
        return GPU_SECONDS if world.store.read(cluster.get).declares else SLOT_SECONDS
    return world.store.read(lambda session: _gpu_interval(session, name))


def _gpu_interval(session: Session, target: str) -> float:
    if session.rows("leases_of_ended", target=target):
        return SETTLING_SECONDS
    held = session.rows("device_holders", target=target, seen_since=0.0)
    shared = any(rows.sweep_settings(row[4]).need.share > 1 for row in held)
    return LEARNING_SECONDS if shared else GPU_SECONDS


def note(session: Session, target: str, offers: Sequence[Offer], *, fresh: bool = True) -> None:
    """Put a target's offers on record, keep what was seen of our use of them, and release what ended attempts still
    hold of clean devices. Not `fresh`: read before one of them ended, so that it proves no device clean."""
    held = _held(session, target)
    seen = [_with_strays(offer, held.get(offer.id, ())) for offer in offers]
    seen += declared(session, target, [offer.position for offer in offers if offer.kind == "gpu"])
    known = {row[0]: (row[7], row[8]) for row in session.rows("devices_of", target=target)}
    for offer in seen:
        _put(session, target, offer)
        if offer.id not in known:
            session.record("device.create", offer.id, name=offer.name, kind=offer.kind)
        _diagnose(session, offer)
        _keep_use(session, offer, held.get(offer.id, ()))
    offered = {offer.id for offer in seen}
    for device, (state, _) in known.items():
        if device not in offered and state == "healthy" and move(session, DEVICE, device, "quarantine", reason="gone"):
            session.rows("device_diagnosis", id=device, diagnosis=GONE)
    if fresh:
        _free_clean(session, target, seen, held)


def declared(session: Session, target: str, shown: Sequence[int]) -> list[Offer]:
    """GPUs that a person says are there although the driver does not show them; nothing is known of their use."""
    number = cluster.get(session).declares if target == HERE else 0
    return [
        Offer(f"{cluster.DECLARED}{it}", "gpu", it, None, f"declared GPU {it}", 0, None, None)
        for it in range(number)
        if it not in shown
    ]


def misdeclared(session: Session) -> bool:
    """Whether the devices on record are not those of the cluster's state, which changed: it is time to look again."""
    gpus = [it for row in session.rows("devices_of", target=HERE) if (it := rows.device(row)).kind == "gpu"]
    ours = {it.id for it in gpus if it.id.startswith(cluster.DECLARED) and it.state == "healthy"}
    shown = [it.position for it in gpus if not it.id.startswith(cluster.DECLARED) and it.diagnosis != GONE]
    unseen = not gpus and cluster.get(session).type is ClusterType.LOCAL_GPU
    return unseen or {offer.id for offer in declared(session, HERE, shown)} != ours


@dataclass(frozen=True, slots=True)
class _Hold:
    """An attempt of ours that has a lease of a GPU."""

    attempt: str
    over: bool
    """Whether it has ended: its processes are gone, perhaps not its memory."""
    peak_mib: int | None
    """Most memory that it was seen to use there."""


def _held(session: Session, target: str) -> dict[str, list[_Hold]]:
    """Who holds each GPU."""
    found: dict[str, list[_Hold]] = {}
    for device, attempt, state, peak in session.rows("peaks_held", target=target):
        found.setdefault(device, []).append(_Hold(attempt, state not in LIVE_ATTEMPT, peak))
    return found


def _with_strays(offer: Offer, holds: Sequence[_Hold]) -> Offer:
    """The offer, with attempts of ours that are on a GPU which they were not given counted among the strangers."""
    strays = sorted(offer.ours.keys() - {hold.attempt for hold in holds})
    if not strays:
        return offer
    busy = offer.busy or f"in use by attempt {strays[0]}, which was not given it"
    return replace(offer, strangers=True, busy=None if offer.fault else busy)


def _put(session: Session, target: str, offer: Offer) -> None:
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


def _diagnose(session: Session, offer: Offer) -> None:
    if offer.fault is not None:
        move(session, DEVICE, offer.id, "quarantine", reason=offer.fault)
    else:
        move(session, DEVICE, offer.id, "restore")
    session.rows("device_diagnosis", id=offer.id, diagnosis=offer.fault)


def _keep_use(session: Session, offer: Offer, holds: Sequence[_Hold]) -> None:
    """Keep the most memory that each live holder was seen to use."""
    for hold in holds:
        mib = offer.ours.get(hold.attempt, 0)
        if not mib and len(holds) == 1 and not offer.strangers:
            mib = offer.used_mib or 0  # the driver does not say who uses it, but nobody else is there
        if mib and not hold.over:
            families.seen_using(session, hold.attempt, offer.id, mib, hold.peak_mib)


def _free_clean(session: Session, target: str, offers: Sequence[Offer], held: Mapping[str, Sequence[_Hold]]) -> None:
    """A GPU comes back when a probe made after its attempt's end finds no process and no memory there; or into
    quarantine. Beside others that go on nobody can tell whose memory it is: there the proven end of the processes is
    enough."""
    waiting: dict[str, list[str]] = {}
    for attempt_id, device in session.rows("leases_of_ended", target=target):
        waiting.setdefault(attempt_id, []).append(device)
    if not waiting:
        return
    shared = {device for device, holds in held.items() if not all(hold.over for hold in holds)}
    ill = {row[0] for row in session.rows("devices_of", target=target) if row[7] == "quarantined"}
    for attempt_id, devices in waiting.items():
        attempt = runs.get_attempt(session, attempt_id)
        if attempt is None:
            continue
        below = _threshold(session, attempt)
        clean = {offer.id for offer in offers if offer.fault is not None or _is_clean(offer, attempt_id, below)}
        if (clean | shared | ill).issuperset(devices):
            runs.release_leases(session, attempt)


def _is_clean(offer: Offer, attempt: str, below: int | None) -> bool:
    """Whether an ended attempt has left nothing on a device, by the threshold of its target or its own higher one."""
    if attempt in offer.ours:
        return False
    if offer.busy is None or below is None or offer.used_mib is None:
        return offer.busy is None
    return not offer.strangers and offer.used_mib < below


def _threshold(session: Session, attempt: Attempt) -> int | None:
    """Below which use of its memory a GPU is free for the runs of an attempt's sweep; None = as the target says."""
    sweep_id = session.rows("run_standing", id=attempt.run_id)[0][1]
    return campaigns.get_sweep(session, sweep_id).settings.need.free_below_mib
