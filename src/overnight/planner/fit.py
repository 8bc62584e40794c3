"""Which devices a need may take: kind, size, place in the driver's order, who else uses them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol

from overnight.domain.cluster import HERE
from overnight.domain.plan import Need

HEADROOM = 1.1
"""Times the learnt peak of a run that is set aside for it on a shared GPU: its use was only seen from time to time."""


class Card(Protocol):
    """What is asked of a device, on record or as the planner has it."""

    @property
    def kind(self) -> str:
        """`gpu` or `slot`."""

    @property
    def position(self) -> int:
        """Index that the driver gives."""

    @property
    def name(self) -> str:
        """Its model."""

    @property
    def memory_mib(self) -> int:
        """Its whole memory; 0 = not known, or it has none."""

    @property
    def busy(self) -> str | None:
        """Why it is not free by the threshold of its target; None = free."""

    @property
    def used_mib(self) -> int | None:
        """Memory in use; None = the driver does not say."""

    @property
    def strangers(self) -> bool:
        """Whether processes use it that should not."""


@dataclass(frozen=True, slots=True)
class Holder:
    """A run of ours on a GPU that it is willing to share."""

    attempt: str
    part: int
    share: int
    """Most runs that it bears on its GPU, itself included."""
    peak_mib: int | None
    """Most memory that runs like it were seen to use; None = not known yet, so that nobody may join it."""


@dataclass(frozen=True, slots=True)
class FreeDevice:
    """A device that nobody holds, or a GPU whose holders share it."""

    id: str
    kind: str
    position: int
    memory_mib: int
    name: str
    busy: str | None = None
    used_mib: int | None = None
    strangers: bool = False
    holders: tuple[Holder, ...] = ()
    target: str = HERE


def kind_and_number(need: Need) -> tuple[str, int]:
    """Which devices a need takes, and how many; 0 = none at all."""
    return ("gpu", need.gpus) if need.gpus else ("slot", need.slots)


def takes_nothing(need: Need) -> bool:
    """Whether a need is met without any device, so that only `parallel` bounds its runs."""
    return kind_and_number(need)[1] == 0


def suits(device: Card, need: Need) -> bool:
    """Whether a device is of the kind, name and size that a need asks for, and one of those that it allows."""
    wanted, _ = kind_and_number(need)
    if device.kind != wanted or wanted == "slot":
        return device.kind == wanted
    allowed = need.devices is None or device.position in need.devices
    named = need.gpu_name is None or need.gpu_name.casefold() in device.name.casefold()
    return allowed and named and device.memory_mib >= need.gpu_memory_mib


def is_free(device: Card, need: Need) -> bool:
    """Whether nobody uses a device that we do not hold: by the threshold of the need, else by that of the target.

    Where the driver tells no memory the target's word decides: it knows the processes at least.
    """
    if need.free_below_mib is None or device.used_mib is None:
        return device.busy is None
    return not device.strangers and device.used_mib < need.free_below_mib


def may_have(device: FreeDevice, need: Need, peak_mib: int | None) -> bool:
    """Whether a run may be given a device now; `peak_mib` is what runs like it were seen to use on such a GPU."""
    if not suits(device, need):
        return False
    return _may_join(device, need, peak_mib) if device.holders else is_free(device, need)


def could_have(device: FreeDevice, need: Need) -> bool:
    """Whether a device serves a run as soon as our own runs on it have ended: what one that waits too long keeps."""
    return suits(device, need) and (not device.strangers if device.holders else is_free(device, need))


def free_part(device: FreeDevice) -> int:
    """The lowest share of a device that nobody has."""
    taken = {holder.part for holder in device.holders}
    return next(part for part in range(len(taken) + 1) if part not in taken)


def joined(device: FreeDevice, attempt: str, share: int, peak_mib: int | None) -> FreeDevice:
    """The device with one more run on it."""
    return replace(device, holders=(*device.holders, Holder(attempt, free_part(device), share, peak_mib)))


def _may_join(device: FreeDevice, need: Need, peak_mib: int | None) -> bool:
    """Only where everybody there bears one more, and the memory that all of them may need at once is there."""
    peaks = [holder.peak_mib for holder in device.holders]
    most = min(need.share, *(holder.share for holder in device.holders))
    if device.strangers or len(peaks) >= most or peak_mib is None:
        return False
    known = [peak for peak in peaks if peak is not None]
    promised = max(HEADROOM * sum(known), device.used_mib or 0)
    return len(known) == len(peaks) and promised + HEADROOM * peak_mib <= device.memory_mib
