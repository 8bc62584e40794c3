"""What a job, or a rule about its numbers, asks a person."""

from __future__ import annotations

from dataclasses import dataclass

SEVERITIES = ("info", "warning", "critical")
USUAL_SEVERITY = "warning"
"""What any other word counts as."""
IGNORE, STOP_RUN = "Ignore", "Stop run"
"""Choices of what a rule asks; the second one orders the run's end."""
ANSWERS_FOLDER = "alerts"
"""Folder below an attempt's own, in which each answer is a file `ID.response` that holds just the choice."""


@dataclass(frozen=True, slots=True)
class Question:
    """One of them. Times are wall seconds; `message` and `choices` may be hostile text."""

    id: str
    """32 lower-case hex digits."""
    run_id: str
    attempt: int
    """Number of the attempt that asked; 0 = the run had made none."""
    rule: str | None
    """The rule that asks; None = the job, or somebody on its behalf."""
    severity: str
    message: str
    choices: tuple[str, ...]
    at: float
    response: str | None
    responded_at: float | None
    responded_by: str | None
    delivered_at: float | None
    """When the answer was put into the attempt's folder."""
    chat: str | None
    """The conversation of its run."""
