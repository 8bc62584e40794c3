"""What the attempts of a run, or the reports of others, say of its times and its end."""

from __future__ import annotations

import os
from dataclasses import dataclass

from overnight.domain.nouns import Run
from overnight.planner import wild as words
from overnight.planner.wild import TERMINAL, Ended, RunStatus
from overnight.store.wild import Callback


@dataclass(frozen=True, slots=True)
class Made:
    """A row of `attempts_of_runs`."""

    run_id: str
    number: int
    state: str
    reason: str | None
    detail: str | None
    target: str
    folder: str
    devices: str
    claimed_at: float
    started_at: float | None
    ended_at: float | None
    code: int | None
    signal: int | None


def ended(made: Made) -> Ended:
    """What is on record of its end."""
    return Ended(made.reason, made.detail, made.code, made.signal)


def times(run: Run, status: RunStatus, newest: Made | None) -> dict[str, float | None]:
    """When things happened; None = not yet."""
    over = run.ended_at if status in TERMINAL else None
    started = newest.started_at if newest else run.started_at
    return {
        "queued_at": run.queued_at,
        "launched_at": newest.claimed_at if newest else None,
        "started_at": started,
        "stopped_at": over if status == "stopped" else None,
        "ended_at": over,
        "archived_at": run.archived_at,
    }


def ending(run: Run, status: RunStatus, newest: Made | None, said: Callback | None) -> tuple[int | None, str | None]:
    """(exit code, error) of a run that is over; nothing before, not even between two attempts."""
    if status not in TERMINAL:
        return None, None
    if run.state == "blocked":
        return None, f"it cannot start: {run.detail or run.reason}"
    if said is not None and not run.attempts:
        return said.exit_code, said.error or _failure(Ended(None, None, said.exit_code), status)
    how = ended(newest) if newest else Ended(run.reason, run.detail)
    return words.exit_code(how), _failure(how, status)


def _failure(how: Ended, status: RunStatus) -> str | None:
    return words.error_of(how) if status == "failed" else None


def host_of(target: str) -> str:
    """The name of a machine; the target `here` is this one."""
    return os.uname().nodename if target == "here" else target
