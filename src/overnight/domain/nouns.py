"""The things of which the store keeps one row each, as frozen values. Times are wall seconds, lengths are seconds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from overnight.domain.plan import Budget, EnvironmentPlan, Goal, Need, Retry


@dataclass(frozen=True, slots=True)
class Attribution:
    """For whom something is created, beside the actor who asks: through which surface, in which conversation."""

    origin: str = "native"
    """`native`, `wild`, `mcp`, `cli`."""
    chat: str | None = None
    attributed: int = 0
    """0 = nothing was said of a conversation, 1 = there is none, on purpose, 2 = `chat` names it."""


@dataclass(frozen=True, slots=True)
class Campaign:
    """One research effort."""

    id: str
    seq: int
    name: str
    state: str
    gate: str
    digest: str
    """sha256 of the plan; the same file interrupted and started again has the same one."""
    path: str
    goal: Goal | None
    budget: Budget
    parallel: int | None
    code: Mapping[str, Any]
    """Identity of the code at submission: commit and diff digest, or content hash."""
    attempts_used: int
    created_at: float
    started_at: float | None
    settled_at: float | None
    actor: str
    analyze: bool = False
    origin: str = ""
    chat: str | None = None
    attributed: int = 0
    """See `Attribution`."""


@dataclass(frozen=True, slots=True)
class SweepSettings:
    """What all runs of a sweep share; frozen at submission."""

    workdir: str
    need: Need
    retry: Retry
    environment: EnvironmentPlan
    time_limit: float | None
    grace: float
    parallel: int | None
    replicates: tuple[str, ...]
    phase: str = ""
    barrier: bool = False
    targets: tuple[str, ...] = ("here",)
    """Where its runs may go, in order of preference."""
    code: str | None = None
    """Identity of the frozen copy of `workdir` that its runs work in; None = in `workdir` itself, on the target."""
    on_disconnect: str = "hold"
    """What the end of a lease means: `hold`, `requeue` or `kill`."""
    lease: float = 900.0
    """Seconds without a word of its server after which a host ends a run by itself (not with `hold`)."""
    secrets: tuple[tuple[str, str], ...] = ()
    estimate: float | None = None
    stale_after: float | None = None
    hang: float | None = None
    precondition_wait: float = 0.0
    breaker: int | None = None
    capacity: bool = False
    """Starts only while fewer runs are live than the cluster has room for; the cluster's type decides on its GPU."""
    shell: str = "/bin/sh"
    """What reads commands that are text."""


@dataclass(frozen=True, slots=True)
class Sweep:
    """Runs made from one template. `campaign_id` is None for runs that were submitted alone."""

    id: str
    seq: int
    campaign_id: str | None
    name: str
    state: str
    gate: str
    priority: int
    settings: SweepSettings
    created_at: float
    settled_at: float | None
    started_at: float | None = None
    """When the first run of a sweep with a barrier was started; None for others."""

    @property
    def phase(self) -> str:
        """The phase that it is reported under."""
        return self.settings.phase or self.name


@dataclass(frozen=True, slots=True)
class Run:
    """One configuration that should reach an end."""

    id: str
    seq: int
    campaign_id: str | None
    sweep_id: str
    name: str
    state: str
    reason: str | None
    detail: str | None
    priority: int
    config: Mapping[str, Any]
    """`command` (text or list), `parameters`, `outputs`, `env`: as written, frozen."""
    attempts: int
    """Attempts made in all."""
    failures: int
    """Failed attempts that count for the retry policy since submission or the last `retry`."""
    interruptions: int
    not_before: float | None
    created_at: float
    started_at: float | None
    ended_at: float | None
    fence: int
    """Token of the newest attempt; 0 before the first."""
    rung: int = 0
    """0 = as it was written; n = the n-th declared smaller setting of `config["smaller"]`."""
    hint: Mapping[str, Any] | None = None
    """What the next placement should mind: `avoid` (ids of devices)."""
    actor: str = "admin"
    origin: str = ""
    chat: str | None = None
    attributed: int = 0
    """See `Attribution`."""
    parent_id: str | None = None
    """The run that it was made from."""
    queued_at: float | None = None
    """When its start was first asked for."""
    archived_at: float | None = None
    """Since when listings leave it out."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One execution of a run on one target."""

    id: str
    run_id: str
    number: int
    state: str
    reason: str | None
    detail: str | None
    fence: int
    target: str
    boot_id: str | None
    folder: str
    devices: tuple[str, ...]
    claimed_at: float
    started_at: float | None
    ended_at: float | None
    observed_at: float | None
    pid: int | None
    code: int | None
    signal: int | None
    record: Mapping[str, Any] | None
    """The exit record as the runner wrote it."""
    signature: str | None = None
    """What its failure looked like, in one line that is equal for equal failures."""


@dataclass(frozen=True, slots=True)
class Device:
    """One GPU, or one CPU slot, of a target."""

    id: str
    target: str
    kind: str
    """`gpu` or `slot`."""
    position: int
    """Index that the driver gives; what `CUDA_VISIBLE_DEVICES` is made from."""
    uuid: str | None
    name: str
    memory_mib: int
    state: str
    diagnosis: str | None
    busy: str | None
    """Why it may not be given now although no lease of ours holds it; None = free."""
    seen_at: float
    used_mib: int | None = None
    """Memory in use; None = the driver does not say."""
    strangers: bool = False
    """Whether processes that are not ours use it."""


@dataclass(frozen=True, slots=True)
class Event:
    """What happened, who did it; append-only, chained by hash."""

    seq: int
    wall: float
    boot_id: str
    actor: str
    request_id: str
    kind: str
    subject: str
    token: int
    payload: Mapping[str, Any]
    hash: str
