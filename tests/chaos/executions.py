"""What a kill test must find at its end: every promise of the plane, checked against the jobs' own marks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.chaos.journal import Ending
from tests.chaos.plane import Plane


@dataclass(slots=True)
class Tally:
    """How often runs were executed, and what is wrong, as sentences."""

    runs: int = 0
    executions: int = 0
    repeated: int = 0
    """Executions that came after the first one of their run."""
    wrong: list[str] = field(default_factory=list)


def check(plane: Plane, acknowledged: Mapping[str, Ending], *, executors_killed: int) -> Tally:
    """Compare what was acknowledged with the record and with the marks of the executions."""
    tally = Tally(runs=len(acknowledged))
    for run_id, ending in acknowledged.items():
        shown = plane.run(run_id)
        tally.wrong += [f"{run_id}: {sentence}" for sentence in _differences(shown, ending)]
        tally.wrong += [f"{run_id}: {sentence}" for sentence in _misdeeds(plane.lines(run_id))]
        executed = len(plane.lines(run_id)) // 2
        interrupted = sum(attempt["state"] == "lost" for attempt in shown["attempts_made"])
        if executed > 1 + interrupted:
            tally.wrong.append(f"{run_id}: executed {executed} times with {interrupted} interruptions")
        tally.executions += executed
        tally.repeated += executed - 1
    if tally.repeated > executors_killed:
        tally.wrong.append(f"{tally.repeated} executions were repeated, {executors_killed} executors were killed")
    return tally


def _differences(shown: Mapping[str, Any], ending: Ending) -> list[str]:
    """The record of a run against its true end."""
    last = shown["attempts_made"][-1] if shown["attempts_made"] else {"code": None, "signal": None}
    found = (shown["state"], shown["reason"], last["code"], last["signal"])
    true = (ending.state, ending.reason, ending.code, ending.signal)
    return [] if found == true else [f"recorded as {found}, was {true} ({shown['detail']})"]


def _misdeeds(lines: list[str]) -> list[str]:
    """An execution that was killed or overlapped another one leaves a start that its own end does not follow."""
    if not lines:
        return ["was never executed"]
    pairs = [(lines[at], lines[at + 1] if at + 1 < len(lines) else "nothing") for at in range(0, len(lines), 2)]
    return [
        f"{start!r} was followed by {end!r}"
        for start, end in pairs
        if not start.startswith("start ") or end != start.replace("start", "end", 1)
    ]
