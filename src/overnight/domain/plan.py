"""What a campaign file says, expanded: a `CampaignPlan` of sweeps of cells.

Every dialect of campaign file becomes this one shape; the store freezes it, the planner never sees a template.
Text that may still change at launch (`${run_dir}`, `${needs.SWEEP}`, `${GPU}`) stands in commands, outputs and
environment values as it was written; `launch_text` in `overnight.manifest.template` resolves it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType

Scalar = str | int | float | bool | None
"""A parameter's value as YAML or JSON reads it."""

NOTHING: Mapping[str, str] = MappingProxyType({})
TARGET_NAME = "[A-Za-z0-9_][A-Za-z0-9_.@:%-]*"
"""What an alias or `user@host` of an SSH configuration may be; never an option, a path or text for a shell."""
LONGEST_TARGET = 200
"""Characters of the longest name of a target."""
MOST_TARGETS = 100
"""Targets that one sweep may name."""


class Direction(StrEnum):
    """Which way the goal metric gets better."""

    MAXIMIZE = "maximize"
    MINIMIZE = "minimize"


@dataclass(frozen=True)
class Goal:
    """The metric that decides which configuration won."""

    metric: str
    direction: Direction


@dataclass(frozen=True)
class Need:
    """What one attempt occupies: `gpus` whole devices, or, when `gpus` is 0, `slots` CPU slots of the target.

    0 slots = no device at all: bounded by `parallel` alone.
    """

    gpus: int = 0
    slots: int = 1
    gpu_memory_mib: int = 0
    """Smallest total memory of an acceptable GPU; 0 = any."""
    devices: tuple[int, ...] | None = None
    """Positions of the acceptable GPUs; None = all."""
    free_below_mib: int | None = None
    """A GPU is free when less of its memory is in use; None = as the target is configured."""
    share: int = 1
    """Most runs of ours that may be on the GPU of this one at once; above 1 only with `gpus` 1."""
    or_cpu: bool = False
    """On a target that has no GPU at all: takes no device (resolved when the plan is submitted)."""
    gpu_name: str | None = None
    """Part of the name of an acceptable GPU, in any case: `h100`; None = any."""


@dataclass(frozen=True)
class Retry:
    """How often and when a failed run is tried again.

    `attempts` counts attempts in all, the first included. The n-th failure waits `delay * factor ** (n - 1)` seconds,
    at most `longest`. Interruptions (host or runner lost) are retried apart from this, at most three times.
    """

    attempts: int = 1
    delay: float = 10.0
    factor: float = 2.0
    longest: float = 600.0
    only_memory: bool = False
    """Nothing but lack of memory (device or host) is tried again: the rule of the queue's manifests."""
    only_gpu_memory: bool = False
    """Nothing but busy or full GPUs is tried again, always after `delay`: the rule of the Wild V2 protocol."""
    smaller: int = 0
    """Smaller settings that the cells declare (`CellPlan.smaller`); each grants one more attempt after a lack of
    device memory."""


@dataclass(frozen=True)
class EnvironmentPlan:
    """What is activated around a command; at most one of the kinds is set."""

    venv: str | None = None
    """Folder of a virtual environment, absolute or relative to the working directory."""
    conda: str | None = None
    """Name or prefix of a conda environment."""
    conda_hook: str | None = None
    """Path of the conda program, or text beginning with `eval` that is run as it is; None = looked for."""
    uv: str | None = None
    """Folder of a uv project, absolute or relative to the working directory."""
    container: str | None = None
    """Image that the command runs in."""


@dataclass(frozen=True)
class Budget:
    """Bounds of a whole campaign: executions started, and seconds since its first start. None = unbounded."""

    attempts: int | None = None
    wall: float | None = None


@dataclass(frozen=True)
class SweepNeed:
    """A dependency on another sweep: as a whole (`match` is None), or cell by cell.

    With `match` a cell waits for exactly those cells of the other sweep that agree with it on the named parameters; an
    empty one says that the cells name those that they wait for.
    """

    sweep: str
    match: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Smaller:
    """A declared smaller setting of a cell: a changed configuration, marked wherever its results are shown."""

    changed: Mapping[str, Scalar]
    """The parameters that differ."""
    command: str | tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=lambda: NOTHING)


