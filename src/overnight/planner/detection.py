"""From what was found on a machine to the kind of cluster that it is. Pure. Source: the Wild V2 protocol, 2.4."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from overnight.domain.cluster import Cluster, ClusterSource, ClusterStatus, ClusterType


@dataclass(frozen=True, slots=True)
class Found:
    """What the looks brought to light."""

    hint: ClusterType | None = None
    """What the environment says that it is."""
    pod: bool = False
    slurm_job: bool = False
    """Whether the environment has variables of Slurm."""
    slurm_nodes: int = 0
    slurm_gpus: int | None = None
    gpus: int | None = 0
    """None = nobody could say."""
    ray: bool = False
    ray_address: bool = False
    kubernetes_nodes: int = 0
    ssh_hosts: int = 0
    failed: bool = False
    """Whether a look failed without which nobody can say what is there."""
    signals: tuple[str, ...] = field(default=())
    """Sentences: what was found, and how."""


def decide(found: Found) -> tuple[ClusterType, float]:
    """The kind, and how sure that is: the first signal that speaks."""
    gpus = found.gpus or 0
    ladder: tuple[tuple[bool, ClusterType, float], ...] = (
        (found.hint is not None, found.hint or ClusterType.UNKNOWN, 0.98),
        (found.pod, ClusterType.KUBERNETES, 0.93),
        (found.slurm_job, ClusterType.SLURM, 0.90),
        (found.slurm_nodes > 0, ClusterType.SLURM, 0.80),
        (gpus > 0 and found.ray, ClusterType.RAY, 0.88 if found.ray_address else 0.78),
        (gpus > 0, ClusterType.LOCAL_GPU, 0.78 if gpus > 1 else 0.68),
        (found.kubernetes_nodes > 0, ClusterType.KUBERNETES, 0.82),
        (found.ray, ClusterType.RAY, 0.85 if found.ray_address else 0.70),
        (not found.failed and found.gpus is not None, ClusterType.CPU_ONLY, 0.70),
    )
    return next(((kind, sure) for holds, kind, sure in ladder if holds), (ClusterType.UNKNOWN, 0.35))


def detected(found: Found, before: Cluster, now: float) -> Cluster:
    """The state that follows from the looks; what a person noted stays."""
    kind, sure = decide(found)
    lost = kind is ClusterType.UNKNOWN and found.hint is None
    return Cluster(
        type=kind,
        status=ClusterStatus.DEGRADED if lost else ClusterStatus.HEALTHY,
        source=ClusterSource.DETECTED,
        notes=before.notes,
        confidence=sure,
        last_detected_at=now,
        updated_at=now,
        **_figures(kind, found),
    )


def preferred(kind: ClusterType, found: Found, before: Cluster, now: float) -> Cluster:
    """The state when a person says which kind it is; the looks still tell the numbers."""
    return Cluster(
        type=kind,
        status=ClusterStatus.HEALTHY,
        source=ClusterSource.MANUAL,
        notes=before.notes,
        confidence=1.0,
        last_detected_at=before.last_detected_at,
        updated_at=now,
        **_figures(kind, found),
    )


def _figures(kind: ClusterType, found: Found) -> Mapping[str, Any]:
    nodes = {
        ClusterType.SLURM: found.slurm_nodes or None,
        ClusterType.KUBERNETES: found.kubernetes_nodes or None,
        ClusterType.LOCAL_GPU: 1,
        ClusterType.CPU_ONLY: 1,
    }
    gpus = {ClusterType.SLURM: found.slurm_gpus, ClusterType.LOCAL_GPU: found.gpus, ClusterType.CPU_ONLY: 0}
    details = {
        "signals": list(found.signals),
        "slurm_nodes": found.slurm_nodes,
        "kubernetes_nodes": found.kubernetes_nodes,
        "ssh_hosts": found.ssh_hosts,
    }
    return {"node_count": nodes.get(kind), "gpu_count": gpus.get(kind), "details": details}
