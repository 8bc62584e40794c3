"""What live attempts were last seen to use. It decides nothing; the final numbers are in their exit records."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from overnight.store.base import Session

NAMES = ("cpu_seconds", "rss_bytes", "peak_rss_bytes", "processes", "gpu_utilisation", "gpu_memory_mib")


def keep(session: Session, found: Sequence[Mapping[str, Any]]) -> None:
    """Replace what is known of attempts: `attempt_id` and `NAMES` of each; the last two may be None."""
    if found:
        session.many("usage_put", [{**it, "now": session.now} for it in found])


def of_run(session: Session, run_id: str) -> dict[str, dict[str, Any]]:
    """Attempt -> `at` (wall seconds) and `NAMES`, of the attempts of a run that may be alive."""
    return {row[0]: dict(zip(("at", *NAMES), row[1:], strict=True)) for row in session.rows("usages_of_run", id=run_id)}
