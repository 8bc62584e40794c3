"""When there is too little room to start anything, and when there is enough again. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

LARGEST_PART = 0.05
"""Most of a file system that a reserve may ask for: on a small one the configured figure could never be met."""
ENOUGH = 1.1
"""Times the reserve that must be free before work goes on, so that it does not stop and go on all the time."""


class Space(Protocol):
    """What is left at a place; None = nobody could say."""

    @property
    def path(self) -> str:
        """Where."""

    @property
    def free_bytes(self) -> int | None:
        """Bytes that we may write."""

    @property
    def free_inodes(self) -> int | None:
        """Files that we may make; None also where the file system has no such bound."""

    @property
    def total_bytes(self) -> int | None:
        """Size of the file system."""

    @property
    def total_inodes(self) -> int | None:
        """Files that it can hold."""


@dataclass(frozen=True, slots=True)
class Reserve:
    """What must be left before something new starts."""

    bytes: int = 0
    inodes: int = 0


NO_RESERVE = Reserve()
"""Everything may be used up."""


def is_low(space: Space, reserve: Reserve) -> bool:
    """Whether less is left than the reserve; what is not known is not low."""
    return bool(_short(space, reserve, 1.0))


def is_back(space: Space, reserve: Reserve) -> bool:
    """Whether clearly more is left than the reserve; what is not known is not back."""
    return space.free_bytes is not None and not _short(space, reserve, ENOUGH)


def sentence(space: Space, reserve: Reserve) -> str:
    """What is left and what is kept, for people."""
    return f"{space.path} has {' and '.join(_short(space, reserve, ENOUGH)) or 'room again'}"


def _short(space: Space, reserve: Reserve, times: float) -> list[str]:
    wanted_bytes = _bounded(reserve.bytes, space.total_bytes)
    wanted_inodes = _bounded(reserve.inodes, space.total_inodes)
    found = []
    if space.free_bytes is not None and space.free_bytes < wanted_bytes * times:
        found.append(f"{_mib(space.free_bytes)} MiB free, {_mib(wanted_bytes)} MiB are kept in reserve")
    if space.free_inodes is not None and space.free_inodes < wanted_inodes * times:
        found.append(f"room for {space.free_inodes} files, {wanted_inodes:.0f} are kept in reserve")
    return found


def _bounded(wanted: int, total: int | None) -> float:
    return wanted if total is None else min(wanted, total * LARGEST_PART)


def _mib(number: float) -> str:
    return f"{number / 1024**2:.1f}"
