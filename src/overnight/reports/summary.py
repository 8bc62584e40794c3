"""A campaign summed up: counts, lengths, results over replicates, the winner and the noise, failures, next steps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from overnight.domain.plan import Goal
from overnight.domain.states import OPEN_RUN
from overnight.reports.cells import SweepResults, gather
from overnight.reports.duration import duration
from overnight.reports.failures import FailureGroup, failures
from overnight.reports.material import Material
from overnight.reports.phases import Phase, counts, phase, wall_seconds
from overnight.reports.steps import Step, next_steps
from overnight.reports.winner import Best, best_of_each


@dataclass(frozen=True, slots=True)
class Summary:
    """What there is to say about a campaign at one moment. Times are wall seconds, lengths seconds."""

    id: str
    name: str
    state: str
    goal: Goal | None
    now: float
    started_at: float | None
    settled_at: float | None
    counts: Mapping[str, int]
    """Runs by state, every state named, and `total`."""
    retried: int
    """Runs that took more than one attempt."""
    reported: int
    """Runs that succeeded and left numbers."""
    wall_seconds: float | None
    phases: tuple[Phase, ...]
    results: tuple[SweepResults, ...]
    winners: Mapping[str, Best]
    """By sweep, for the sweeps that have the goal metric."""
    winner: Best | None
    """That of the last sweep that has the goal metric, with its contrasts to the best of the others."""
    failures: tuple[FailureGroup, ...]
    next: tuple[Step, ...]

    @property
    def headline(self) -> str:
        """`27 runs: 25 succeeded (2 after a retry), 1 failed, 1 blocked, in 3 min 20 s.`"""
        shown = [_count(self, state) for state in self.counts if state != "total" and self.counts[state]]
        length = "" if self.wall_seconds is None else f", in {duration(self.wall_seconds)}"
        runs = "1 run" if self.counts["total"] == 1 else f"{self.counts['total']} runs"
        return f"{runs}{': ' if shown else ''}{', '.join(shown)}{length}."

    @property
    def over(self) -> bool:
        """Whether nothing of the campaign goes on by itself."""
        return not any(self.counts[state] for state in OPEN_RUN)


def _count(summary: Summary, state: str) -> str:
    again = sum(it.retried_to_success for it in summary.phases) if state == "succeeded" else 0
    return f"{summary.counts[state]} {state}{f' ({again} after a retry)' if again else ''}"


def summarise(material: Material) -> Summary:
    """The same material gives the same summary, character by character."""
    campaign = material.campaign
    runs = [it for sweep in material.sweeps for it in sweep.runs]
    found = counts(runs)
    results = tuple(gather(sweep) for sweep in material.sweeps)
    winners = best_of_each(results, campaign.goal) if campaign.goal else {}
    winner = list(winners.values())[-1] if winners else None
    failed = failures(material.sweeps)
    return Summary(
        id=campaign.id,
        name=campaign.name,
        state=campaign.state,
        goal=campaign.goal,
        now=material.now,
        started_at=campaign.started_at,
        settled_at=campaign.settled_at,
        counts=found,
        retried=sum(it.attempts > 1 for it in runs),
        reported=sum(it.run.state == "succeeded" and bool(it.results) for it in runs),
        wall_seconds=wall_seconds(material),
        phases=tuple(phase(sweep, material.now) for sweep in material.sweeps),
        results=results,
        winners=winners,
        winner=winner,
        failures=failed,
        next=next_steps(campaign, found, failed, results, winner),
    )
