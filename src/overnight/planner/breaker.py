"""Whether the first runs of a sweep failed in the same way, so that the rest would fail too."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from overnight.domain.reasons import Reason

ALIKE = frozenset(
    {
        Reason.NONZERO_EXIT,
        Reason.CODE_ERROR,
        Reason.MISSING_DEPENDENCY,
        Reason.ENV_ERROR,
        Reason.START_FAILED,
        Reason.NO_GPU,
    }
)
"""Reasons that speak against the program or its surroundings, and so against all runs of a sweep."""


def is_due(breaker: int | None, counts: Mapping[str, int]) -> bool:
    """Whether a look at the failures is worth it, by the number of runs per state: exactly so many have failed, none
    has succeeded, and something is left that has not been started."""
    rest = counts.get("waiting", 0) + counts.get("queued", 0)
    return breaker is not None and counts.get("failed", 0) == breaker and not counts.get("succeeded", 0) and rest > 0


def trips(breaker: int, failures: Sequence[tuple[str | None, str | None]]) -> bool:
    """Whether all failed runs, (reason, signature) each, failed in one way that speaks against the rest."""
    if len(failures) < breaker or len(set(failures)) != 1:
        return False
    reason, signature = failures[0]
    return reason in ALIKE and bool(signature)
