"""What is worth a look although nothing failed: runs that were slow, silent, idle, too fast, or left the numbers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from overnight.domain.reasons import Mark
from overnight.reports.material import SweepMaterial

MEANING: Mapping[str, str] = MappingProxyType(
    {
        Mark.PACKED: "shared its GPU with other runs: its times cannot be compared",
        Mark.SLOW: "took more than twice its estimate",
        Mark.SILENT: "wrote nothing for long",
        Mark.IDLE: "left its GPUs idle for long",
        Mark.TOO_FAST: "ended much sooner than usual",
        Mark.DIVERGED: "ended well with a number that is not finite",
        Mark.STALE_CODE: "ran with files that were not as submitted: its frozen copy had been changed",
    }
)
"""Marks in words, to follow the name of a run; others stand for themselves."""


@dataclass(frozen=True, slots=True)
class MarkedRun:
    """One run with a mark."""

    id: str
    name: str
    sweep: str
    detail: str


@dataclass(frozen=True, slots=True)
class MarkGroup:
    """Runs with the same mark."""

    kind: str
    meaning: str
    runs: tuple[MarkedRun, ...]


def marks(sweeps: Iterable[SweepMaterial]) -> tuple[MarkGroup, ...]:
    """Marked runs by mark, in the order of the plan; `packed` last, since it is shown beside the lengths too.

    A mark of an attempt before the newest one counts as well, but not that it shared a GPU.
    """
    groups: dict[str, dict[str, MarkedRun]] = {}
    for sweep in sweeps:
        for it in sweep.runs:
            for mark in it.marks:
                if mark.newest or mark.kind != Mark.PACKED:
                    found = MarkedRun(it.run.id, it.run.name, sweep.sweep.name, mark.detail)
                    groups.setdefault(mark.kind, {})[it.run.id] = found
    found_groups = [MarkGroup(kind, MEANING.get(kind, kind), tuple(runs.values())) for kind, runs in groups.items()]
    return tuple(sorted(found_groups, key=lambda group: group.kind == Mark.PACKED))
