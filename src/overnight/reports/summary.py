"""A campaign summed up: counts, lengths, results over replicates, the winner and the noise, failures, next steps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from overnight.domain.plan import Goal
from overnight.domain.states import OPEN_RUN
from overnight.reports.cells import SweepResults, gather
from overnight.reports.duration import duration
from overnight.reports.failures import FailureGroup, failures
from overnight.reports.figures import number
from overnight.reports.gpus import GpuHours, gpu_hours
from overnight.reports.marks import MarkGroup, marks
from overnight.reports.material import Material, RunMaterial
from overnight.reports.phases import Phase, counts, phases, wall_seconds
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
    retried_attempts: int
    """Attempts beyond the first one of each run."""
    memory_recovered: int
    """Runs that succeeded after they had run out of memory."""
    skipped: int
    """Runs that succeeded without an attempt: their outputs were there already."""
    result_files: int
    """Outputs that were declared for the runs that succeeded; each was there when its run ended."""
    gpu_hours: GpuHours | None
    """None for a campaign that used no GPU."""
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
    marks: tuple[MarkGroup, ...]
    next: tuple[Step, ...]

    @property
    def headline(self) -> str:
        """`27 runs: 25 succeeded (2 after a retry), 1 failed, 1 blocked, in 3 min 20 s.`"""
        shown = [_count(self, state) for state in self.counts if state != "total" and self.counts[state]]
        length = "" if self.wall_seconds is None else f", in {duration(self.wall_seconds)}"
        runs = "1 run" if self.counts["total"] == 1 else f"{self.counts['total']} runs"
        return f"{runs}{': ' if shown else ''}{', '.join(shown)}{length}."

    @property
    def jobs_line(self) -> str:
        """`39 completed, 2 OOM-retried then completed, 1 stuck`; blocked, canceled and open ones where there are some.

        The first number is without the second, so that all of them add up to the number of runs.
        """
        done = self.counts["succeeded"] - self.memory_recovered
        said = [f"{done} completed", f"{self.memory_recovered} OOM-retried then completed"]
        said.append(f"{self.counts['failed']} stuck")
        more = {"blocked": self.counts["blocked"], "canceled": self.counts["cancelled"], "not over": self.still_open}
        return ", ".join([*said, *(f"{number} {word}" for word, number in more.items() if number)])

    @property
    def facts(self) -> tuple[str, ...]:
        """Short sentences beside the jobs line: result files, GPU hours, wall-clock time."""
        found = [f"{self.result_files} result file{'' if self.result_files == 1 else 's'}"]
        if self.gpu_hours:
            used, idle = number(self.gpu_hours.used, digits=3), number(self.gpu_hours.idle, digits=3)
            found.append(f"{used} GPU hours used, {idle} idle")
        if self.wall_seconds is not None:
            found.append(f"wall-clock time {duration(self.wall_seconds)}")
        return tuple(found)

    @property
    def still_open(self) -> int:
        """Runs that go on by themselves."""
        return sum(self.counts[state] for state in OPEN_RUN)

    @property
    def over(self) -> bool:
        """Whether nothing of the campaign goes on by itself."""
        return self.still_open == 0


def _count(summary: Summary, state: str) -> str:
    if state != "succeeded":
        return f"{summary.counts[state]} {state}"
    again = sum(it.retried_to_success for it in summary.phases)
    said = [f"{again} after a retry"] if again else []
    if summary.skipped:
        said.append(f"{summary.skipped} skipped: {'its' if summary.skipped == 1 else 'their'} outputs were there")
    aside = f" ({', '.join(said)})" if said else ""
    return f"{summary.counts[state]} {state}{aside}"


def _files(it: RunMaterial) -> int:
    return len(it.run.config.get("outputs") or ()) if it.run.state == "succeeded" else 0


def summarise(material: Material) -> Summary:
    """The same material gives the same summary, character by character."""
    campaign = material.campaign
    runs = material.runs
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
        retried_attempts=sum(max(0, it.attempts - 1) for it in runs),
        memory_recovered=sum(it.run.state == "succeeded" and it.memory_retries > 0 for it in runs),
        skipped=sum(it.skipped for it in runs),
        result_files=sum(_files(it) for it in runs),
        gpu_hours=gpu_hours(material),
        reported=sum(it.run.state == "succeeded" and bool(it.results) for it in runs),
        wall_seconds=wall_seconds(material),
        phases=phases(material),
        results=results,
        winners=winners,
        winner=winner,
        failures=failed,
        marks=marks(material.sweeps),
        next=next_steps(campaign, found, failed, results, winner),
    )
