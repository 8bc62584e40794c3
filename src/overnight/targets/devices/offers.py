"""From a reading to the devices that may be given: pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from overnight.targets.base import Offer
from overnight.targets.devices.reading import Gpu, Process, Reading

THRESHOLD_MIB = 500
"""Memory in use up to which a GPU counts as free: a driver and a display need some of it."""

NAMED = 5
"""How many foreign processes a sentence names before it only counts them."""


def offers(
    reading: Reading,
    *,
    target: str,
    slots: int,
    threshold_mib: int = THRESHOLD_MIB,
    ours: Mapping[str, frozenset[int]],
) -> list[Offer]:
    """Every GPU of the reading, then `slots` CPU slots. `ours`: GPU UUID -> pids of our attempts that hold it, all
    processes of their trees.
    """
    gpus = [offer(gpu, target, threshold_mib, ours.get(gpu.uuid, frozenset())) for gpu in reading.gpus]
    return gpus + [slot(target, position) for position in range(slots)]


def offer(gpu: Gpu, target: str, threshold_mib: int, ours: frozenset[int]) -> Offer:
    """One GPU as a device. Unknown memory is 0 MiB, so that it fits no run that asks for an amount."""
    return Offer(
        id=f"{target}/{gpu.uuid}",
        kind="gpu",
        position=gpu.index,
        uuid=gpu.uuid,
        name=gpu.name,
        memory_mib=gpu.memory_total_mib or 0,
        busy=None if gpu.fault else used_by_others(gpu, threshold_mib, ours),
        fault=gpu.fault,
    )


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


def used_by_others(gpu: Gpu, threshold_mib: int, ours: frozenset[int]) -> str | None:
    """A sentence on who uses it although it is not us; None = nobody. Without figures the list of processes decides,
    and without that list only our own leases do.
    """
    foreign = [process for process in gpu.processes or () if process.pid not in ours]
    if foreign:
        return f"in use by {sentence(foreign)}, not ours"
    used = gpu.memory_used_mib
    # while we hold it, memory cannot tell who took it: a share of it may not be listed under any pid
    if not ours and used is not None and used > threshold_mib:
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
