"""Why something ended or waits: kept apart from states, with fixed remedies."""

from __future__ import annotations

from enum import StrEnum


class Reason(StrEnum):
    """Why an attempt or run ended as it did (`reliability.md` R14: judged from evidence, never from 137 alone)."""

    OK = "ok"
    NONZERO_EXIT = "nonzero_exit"
    KILLED = "killed"
    """Ended by a signal that was not ours."""
    HOST_OOM = "host_oom"
    """The kernel's out-of-memory kill, by the control group's own counter."""
    TIME_LIMIT = "time_limit"
    STOPPED = "stopped"
    START_FAILED = "start_failed"
    """The command could not be started: missing folder, program or permission."""
    MISSING_OUTPUT = "missing_output"
    """Exit 0 without a fresh declared output."""
    INTERRUPTED = "interrupted"
    """Host or runner lost; proven dead without an exit record."""
    NEVER_STARTED = "never_started"
    NEED_FAILED = "need_failed"
    BUDGET = "budget"
    CANCELLED = "cancelled"


RETRIED = frozenset({Reason.NONZERO_EXIT, Reason.KILLED, Reason.HOST_OOM, Reason.MISSING_OUTPUT})
"""Reasons that the retry policy of a sweep applies to. A time limit or a failed start would only repeat itself."""

INTERRUPTIONS_ALLOWED = 3
"""How often a run is started again because its host or runner was lost; its retry policy does not count these."""
