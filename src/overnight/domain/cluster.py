"""What the machines behind a server are taken for, and how many runs they have room for. Source: the Wild V2 protocol,
section 2.4."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Any

from overnight.domain.plan import Need


class ClusterType(StrEnum):
    """Kinds of machines."""

    UNKNOWN = "unknown"
    CPU_ONLY = "cpu_only"
    LOCAL_GPU = "local_gpu"
    SLURM = "slurm"
    KUBERNETES = "kubernetes"
    RAY = "ray"
    SHARED_HEAD_NODE = "shared_head_node"


class ClusterStatus(StrEnum):
    """How they are doing."""

    UNKNOWN = "unknown"
    HEALTHY = "healthy"
    DEGRADED = "degraded"
    OFFLINE = "offline"


class ClusterSource(StrEnum):
    """Who says so."""

    UNSET = "unset"
    MANUAL = "manual"
    DETECTED = "detected"


ALIASES = MappingProxyType(
    {
        "k8s": ClusterType.KUBERNETES,
        "localgpu": ClusterType.LOCAL_GPU,
        "local_gpu_cluster": ClusterType.LOCAL_GPU,
        "shared_gpu": ClusterType.SHARED_HEAD_NODE,
        "shared_gpu_head_node": ClusterType.SHARED_HEAD_NODE,
        "head_node": ClusterType.SHARED_HEAD_NODE,
    }
)
"""Other words for the types, in lower case with `_`."""

WORDS: Mapping[ClusterType, tuple[str, str]] = MappingProxyType(
    {
        ClusterType.UNKNOWN: ("Unknown", "Nobody has said or found out what runs are carried out on."),
        ClusterType.CPU_ONLY: ("CPU only", "One machine without GPUs: one run at a time."),
        ClusterType.LOCAL_GPU: ("Local GPUs", "One machine with GPUs: one run on each of them."),
        ClusterType.SLURM: ("Slurm", "Machines that Slurm gives out."),
        ClusterType.KUBERNETES: ("Kubernetes", "Machines that Kubernetes gives out."),
        ClusterType.RAY: ("Ray", "Machines that Ray gives out."),
        ClusterType.SHARED_HEAD_NODE: ("Shared head node", "A machine that many people start their work from."),
    }
)
"""Label and description of each type."""

SLURM_SLOTS = 4
"""Runs at once on Slurm when nobody says how many GPUs it has."""
HERE = "here"
"""The target that a cluster's GPUs belong to: the machine of the server."""


@dataclass(frozen=True, slots=True)
class Cluster:
    """One state of belief; the fields are the protocol's keys."""

    type: ClusterType = ClusterType.UNKNOWN
    status: ClusterStatus = ClusterStatus.UNKNOWN
    source: ClusterSource = ClusterSource.UNSET
    head_node: str | None = None
    node_count: int | None = None
    gpu_count: int | None = None
    """None = not known."""
    notes: str | None = None
    confidence: float | None = None
    """0 to 1; None = nobody has looked."""
    details: Mapping[str, Any] = field(default_factory=dict)
    """`signals` (sentences: how it is known), `slurm_nodes`, `kubernetes_nodes`, `ssh_hosts`, and what clients add."""
    last_detected_at: float | None = None
    updated_at: float | None = None

    @property
    def declares(self) -> int:
        """How many GPUs a person says that this machine has, whatever a driver shows; 0 = nobody says so."""
        believed = self.source is ClusterSource.MANUAL and self.type is ClusterType.LOCAL_GPU
        return gpu_slots(self) if believed else 0


def type_of(word: str) -> ClusterType | None:
    """The type that a word means, in any case, `-` for `_`; None = none."""
    plain = word.strip().lower().replace("-", "_")
    if plain in ALIASES:
        return ALIASES[plain]
    return ClusterType(plain) if plain in list(ClusterType) else None


def gpu_slots(cluster: Cluster) -> int:
    """g: how many runs the machines have room for, by their type; never below 1."""
    count = cluster.gpu_count or 0
    if cluster.type is ClusterType.LOCAL_GPU:
        return max(1, count)
    if cluster.type is ClusterType.SLURM:
        return count if count > 0 else SLURM_SLOTS
    return 1


def target_parallel(cluster: Cluster, max_concurrent: int | None) -> int:
    """How many runs may be live: g, unless the operator says another number."""
    return gpu_slots(cluster) if max_concurrent is None else max(1, max_concurrent)


def max_new_runs(target: int, *, waiting: int, live: int) -> int:
    """How many more of the ready and queued (`waiting`) could start beside those that run or launch (`live`)."""
    return max(0, min(waiting, target - live))


@dataclass(frozen=True, slots=True)
class Capacity:
    """What bounds the runs that bring no bound of their own."""

    cluster: Cluster
    most: int
    """How many runs may be live."""
    live: int
    """How many are, of whatever kind."""
    gpus: frozenset[int] = frozenset()
    """Positions of the GPUs that are on record."""

    @property
    def room(self) -> int:
        """How many more may start."""
        return max(0, self.most - self.live)

    @property
    def gives_gpus(self) -> bool:
        """Whether each run gets a GPU from us: elsewhere a scheduler gives them, or there are none."""
        known = self.cluster.type is ClusterType.UNKNOWN and bool(self.gpus)
        return known or self.cluster.type is ClusterType.LOCAL_GPU

    @property
    def positions(self) -> frozenset[int] | None:
        """The GPUs that may be given: those that a person declared; None = all that there are."""
        declared = self.cluster.declares and self.cluster.gpu_count
        return frozenset(range(declared)) if declared else None

    def need_of(self, need: Need) -> Need:
        """What a run takes: one GPU, those that its command chose, or nothing."""
        if not self.gives_gpus or need.devices == ():
            return NOTHING
        if need.devices is not None:
            return Need(gpus=len(need.devices), slots=0, devices=need.devices)
        return Need(gpus=1, slots=0, devices=None if self.positions is None else tuple(sorted(self.positions)))

    def missing(self, need: Need) -> tuple[int, ...]:
        """The GPUs that a command chose and that are not there; nothing is said before any GPU is known."""
        if not self.gives_gpus or not need.devices:
            return ()
        known = self.positions or self.gpus | frozenset(range(self.cluster.gpu_count or 0))
        return tuple(it for it in need.devices if it not in known) if known else ()


NOTHING = Need(gpus=0, slots=0)
"""No device at all."""
