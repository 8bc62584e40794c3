"""Waits for the analysis hook of a campaign that this process has carried out: it would end with the process."""

from __future__ import annotations

from typing import Any

from overnight.clock import Clock
from overnight.surfaces.caller import Caller

WAIT_SECONDS = 1.0
"""Longest wait for news between two looks."""
SPARE_SECONDS = 10.0
"""Beyond the hook's own time limit: for its end to be noted."""
NEWEST = 50
"""Alerts that are looked at: the wish for an analysis is raised with a campaign's end."""


def wait_for(caller: Caller, campaign: str, clock: Clock, time_limit: float, *, told: bool) -> None:
    """Return when no hook waits or runs for the campaign, or after its time limit; `told`: say what became of it."""
    end = clock.boot() + time_limit + SPARE_SECONDS
    seen = int(caller.call("events", limit=1)["next"])
    wishes = _wishes(caller, campaign)
    while any(it["state"] == "waiting" for it in wishes) and clock.boot() < end:
        seen = int(caller.call("events", after=seen, wait=WAIT_SECONDS, limit=1_000)["next"])
        wishes = _wishes(caller, campaign)
    if told and wishes:
        _tell(wishes[0])


def _wishes(caller: Caller, campaign: str) -> list[dict[str, Any]]:
    found = caller.call("alerts", campaign=campaign, limit=NEWEST)["alerts"]
    return [it for it in found if it["kind"] == "analysis"]


def _tell(wish: dict[str, Any]) -> None:
    from overnight.surfaces.cli.screen import clean

    said = {"sent": "done", "waiting": "not ended yet"}.get(wish["state"], f"failed: {clean(wish['failure'])}")
    print(f"analysis: {said}")
