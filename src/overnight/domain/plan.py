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
    """What one attempt occupies: `gpus` whole devices, or, when `gpus` is 0, `slots` CPU slots of the target."""

    gpus: int = 0
    slots: int = 1
    gpu_memory_mib: int = 0
    """Smallest total memory of an acceptable GPU; 0 = any."""


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


@dataclass(frozen=True)
class EnvironmentPlan:
    """What is activated around a command; at most one of the kinds is set."""

    venv: str | None = None
    """Folder of a virtual environment, absolute or relative to the working directory."""
    conda: str | None = None
    """Name or prefix of a conda environment."""


@dataclass(frozen=True)
class Budget:
    """Bounds of a whole campaign: executions started, and seconds since its first start. None = unbounded."""

    attempts: int | None = None
    wall: float | None = None


@dataclass(frozen=True)
class SweepNeed:
    """A dependency on another sweep: as a whole (`match` is None), or cell by cell.

    With `match` a cell waits for exactly those cells of the other sweep that agree with it on the named parameters.
    """

    sweep: str
    match: tuple[str, ...] | None = None


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


@dataclass(frozen=True)
class CampaignPlan:
    """One research effort, ready to be submitted."""

    name: str
    sweeps: tuple[SweepPlan, ...]
    goal: Goal | None = None
    budget: Budget = field(default_factory=Budget)
    parallel: int | None = None
    priority: int = 0

    @property
    def cells(self) -> int:
        """Number of runs that this plan makes."""
        return sum(len(sweep.cells) for sweep in self.sweeps)
