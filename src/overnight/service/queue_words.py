"""The words of the experiment queue for what we call states and reasons. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from overnight.domain.reasons import Reason

WORDS = ("pending", "blocked", "running", "failed_oom", "completed", "stuck", "canceled")
"""Every state that a job of the queue can be in."""

_BY_STATE = {
    "ready": "pending",
    "waiting": "pending",
    "queued": "pending",
    "delayed": "pending",
    "running": "running",
    "external": "running",
    "cancelling": "running",
    "collecting": "running",
    "succeeded": "completed",
    "failed": "stuck",
    "blocked": "blocked",
    "cancelled": "canceled",
}
_LACK_OF_MEMORY = frozenset({Reason.VRAM_OOM, Reason.NEIGHBOUR_OOM, Reason.HOST_OOM})
_CLASSES: Mapping[str, str] = {
    Reason.VRAM_OOM: "vram_oom",
    Reason.NEIGHBOUR_OOM: "vram_oom",
    Reason.HOST_OOM: "host_oom",
    Reason.KILLED: "killed",
    Reason.ENV_ERROR: "env_error",
    Reason.TIME_LIMIT: "timeout",
    Reason.HANG: "timeout",
    Reason.MISSING_OUTPUT: "missing_output",
    Reason.SYNC_FAILED: "missing_output",
    Reason.INTERRUPTED: "interrupted",
    Reason.LEASE_LOST: "interrupted",
    Reason.PREEMPTED: "interrupted",
    Reason.HARDWARE: "interrupted",
    Reason.DISK_FULL: "disk_full",
}
"""Reasons that the queue has a word of its own for; every other failure is a `nonzero_exit`."""


def word_of(state: str, reason: str | None) -> str:
    """The queue's word for a run: a waiting one whose paths are missing is blocked, one that lacked memory waits as
    `failed_oom`."""
    if state == "waiting" and reason == Reason.PRECONDITION_MISSING:
        return "blocked"
    if state == "delayed" and reason in _LACK_OF_MEMORY:
        return "failed_oom"
    return _BY_STATE[state]


def class_of(state: str, reason: str | None) -> str | None:
    """The queue's `error_class` of a run that failed, for good or until it is tried again; None for others."""
    if state not in ("failed", "delayed") or reason is None:
        return None
    return _CLASSES.get(reason, "nonzero_exit")


def phase_status(counts: Mapping[str, int]) -> str:
    """What a phase is at, from its jobs by word: `pending, running, completed, failed` or `blocked`."""
    begun = any(counts.get(word) for word in ("completed", "stuck", "canceled"))
    if counts.get("running") or counts.get("failed_oom") or (counts.get("pending") and begun):
        return "running"
    if counts.get("pending"):
        return "pending"
    if counts.get("stuck") or counts.get("canceled"):
        return "failed"
    return "blocked" if counts.get("blocked") else "completed"
