"""Campaigns, sweeps, runs and attempts as they are shown. Times are wall seconds, lengths are seconds."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field
from typing_extensions import TypedDict

Number = float | Literal["NaN", "Infinity", "-Infinity"]
"""A number as JSON can carry it."""
Counts = dict[str, int]
"""Runs by state, every state named, and `total`."""
Command = str | list[str]


class Named(TypedDict):
    """Something by its id and name."""

    id: str
    name: str


class Trouble(TypedDict):
    """Why something cannot start, or should be looked at before: a stable code and a sentence."""

    code: str
    detail: str


class GoalView(TypedDict):
    """The metric that decides."""

    metric: str
    direction: str


class NeedView(TypedDict):
    """What one attempt occupies."""

    gpus: int
    slots: int
    gpu_memory_mib: int
    gpu_name: str | None
    devices: list[int] | None
    free_below_mib: int | None
    share: int
    or_cpu: bool


class RetryView(TypedDict):
    """How often and when a failed run is tried again."""

    attempts: int
    delay: float
    factor: float
    longest: float
    only_memory: bool
    only_gpu_memory: bool
    smaller: int


class EnvironmentView(TypedDict):
    """What is activated around a command."""

    venv: str | None
    conda: str | None
    conda_hook: str | None
    uv: str | None
    container: str | None


class _Shared(TypedDict):
    workdir: str
    snapshot: str | None
    targets: list[str]
    on_disconnect: str
    lease: float
    resources: NeedView
    retry: RetryView
    time_limit: float | None
    grace: float
    estimate: float | None
    stale_after: float | None
    hang: float | None
    environment: EnvironmentView
    secrets: dict[str, str]


class SettingsView(_Shared):
    """What the runs of a sweep share."""

    barrier: bool
    parallel: int | None
    precondition_wait: float
    breaker: int | None
    replicates: list[str]


class _Attribution(TypedDict):
    actor: str
    origin: str
    chat: str | None
    attributed: bool
    intentional: bool
    labels: dict[str, str]


class CampaignView(_Attribution):
    """A campaign in a listing."""

    id: str
    seq: int
    name: str
    state: str
    paused: bool
    path: str
    goal: GoalView | None
    budget: dict[str, float | None]
    attempts_used: int
    parallel: int | None
    code: dict[str, Any]
    counts: Counts
    created_at: float
    started_at: float | None
    settled_at: float | None


class SweepView(SettingsView):
    """A sweep, and what its runs share."""

    id: str
    campaign_id: str | None
    name: str
    state: str
    paused: bool
    priority: int
    phase: str
    counts: Counts
    labels: dict[str, str]


class RunView(_Attribution):
    """A run in a listing."""

    id: str
    seq: int
    campaign_id: str | None
    sweep_id: str
    name: str
    state: str
    reason: str | None
    detail: str | None
    priority: int
    parameters: dict[str, Any]
    rung: int
    changed: dict[str, Any]
    attempts: int
    not_before: float | None
    created_at: float
    started_at: float | None
    ended_at: float | None
    queued_at: float | None
    archived_at: float | None
    parent_id: str | None


class SmallerView(TypedDict):
    """A declared smaller setting."""

    changed: dict[str, Any]
    command: Command


class FrozenView(_Shared):
    """What a run executes, as it was frozen at submission."""

    command: Command
    parameters: dict[str, Any]
    outputs: list[str]
    environment_names: list[str]
    requires: list[str]
    skip_if_done: bool
    smaller: list[SmallerView]
    code: dict[str, Any] | None


class FetchView(TypedDict):
    """How far the copy of what an attempt left on another machine is: `pending`, `done` or `failed`. `files` and
    `bytes`: of what is here, once all is; `problem`: why the last of `tries` tries failed."""

    state: Literal["pending", "done", "failed"]
    files: int | None
    bytes: int | None
    problem: str | None
    tries: int
    next_at: float | None
    since: float


class AttemptView(TypedDict):
    """One execution of a run. `usage`, `leftovers` and `log` are from its exit record; `in_use`: what one that may be
    alive was last seen to use (`at`, `cpu_seconds`, `rss_bytes`, `peak_rss_bytes`, `processes`, `gpu_utilisation` in
    percent, `gpu_memory_mib`)."""

    id: str
    number: int
    state: str
    reason: str | None
    detail: str | None
    signature: str | None
    fence: int
    target: str
    devices: list[str]
    folder: str
    pid: int | None
    code: int | None
    signal: int | None
    claimed_at: float
    started_at: float | None
    ended_at: float | None
    seconds: float | None
    usage: dict[str, Any] | None
    in_use: dict[str, Any] | None
    leftovers: int | None
    log: dict[str, Any] | None
    fetch: FetchView | None
    snapshot: str | None


class MarkView(TypedDict):
    """What is worth saying of an attempt and changes nothing."""

    attempt: str
    mark: str
    detail: str
    at: float


class NeededRun(TypedDict):
    """A run that another one needs."""

    id: str
    name: str
    state: str


class ShownCampaign(CampaignView):
    """A campaign, whole; `source` is its file as it was submitted."""

    kind: Literal["campaign"]
    sweeps: list[SweepView]
    source: str


class ShownSweep(SweepView):
    """A sweep, whole."""

    kind: Literal["sweep"]


class ShownRun(RunView):
    """A run, whole."""

    kind: Literal["run"]
    phase: str
    hint: dict[str, Any] | None
    frozen: FrozenView
    needs: list[NeededRun]
    marks: list[MarkView]
    attempts_made: list[AttemptView]
    fetch: FetchView | None
    results: dict[str, Number]


Shown = Annotated[ShownCampaign | ShownSweep | ShownRun, Field(discriminator="kind")]
