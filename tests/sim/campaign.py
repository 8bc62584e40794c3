"""Runs many seeds on several processes and adds up what they met."""

from __future__ import annotations

import json
import multiprocessing
import os
import tempfile
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from overnight.testing.chance import KINDS, SOMETIMES
from overnight.testing.record import Record, fast_folder
from overnight.testing.world import Failed, Simulation

REPORT = "OVERNIGHT_TEST_REPORT"
"""Environment variable: folder for the JSON summary."""


@dataclass
class Summary:
    """What many simulations were like together."""

    schedules: int = 0
    events: int = 0
    runs: int = 0
    turns: int = 0
    executions: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    reached: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    hashes: dict[int, str] = field(default_factory=dict)

    def add(self, other: Summary) -> None:
        self.schedules += other.schedules
        self.events += other.events
        self.runs += other.runs
        self.turns += other.turns
        self.executions += other.executions
        self.faults += other.faults
        self.reached += other.reached
        self.failures += other.failures
        self.hashes |= other.hashes

    @property
    def missing(self) -> list[str]:
        """Faults that were never injected, and rare situations that were never reached."""
        return [kind for kind in KINDS if not self.faults[kind]] + [it for it in SOMETIMES if not self.reached[it]]


def simulate(seeds: Iterable[int], *, enough: int = 20) -> Summary:
    """Go through seeds in this process; stops after `enough` failures."""
    summary = Summary()
    with tempfile.TemporaryDirectory(prefix="overnight-", dir=fast_folder()) as name:
        record = Record(Path(name))
        for seed in seeds:
            summary.schedules += 1
            try:
                outcome = Simulation(seed, record).run()
            except Failed as failure:
                summary.failures.append(str(failure))
                if len(summary.failures) >= enough:
                    break
                continue
            summary.events += outcome.events
            summary.runs += outcome.runs
            summary.turns += outcome.turns
            summary.executions += outcome.executions
            summary.faults += outcome.faults
            summary.reached += outcome.reached
            summary.hashes[seed] = outcome.hash
        record.close()
    return summary


def simulate_on(processes: int, seeds: Sequence[int]) -> Summary:
    """The same, with the seeds dealt out to several processes."""
    whole = Summary()
    with multiprocessing.get_context("spawn").Pool(processes) as pool:
        for part in pool.imap_unordered(simulate, [seeds[start::processes] for start in range(processes)]):
            whole.add(part)
    return whole


def report(summary: Summary, seconds: float) -> None:
    """Leave the summary where the environment asks for it."""
    folder = os.environ.get(REPORT)
    if not folder:
        return
    Path(folder).mkdir(parents=True, exist_ok=True)
    document = {
        "schedules": summary.schedules,
        "seconds": round(seconds, 1),
        "events": summary.events,
        "runs": summary.runs,
        "turns": summary.turns,
        "executions": summary.executions,
        "faults": {kind: summary.faults[kind] for kind in KINDS},
        "sometimes": {situation: summary.reached[situation] for situation in SOMETIMES},
        "violations": summary.failures,
    }
    Path(folder, "simulation.json").write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
