"""What a campaign found."""

from __future__ import annotations

from typing import Any

from typing_extensions import TypedDict

from overnight.service.answers.things import GoalView, Named, Number


class SummaryCampaign(Named):
    """The campaign that is summed up."""

    state: str
    goal: GoalView | None
    started_at: float | None
    settled_at: float | None


class PhaseSummary(TypedDict):
    """A phase summed up."""

    name: str
    state: str
    sweeps: list[str]
    runs: int
    succeeded: int
    failed: int
    other: int
    retried: int
    oom_retries: int
    packed: int
    seconds: float | None
    counts: dict[str, int]


class Swapped(TypedDict):
    """A parameter as it was written, and as it was used."""

    written: Any
    used: Any


class MissingRun(TypedDict):
    """A replicate without results."""

    name: str
    state: str
    reason: str | None


class SpreadView(TypedDict):
    """A metric over replicates."""

    n: int
    mean: Number | None
    sd: Number | None
    min: Number | None
    max: Number | None
    not_finite: int
    values: dict[str, Number]
    silent: list[str]


class CellResults(TypedDict):
    """One configuration and what its replicates found."""

    label: str
    parameters: dict[str, Any]
    changed: dict[str, Swapped]
    elsewhere: list[str]
    packed: list[str]
    runs: list[Named]
    missing: list[MissingRun]
    metrics: dict[str, SpreadView]


class ContrastView(TypedDict):
    """Another configuration against the best one."""

    sweep: str
    label: str
    parameters: dict[str, Any]
    changed: dict[str, Swapped]
    mean: Number | None
    sd: Number | None
    n: int
    advantage: Number | None
    pooled_sd: Number | None
    standard_error: Number | None
    standard_errors: Number | None
    noise: str


class BestView(TypedDict):
    """The best configuration, and how sure that is."""

    sweep: str
    label: str
    parameters: dict[str, Any]
    changed: dict[str, Swapped]
    metric: str
    direction: str
    mean: Number | None
    sd: Number | None
    n: int
    candidates: int
    tied: int
    runner_up: ContrastView | None
    others: list[ContrastView]
    not_ranked: list[str]
    sentence: str
    beside: list[str]


class SweepResultsView(TypedDict):
    """Results of one sweep over replicates."""

    sweep: str
    replicates: list[str]
    varied: list[str]
    metrics: list[str]
    cells: list[CellResults]
    best: BestView | None


class FailedRun(TypedDict):
    """A run that did not succeed."""

    id: str
    name: str
    sweep: str
    state: str
    reason: str | None
    detail: str | None
    attempts: int
    last_lines: list[str]
    next: list[str]


class Failures(TypedDict):
    """Runs that failed for one reason."""

    reason: str
    meaning: str
    count: int
    runs: list[FailedRun]


class MarkedRun(TypedDict):
    """A run with a mark."""

    id: str
    name: str
    sweep: str
    detail: str


class Marks(TypedDict):
    """Runs with one kind of mark."""

    kind: str
    meaning: str
    count: int
    runs: list[MarkedRun]


class GpuHoursView(TypedDict):
    """Hours of GPUs while the campaign ran."""

    used: float
    idle: float


class SummaryView(TypedDict):
    """What a campaign found so far."""

    campaign: SummaryCampaign
    counts: dict[str, int]
    phases: list[PhaseSummary]
    results: list[SweepResultsView]
    failures: list[Failures]
    marks: list[Marks]
    winner: BestView | None
    headline: str
    jobs_line: str
    facts: list[str]
    wall_seconds: float | None
    retried: int
    retried_attempts: int
    skipped: int
    result_files: int
    gpu_hours: GpuHoursView | None
    reported: int
    over: bool
    next: list[str]
