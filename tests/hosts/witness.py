"""What jobs did, as their own marks tell it: on which machine, from when to when, and what ended them early.

A job appends `start UPTIME PID ATTEMPT GPUS` and `end …` to its run's file in a folder that Overnight does not know;
uptime is the same on all hosts of a rack. Who cuts a host's power says so with `power_cut`.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from tests.parts.hosts import Host, Rack

FOLDER = "/tmp/witness"
"""On hosts; outside of homes, so that it has room when they have none."""
POWER = "power"
TICK = 0.011
"""Seconds: uptime is told in hundredths."""


def uptime() -> float:
    """Seconds since the boot, as the marks count them."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def power_cut(host: Host) -> None:
    """The host's processes are gone now: what they had not ended stays so."""
    folder = host.path(FOLDER)
    folder.mkdir(exist_ok=True)
    with (folder / POWER).open("a", encoding="ascii") as file:
        file.write(f"{uptime():.3f}\n")


def begun(host: Host) -> int:
    """How many runs have left a mark there."""
    folder = host.path(FOLDER)
    return sum(1 for _ in folder.iterdir()) if folder.is_dir() else 0


@dataclass(frozen=True)
class Execution:
    """One process that carried out an attempt."""

    site: str
    attempt: str
    start: float
    end: float | None
    """None = it was never heard to end."""
    gpus: str
    """What it was told to use; `-` = nothing."""
    power: float | None
    """The first power cut of its machine after its start."""

    @property
    def over(self) -> float | None:
        """When it certainly was over."""
        return self.end if self.end is not None else self.power


def witnessed(rack: Rack, marks: Path) -> Mapping[str, list[Execution]]:
    """Run id -> its executions on all hosts and on this machine (`marks`), by their start."""
    found: dict[str, list[Execution]] = {}
    places = {"here": marks, **{name: host.path(FOLDER) for name, host in rack.hosts.items()}}
    for site, folder in places.items():
        cuts = [float(line) for line in _lines(folder / POWER)]
        for path in folder.iterdir() if folder.is_dir() else ():
            if path.name != POWER:
                found.setdefault(path.name, []).extend(_executions(site, _lines(path), cuts))
    return {run: sorted(executions, key=lambda it: it.start) for run, executions in found.items()}


def at_once(executions: Sequence[Execution]) -> Iterator[str]:
    """Which of these executions began before another one was over; they are in the order of their starts."""
    for before, after in pairwise(executions):
        if before.over is not None and after.start < before.over - TICK:
            yield f"{before} and {after} ran at once"


def misdeeds(executions: Sequence[Execution]) -> Iterator[str]:
    """What is wrong with the executions of one run: one that was killed without a power cut, or two at once."""
    for execution in executions:
        if execution.over is None:
            yield f"{execution} was killed"
    yield from at_once(executions)


def _lines(path: Path) -> list[str]:
    return path.read_text(encoding="ascii").splitlines() if path.exists() else []


def _executions(site: str, lines: Sequence[str], cuts: Sequence[float]) -> Iterator[Execution]:
    marks = [line.split() for line in lines]
    ends = {(pid, attempt): float(at) for word, at, pid, attempt, _ in marks if word == "end"}
    for word, at, pid, attempt, gpus in marks:
        if word == "start":
            start = float(at)
            power = next((cut for cut in cuts if cut >= start), None)
            yield Execution(site, attempt, start, ends.get((pid, attempt)), gpus, power)
