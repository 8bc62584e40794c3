"""Follows a campaign to its end, through anybody who answers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from statistics import median
from typing import Any

from overnight.clock import Clock
from overnight.domain.states import FINAL_RUN, OPEN_RUN
from overnight.surfaces.caller import Caller

REFRESH_SECONDS = 0.1
"""Shortest time between two looks at a campaign, however much happens."""
TIMES_SECONDS = 5.0
"""Shortest time between two looks at how long runs take."""
TIMED = 1_000
"""Runs whose times are looked at."""
REASONS_SECONDS = 5.0
"""How long nothing runs before it is asked why, and between two such questions."""
PAGE = 1_000
"""Events read at once; of a longer list the rest is skipped."""
LOOKED_UP = 5
"""Failed runs that are looked up by name at each look; more are only counted."""


@dataclass(frozen=True, slots=True)
class Standing:
    """How a campaign stands: its view with its sweeps, the server's seconds it has taken and may take, and news."""

    campaign: dict[str, Any]
    elapsed: float
    left: float | None
    """None while no run of it has ended."""
    news: tuple[dict[str, Any], ...]
    """Runs that failed since the last standing."""
    unnamed: int
    """Further runs that failed since then."""
    reasons: tuple[str, ...]
    """Why nothing runs, while nothing runs."""

    @property
    def over(self) -> bool:
        """Whether all its runs have reached an end."""
        return bool(self.campaign["state"] != "active")


@dataclass(slots=True)
class Follower:
    """Looks at a campaign whenever something happened, at most every `REFRESH_SECONDS`, at least every `wait`."""

    caller: Caller
    campaign_id: str
    clock: Clock
    pause: Callable[[float], None]
    wait: float
    seen: int
    """Number of the last event before those that are news."""
    _durations: dict[str, list[float]] = field(default_factory=dict)
    _timed_at: float = float("-inf")
    _timed_ends: int = -1
    _reasons: tuple[str, ...] = ()
    _reasoned_at: float | None = None
    """When something ran last, or when it was asked why nothing does."""
    _widest: int = 1

    def standings(self) -> Iterator[Standing]:
        """The standing now and after every change, the last one when the campaign is over."""
        failed: list[str] = []
        while True:
            looked_at = self.clock.boot()
            standing = self._look(failed)
            if standing.over:
                yield self._with_last_news(standing)
                return
            yield standing
            failed = self._next_failures(self.wait)
            self.pause(max(0.0, looked_at + REFRESH_SECONDS - self.clock.boot()))

    def _with_last_news(self, standing: Standing) -> Standing:
        """It ended while we looked: what happened just before is told too."""
        last = self._look(self._next_failures(0.0))
        return replace(last, news=standing.news + last.news, unnamed=standing.unnamed + last.unnamed)

    def _next_failures(self, wait: float) -> list[str]:
        """Wait at most `wait` seconds for events; the ids of runs that they say have failed, of whichever campaign."""
        answer = self.caller.call("events", after=self.seen, wait=wait, limit=PAGE)
        self.seen = answer["next"]
        if len(answer["events"]) == PAGE:
            self.seen = max(self.seen, self.caller.call("events", limit=1)["next"])
        return [event["subject"] for event in answer["events"] if event["kind"] == "run.fail"]

    def _look(self, failed: Sequence[str]) -> Standing:
        campaign = self.caller.call("show", id=self.campaign_id)
        named = [self.caller.call("show", id=run) for run in failed[:LOOKED_UP]]
        self._widest = max(self._widest, campaign["counts"]["running"])
        self._look_at_times(campaign)
        return Standing(
            campaign=campaign,
            elapsed=max(0.0, self.clock.wall() - campaign["created_at"]),
            left=time_left(campaign["sweeps"], self._durations, self._widest),
            news=tuple(run for run in named if run["campaign_id"] == campaign["id"]),
            unnamed=max(0, len(failed) - LOOKED_UP),
            reasons=self._why_nothing_runs(campaign),
        )

    def _look_at_times(self, campaign: dict[str, Any]) -> None:
        ends = sum(campaign["counts"][state] for state in FINAL_RUN)
        now = self.clock.boot()
        if ends == self._timed_ends or now < self._timed_at + TIMES_SECONDS:
            return
        runs = self.caller.call("list_runs", campaign=self.campaign_id, limit=TIMED)["runs"]
        self._durations = durations(runs)
        self._timed_at, self._timed_ends = now, ends

    def _why_nothing_runs(self, campaign: dict[str, Any]) -> tuple[str, ...]:
        counts, now = campaign["counts"], self.clock.boot()
        if self._reasoned_at is None or counts["running"] or counts["cancelling"] or campaign["state"] != "active":
            self._reasons, self._reasoned_at = (), now
        elif now >= self._reasoned_at + REASONS_SECONDS:
            found = self.caller.call("explain", id=self.campaign_id)["reasons"]
            waiting = [reason for reason in found if reason["state"] in OPEN_RUN]
            self._reasons, self._reasoned_at = tuple(dict.fromkeys(_sentence(it) for it in waiting)), now
        return self._reasons


def _sentence(reason: dict[str, Any]) -> str:
    steps = "".join(f"; {step}" for step in reason["next"][:1])
    return f"{reason['name']} is {reason['state']}: {reason['reason']}{steps}"


def durations(runs: Sequence[dict[str, Any]]) -> dict[str, list[float]]:
    """Sweep id -> seconds that its succeeded runs took."""
    found: dict[str, list[float]] = {}
    for run in runs:
        if run["state"] == "succeeded" and run["started_at"] is not None and run["ended_at"] is not None:
            found.setdefault(run["sweep_id"], []).append(max(0.0, run["ended_at"] - run["started_at"]))
    return found


def time_left(sweeps: Sequence[dict[str, Any]], known: dict[str, list[float]], width: int) -> float | None:
    """Seconds until all runs have ended, if each takes the median of its sweep (or of all) and `width` run at once.

    A run that goes on counts as half done. None when no run has ended yet.
    """
    every = [seconds for times in known.values() for seconds in times]
    if not every:
        return None
    usual, total = median(every), 0.0
    for sweep in sweeps:
        counts = sweep["counts"]
        open_runs = sum(counts[state] for state in OPEN_RUN) - counts["running"] / 2
        total += open_runs * (median(known[sweep["id"]]) if sweep["id"] in known else usual)
    return total / width
