"""A machine whose GPUs a test makes up: a driver state file, a library and a program that read it, and a clock."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from overnight.targets.devices.reading import MIB


@dataclass
class HandClock:
    """The machine's boot clock, plus what a test adds."""

    added: float = 0.0
    boot_id: str = "here"

    def wall(self) -> float:
        return time.time() + self.added

    def boot(self) -> float:
        return time.clock_gettime(time.CLOCK_BOOTTIME) + self.added


@dataclass
class Made:
    """One made-up GPU."""

    uuid: str
    used_mib: int = 1
    total_mib: int = 80 * 1024
    utilisation: int = 0
    temperature: int = 31
    name: str = "NVIDIA H100 80GB HBM3"

    def line(self) -> str:
        """Its facts in the state file."""
        memory = f"{self.total_mib * MIB} {self.used_mib * MIB}"
        return f"{self.uuid} {memory} {self.utilisation} {self.temperature} {self.name}"


@dataclass
class Machine:
    """Writes the state file; `env` is the environment of a probe on this machine."""

    state: Path
    env: dict[str, str]

    def have(self, *gpus: Made, then: Sequence[str] = ()) -> None:
        """The GPUs from now on, in the driver's order, and further lines of the state file."""
        rows = [f"gpu {index} {gpu.line()}" for index, gpu in enumerate(gpus)]
        draft = self.state.with_suffix(".new")
        draft.write_text("\n".join([*rows, *then]) + "\n", encoding="utf-8")
        draft.replace(self.state)


def environment(state: Path, *, library: Path, programs: Path) -> dict[str, str]:
    """Ours, with that folder first for libraries and for programs."""
    return {
        **os.environ,
        "FAKE_GPUS": str(state),
        "LD_LIBRARY_PATH": str(library),
        "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
    }


def eventually(holds: Callable[[], bool], seconds: float = 10.0) -> bool:
    """Whether it comes true in time."""
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def alive(pid: int) -> bool:
    """Whether a process exists and is no zombie."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    return status.rpartition(")")[2].split()[0] != "Z"