@dataclass(frozen=True)
class CellPlan:
    """One configuration that becomes one run."""

    name: str
    """Unique in the campaign; `[A-Za-z0-9][A-Za-z0-9_.=-]{0,127}`."""
    parameters: Mapping[str, Scalar]
    command: str | tuple[str, ...]
    """Text for `/bin/sh -c`, or an argument vector that no shell sees."""
    outputs: tuple[str, ...] = ()
    """Files that must exist, fresh and not empty, for success; relative to the working directory."""
    env: Mapping[str, str] = field(default_factory=lambda: NOTHING)
    needs: tuple[str, ...] = ()
    """Names of the cells of other sweeps that this cell waits for (cell by cell dependencies only)."""
    line: int | None = None
    requires: tuple[str, ...] = ()
    """Paths or globs that must be there before it starts; relative to the working directory."""
    skip_if_done: bool = False
    """Outputs that are there already count: it succeeds without an attempt."""
    time_limit: float | None = None
    """Its own, instead of the sweep's; likewise the next two. Seconds."""
    estimate: float | None = None
    stale_after: float | None = None
    smaller: tuple[Smaller, ...] = ()
    """What is tried when device memory does not suffice, in this order."""


@dataclass(frozen=True)
class SweepPlan:
    """Runs made from one template; all share resources, retries and limits."""

    name: str
    cells: tuple[CellPlan, ...]
    workdir: str
    """Absolute path."""
    needs: tuple[SweepNeed, ...] = ()
    need: Need = field(default_factory=Need)
    retry: Retry = field(default_factory=Retry)
    environment: EnvironmentPlan = field(default_factory=EnvironmentPlan)
    time_limit: float | None = None
    """Seconds from the start of an attempt to its stop."""
    grace: float = 10.0
    """Seconds between SIGTERM and SIGKILL."""
    parallel: int | None = None
    priority: int = 0
    """Higher goes first."""
    replicates: tuple[str, ...] = ("seed",)
    """Parameters to average over in results; those that a sweep has."""
    phase: str = ""
    """Phase of the campaign that it is part of; empty = one of its own, of its name."""
    barrier: bool = False
    """Starts only when all sweeps before it in the file are over, their processes gone and the devices clean."""
    targets: tuple[str, ...] = ("here",)
    """Where its runs may go, in order of preference."""
    mirror: bool = False
    """Whether its runs work in a frozen copy of `workdir`, a folder of this machine, instead of in `workdir` itself."""
    code: str | None = None
    """Identity of the frozen copy, once it was made."""
    exclude: tuple[str, ...] = ()
    """Patterns of what is left out of that copy, as in a `.gitignore`."""
    on_disconnect: str = "hold"
    """What the end of a lease means for a run on a host that is not reached: `hold`, `requeue` or `kill`."""
    lease: float = 900.0
    """Seconds without a word of its server after which a host ends such a run by itself (not with `hold`)."""
    secrets: tuple[tuple[str, str], ...] = ()
    """Variables whose values are read at launch: (name, `env:NAME` or `file:PATH`). Never stored."""
    estimate: float | None = None
    """Seconds that a run should take; beyond twice that it is marked slow."""
    stale_after: float | None = 1800.0
    """Seconds without growth of the log after which a run is marked silent; None = never."""
    hang: float | None = None
    """Seconds without output and progress after which a run is stopped as hung; None = never."""
    precondition_wait: float = 0.0
    """Seconds that unmet `requires` are waited for when nothing else of the campaign can run."""
    breaker: int | None = 5
    """First runs that fail in the same way after which the rest is blocked; None = never."""
    capacity: bool = False
    """Starts only while fewer runs are live than the cluster has room for; `need` is then decided by its type."""
    shell: str = "/bin/sh"
    """What reads commands that are text."""

    @property
    def phase_name(self) -> str:
        """The phase that it is reported under."""
        return self.phase or self.name


@dataclass(frozen=True)
class CampaignPlan:
    """One research effort, ready to be submitted."""

    name: str
    sweeps: tuple[SweepPlan, ...]
    goal: Goal | None = None
    budget: Budget = field(default_factory=Budget)
    parallel: int | None = None
    priority: int = 0
    analyze: bool = False
    """Run the configured analysis hook when it is over."""

    @property
    def cells(self) -> int:
        """Number of runs that this plan makes."""
        return sum(len(sweep.cells) for sweep in self.sweeps)
