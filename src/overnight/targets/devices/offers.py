"""From a reading to the devices that may be given: pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from overnight.runner.locks import Holder
from overnight.targets.base import Offer
from overnight.targets.devices.reading import Gpu, Process, Reading

THRESHOLD_MIB = 500
"""Memory in use up to which a GPU counts as free: a driver and a display need some of it."""

NAMED = 5
"""How many foreign processes a sentence names before it only counts them."""


@dataclass(frozen=True)
class Locked:
    """Which GPUs are locked on their host, by UUID."""

    others: Mapping[str, str] = field(default_factory=dict)
    """By other homes or users, or nobody can tell: a sentence."""
    ours: Mapping[str, str] = field(default_factory=dict)
    """By attempts of ours that share with nobody: which."""


NOT_LOCKED = Locked()


def locked(found: Mapping[str, Holder | str], runner: str) -> Locked:
    """What locks that are held say to the home with this runner; ones that its own runs share say nothing new."""
    held = {uuid: it for uuid, it in found.items() if isinstance(it, Holder) and it.runner == runner}
    others = {uuid: it if isinstance(it, str) else it.sentence() for uuid, it in found.items() if uuid not in held}
    return Locked(others, {uuid: it.attempt for uuid, it in held.items() if not it.shared})


def offers(
    reading: Reading,
    *,
    target: str,
    slots: int,
    threshold_mib: int = THRESHOLD_MIB,
    owners: Mapping[int, str],
    locked: Locked = NOT_LOCKED,
) -> list[Offer]:
    """Every GPU of the reading, then `slots` CPU slots. `owners`: pid -> attempt of ours whose process it is."""
    gpus = [offer(gpu, target, threshold_mib, owners, locked) for gpu in reading.gpus]
    return gpus + [slot(target, position) for position in range(slots)]


def offer(gpu: Gpu, target: str, threshold_mib: int, owners: Mapping[int, str], locked: Locked = NOT_LOCKED) -> Offer:
    """One GPU as a device. Unknown memory is 0 MiB, so that it fits no run that asks for an amount."""
    held, ours = locked.others.get(gpu.uuid), locked.ours.get(gpu.uuid)
    return Offer(
        id=f"{target}/{gpu.uuid}",
        kind="gpu",
        position=gpu.index,
        uuid=gpu.uuid,
        name=gpu.name,
        memory_mib=gpu.memory_total_mib or 0,
        busy=None if gpu.fault else held or used_by_others(gpu, threshold_mib, owners),
        fault=gpu.fault,
        used_mib=gpu.memory_used_mib,
        strangers=held is not None or any(process.pid not in owners for process in gpu.processes or ()),
        ours={**({ours: 0} if ours else {}), **use_of_ours(gpu, owners)},
        utilisation=gpu.utilisation,
    )


def use_of_ours(gpu: Gpu, owners: Mapping[int, str]) -> dict[str, int]:
    """Attempt -> MiB of all its processes on a GPU; 0 where the driver does not tell of one of them."""
    found: dict[str, list[int | None]] = {}
    for process in gpu.processes or ():
        if process.pid in owners:
            found.setdefault(owners[process.pid], []).append(process.memory_mib)
    return {
        attempt: sum(mib for mib in each if mib is not None) if None not in each else 0
        for attempt, each in found.items()
    }


def slot(target: str, position: int) -> Offer:
    """A CPU slot: never busy, never at fault."""
    return Offer(
        id=f"{target}/slot{position}",
        kind="slot",
        position=position,
        uuid=None,
        name=f"CPU slot {position}",
        memory_mib=0,
        busy=None,
        fault=None,
    )


def used_by_others(gpu: Gpu, threshold_mib: int, owners: Mapping[int, str]) -> str | None:
    """A sentence on who uses it although it is not us; None = nobody. Without figures the list of processes decides,
    and without that list only our own leases do.
    """
    foreign = [process for process in gpu.processes or () if process.pid not in owners]
    if foreign:
        return f"in use by {sentence(foreign)}, not ours"
    used = gpu.memory_used_mib
    # while we are there, memory cannot tell who took it: a share of it may not be listed under any pid
    if not gpu.processes and used is not None and used > threshold_mib:
        return f"{used} MiB of its memory are in use (free means at most {threshold_mib} MiB) by no process of ours"
    return None


def sentence(processes: list[Process]) -> str:
    """`pid 12 (300 MiB), pid 13`; many are counted."""
    named = ", ".join(
        f"pid {process.pid}" + ("" if process.memory_mib is None else f" ({process.memory_mib} MiB)")
        for process in processes[:NAMED]
    )
    more = len(processes) - NAMED
    return f"{named} and {more} more" if more > 0 else named


def memory_back(reading: Reading, uuids: Iterable[str], threshold: int = THRESHOLD_MIB) -> bool | None:
    """Whether all these GPUs are empty again: no process listed and at most `threshold` MiB in use. None = unknown for
    one of them (at fault, or never seen) and no proof of the contrary for another. A stranger who takes the GPU
    meanwhile also gives False: bound the wait.
    """
    answers = [empty(reading.gpu(uuid), threshold) for uuid in uuids]
    if False in answers:
        return False
    return None if None in answers else True


def empty(gpu: Gpu | None, threshold: int) -> bool | None:
    """Whether one GPU is empty; without a figure for its memory its processes decide, and the other way round."""
    if gpu is None or gpu.fault:
        return None
    if gpu.processes or (gpu.memory_used_mib is not None and gpu.memory_used_mib > threshold):
        return False
    if gpu.processes is None and gpu.memory_used_mib is None:
        return None
    return True
