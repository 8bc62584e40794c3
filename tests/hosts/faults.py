"""What happens to a host at night. A fault is over when its function returns, and harms no job but by a power cut."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.chaos.plane import kill
from tests.hosts.witness import power_cut
from tests.parts.hosts import Host

LONG = 8.0
"""Seconds of the few long cuts."""


@dataclass
class Night:
    """Faults of one host in a random order, on a thread of its own."""

    host: Host
    rng: random.Random
    rounds: int
    """Of each kind."""
    works: Callable[[], int]
    """How many jobs the host has begun so far."""
    lull: float = 1.6
    """Seconds between two faults, at most: the next one comes as soon as the host works again."""
    count: Counter[str] = field(default_factory=Counter)
    failed: BaseException | None = None
    _never: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def begin(self) -> None:
        """Let it fall."""
        self._thread = threading.Thread(target=self._pass, name=f"night of {self.host.name}")
        self._thread.start()

    def over(self) -> None:
        """Wait for the morning; raises what went wrong with a fault itself."""
        assert self._thread is not None
        self._thread.join()
        if self.failed is not None:
            raise self.failed

    def _pass(self) -> None:
        faults = [name for name in FAULTS for _ in range(self.rounds)]
        self.rng.shuffle(faults)
        try:
            for name in faults:
                self._wait_for_work()
                FAULTS[name](self)
                self.count[name] += 1
        except BaseException as error:
            self.failed = error

    def _wait_for_work(self) -> None:
        before, end = self.works(), time.monotonic() + self.lull
        while self.works() == before and time.monotonic() < end:
            self._never.wait(0.05)
        self.wait(0, 0.3)

    def wait(self, shortest: float, longest: float) -> None:
        """Let a fault last."""
        self._never.wait(self.rng.uniform(shortest, longest))


def cut_link(night: Night) -> None:
    night.host.cut()
    night.wait(LONG, LONG + 1) if night.rng.random() < 0.04 else night.wait(1.0, 1.4)
    night.host.join()


def drop_one_way(night: Night) -> None:
    night.host.drop_one_way(night.rng.choice(("in", "out")))
    night.wait(0.8, 1.4)
    night.host.heal()


def kill_sshd(night: Night) -> None:
    night.host.kill_sshd()
    night.wait(0, 0.3)
    night.host.start_sshd()


def kill_runner(night: Night) -> None:
    for pid in runners(night.host):
        kill(pid)


def power(night: Night) -> None:
    night.host.power_off()
    power_cut(night.host)
    night.wait(0, 0.8)
    night.host.power_on()


def fill_disk(night: Night) -> None:
    night.host.fill_disk()
    night.wait(0.3, 1.0)
    night.host.free_disk()


FAULTS: Mapping[str, Callable[[Night], None]] = {
    "link cut": cut_link,
    "one-way drop": drop_one_way,
    "sshd killed": kill_sshd,
    "runner killed": kill_runner,
    "power cut": power,
    "disk full": fill_disk,
}


def runners(host: Host) -> list[int]:
    """Pids of the runners on a host, not of their executors."""
    return [pid for pid in host.pids() if b"runner" in _read(pid, "cmdline").split(b"\0") and not _executes(pid)]


def _executes(pid: int) -> bool:
    return _read(pid, "comm").strip() == b"overnight-exec"


def _read(pid: int, what: str) -> bytes:
    try:
        return Path(f"/proc/{pid}/{what}").read_bytes()
    except OSError:
        return b""
