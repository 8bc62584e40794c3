"""Who a process is: boot id, pid and start time. A bare pid names nobody."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import NamedTuple

from . import kernel

BOOT_ID_FILE = "/proc/sys/kernel/random/boot_id"
"""Changes at every boot of the machine."""


class Stat(NamedTuple):
    """One line of `/proc/PID/stat`; start_time is field 22, in clock ticks since boot."""

    pid: int
    state: str
    parent: int
    group: int
    session: int
    start_time: int

    @property
    def living(self) -> bool:
        """A zombie has ended; only its parent has not looked yet."""
        return self.state not in ("Z", "X")


@dataclass(frozen=True)
class Identity:
    """A process that stays the same one for ever, whoever gets its pid later."""

    boot_id: str
    pid: int
    start_time: int


def boot_id() -> str:
    """Return the identity of this boot."""
    with open(BOOT_ID_FILE, encoding="ascii") as file:
        return file.read().strip()


def read_stat(pid: int) -> Stat | None:
    """Return what the kernel says about pid, None when there is no such process."""
    fields = stat_fields(pid, 20)
    if fields is None:
        return None
    return Stat(pid, fields[0].decode(), int(fields[1]), int(fields[2]), int(fields[3]), int(fields[19]))


def stat_fields(pid: int, number: int) -> list[bytes] | None:
    """Return the first fields of `/proc/PID/stat` from the state on, at least so many; None when there is no such
    process."""
    try:
        descriptor = os.open(f"/proc/{pid}/stat", os.O_RDONLY)
    except OSError:
        return None
    try:
        data = os.read(descriptor, 1024)
    except OSError:
        return None
    finally:
        os.close(descriptor)
    # The name in parentheses may hold blanks and parentheses of its own: count from the last one.
    fields = data[data.rfind(b")") + 2 :].split(None, number)
    return fields if len(fields) >= number else None


def alive(identity: Identity, current_boot: str) -> bool:
    """Tell whether exactly this process still runs; a zombie and a stranger with its pid do not count."""
    stat = read_stat(identity.pid) if identity.boot_id == current_boot else None
    return stat is not None and stat.living and stat.start_time == identity.start_time


def open_pidfd(identity: Identity, current_boot: str) -> int | None:
    """Return a descriptor that names exactly this process, None when it has ended. The caller closes it."""
    if identity.boot_id != current_boot:
        return None
    try:
        descriptor = kernel.pidfd_open(identity.pid)
    except OSError:
        return None
    # Checked after the descriptor was taken: from here on it cannot change hands.
    if alive(identity, current_boot):
        return descriptor
    os.close(descriptor)
    return None
