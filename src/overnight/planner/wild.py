"""How runs and sweeps stand in the words of the Wild V2 protocol, and what a report about a run means. Pure. Source:
the protocol, 2.2, 2.3 and decisions 8, 13 and 18."""

from __future__ import annotations

import signal
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from overnight.domain.reasons import Reason

RunStatus = Literal["ready", "queued", "launching", "running", "finished", "failed", "stopped"]
SweepStatus = Literal["draft", "pending", "running", "completed", "failed", "canceled"]

TERMINAL: tuple[RunStatus, ...] = ("finished", "failed", "stopped")
"""Nothing of the run goes on."""
ACTIVE: tuple[RunStatus, ...] = ("launching", "running")
"""A process of it may be alive."""
SHELL_SIGNAL = 128
"""What shells, and the protocol, add to the number of the signal that ended a command."""

_OF_STATE: Mapping[str, RunStatus] = MappingProxyType(
    {
        "ready": "ready",
        "waiting": "queued",
        "queued": "queued",
        "delayed": "queued",
        "running": "running",
        "cancelling": "running",
        "collecting": "running",
        "external": "running",
        "succeeded": "finished",
        "failed": "failed",
        "cancelled": "stopped",
        "blocked": "stopped",
    }
)
_MAY_LAUNCH = ("running", "external")
"""States of which a part is `launching`."""


def run_status(state: str, *, launching: bool) -> RunStatus:
    """The protocol's word for a run's state. `launching`: its process was not seen yet, or who carries it says so."""
    return "launching" if launching and state in _MAY_LAUNCH else _OF_STATE[state]


def states_of(status: RunStatus) -> tuple[str, ...]:
    """All states that may have this word."""
    if status == "launching":
        return _MAY_LAUNCH
    return tuple(state for state, word in _OF_STATE.items() if word == status)


@dataclass(frozen=True, slots=True)
class Progress:
    """Numbers of runs by the protocol's words for a sweep."""

    total: int
    completed: int
    failed: int
    running: int
    launching: int
    ready: int
    queued: int
    canceled: int


def progress_of(counts: Mapping[str, int], launching: int) -> Progress:
    """From numbers of runs by state; `launching` of those that are live were not seen to run yet."""
    words: dict[RunStatus, int] = {}
    for state, number in counts.items():
        words[_OF_STATE[state]] = words.get(_OF_STATE[state], 0) + number
    return Progress(
        total=sum(counts.values()),
        completed=words.get("finished", 0),
        failed=words.get("failed", 0),
        running=words.get("running", 0) - launching,
        launching=launching,
        ready=words.get("ready", 0),
        queued=words.get("queued", 0),
        canceled=words.get("stopped", 0),
    )


def sweep_status(progress: Progress, *, draft: bool, cancelled: bool) -> SweepStatus:
    """The word for a sweep; the first that fits. `cancelled`: by hand, which sticks."""
    found: tuple[tuple[bool, SweepStatus], ...] = (
        (cancelled, "canceled"),
        (draft and not progress.total, "draft"),
        (not progress.total, "pending"),
        (progress.running + progress.launching > 0, "running"),
        (progress.queued > 0, "pending"),
        (progress.ready > 0, "pending"),
        (progress.failed > 0, "failed"),
        (progress.completed > 0, "completed"),
    )
    return next((status for holds, status in found if holds), "canceled")


@dataclass(frozen=True, slots=True)
class Ended:
    """What is on record of how a run ended."""

    reason: str | None
    detail: str | None
    code: int | None = None
    signal: int | None = None


def exit_code(ended: Ended) -> int | None:
    """The number by which shells tell an end; None = no process ended."""
    return ended.code if ended.signal is None else SHELL_SIGNAL + ended.signal


def error_of(ended: Ended) -> str:
    """Why a run failed, in one sentence."""
    said = ended.detail or ended.reason or "failed"
    if ended.reason in (Reason.TIME_LIMIT, Reason.HANG):
        return said
    if ended.signal is not None:
        return f"Process was killed by signal {ended.signal} ({signal_name(ended.signal)})"
    if not ended.code:
        return said
    by_shell = ended.code > SHELL_SIGNAL and ended.reason == Reason.KILLED
    named = f" ({signal_name(ended.code - SHELL_SIGNAL)})" if by_shell else ""
    return f"Process exited with code {ended.code}{named}"


def signal_name(number: int) -> str:
    """`SIGKILL` and the like; `signal 77` for a number without a name."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


@dataclass(frozen=True, slots=True)
class Standing:
    """How a run stands when somebody reports about it."""

    state: str
    status: RunStatus
    ours: bool
    """Whether our own runner carries it out, or did."""


@dataclass(frozen=True, slots=True)
class Report:
    """What a report changes: `arrow` is what the run takes (None = none); `kept`: it is new and worth keeping."""

    status: RunStatus
    arrow: str | None = None
    kept: bool = False


_ORDER: Mapping[str, int] = MappingProxyType({"ready": 0, "queued": 0, "launching": 1, "running": 2})
_ARROWS: Mapping[str, str] = MappingProxyType(
    {"finished": "report_success", "failed": "report_failure", "stopped": "report_stop"}
)


def reported(status: RunStatus, code: int | None) -> RunStatus:
    """What a reported word means: finished with a code other than 0 is failed."""
    return "failed" if status == "finished" and code else status


def report_of(standing: Standing, status: RunStatus) -> Report | None:
    """What a report (see `reported`) means for a run; None = it contradicts what is known."""
    if status == standing.status:
        return Report(status, kept=standing.state == "external")
    if standing.state not in ("ready", "external"):
        # The job says that it runs before its process was seen: our runner will say the same.
        known = standing.ours and (standing.status, status) == ("launching", "running")
        return Report(status) if known else None
    if status in _ARROWS:
        return Report(status, _ARROWS[status], kept=True)
    if status not in ACTIVE or _ORDER[status] < _ORDER[standing.status]:
        return None
    return Report(status, "report" if standing.state == "ready" else None, kept=True)
