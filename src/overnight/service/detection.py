"""Looking what the machines are: all looks at once, each bounded, none of them inside a transaction."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from typing import Any

from overnight.domain.cluster import HERE, ClusterType, type_of
from overnight.planner.detection import Found
from overnight.targets.base import Target
from overnight.targets.detecting import (
    Said,
    ask,
    in_pod,
    kubernetes_nodes,
    listed_gpus,
    slurm_nodes,
    ssh_hosts,
)

PATIENCE = 3.0
"""Seconds for all looks together."""
HINTS = ("OVERNIGHT_CLUSTER_TYPE", "RESEARCH_AGENT_CLUSTER_TYPE")
"""Variables that say what the machines are."""
PROGRAMS: Mapping[str, tuple[str, ...]] = {
    "sinfo": ("sinfo", "-h", "-N", "-o", "%N %G"),
    "kubectl": ("kubectl", "get", "nodes", "--no-headers", "--request-timeout=2s"),
    "ray": ("ray", "status"),
    "nvidia-smi": ("nvidia-smi", "-L"),
}
"""What is asked of each program that may be there."""


def look(targets: Mapping[str, Target], environment: Mapping[str, str] = os.environ) -> Found:
    """Everything that this machine and the server's environment say of themselves. Takes `PATIENCE` seconds at most."""
    looks: dict[str, Callable[[], Any]] = {
        name: lambda argv=argv: ask(argv, environment)  # type: ignore[misc]
        for name, argv in PROGRAMS.items()
    }
    if HERE in targets:
        looks["offers"] = lambda: sum(offer.kind == "gpu" for offer in targets[HERE].offers())
    answers = at_once(looks)
    said = {name: answers.get(name) or Said(name, None, late=True) for name in PROGRAMS}
    return found_of(said, answers.get("offers"), environment)


def at_once(looks: Mapping[str, Callable[[], Any]]) -> dict[str, Any]:
    """The answers of those that answer in time and without an error; the others go on and are not waited for."""
    pool = ThreadPoolExecutor(max_workers=max(1, len(looks)), thread_name_prefix="detection")
    asked: dict[str, Future[Any]] = {name: pool.submit(one) for name, one in looks.items()}
    wait(asked.values(), timeout=PATIENCE)
    pool.shutdown(wait=False, cancel_futures=True)
    return {name: it.result() for name, it in asked.items() if it.done() and not it.cancelled() and not it.exception()}


def found_of(said: Mapping[str, Said], offered: int | None, environment: Mapping[str, str]) -> Found:
    """What the answers mean together."""
    gpus = _gpus(said["nvidia-smi"], offered)
    nodes = slurm_nodes(said["sinfo"])
    figures = [number for number in nodes.values() if number is not None]
    address = bool(environment.get("RAY_ADDRESS"))
    hint = _hint(environment)
    found = Found(
        hint=hint[1] if hint else None,
        pod=in_pod(environment),
        slurm_job=any(name.startswith("SLURM_") for name in environment),
        slurm_nodes=len(nodes),
        slurm_gpus=sum(figures) if figures else None,
        gpus=gpus.number,
        ray=said["ray"].well or (address and not said["ray"].there),
        ray_address=address,
        kubernetes_nodes=kubernetes_nodes(said["kubectl"]),
        ssh_hosts=ssh_hosts(environment),
        failed=gpus.number is None or said["sinfo"].late,
    )
    return _with_signals(found, said, gpus.why, hint[0] if hint else "")


def _hint(environment: Mapping[str, str]) -> tuple[str, ClusterType] | None:
    named = [(name, kind) for name in HINTS if (kind := type_of(environment.get(name, "")))]
    return named[0] if named else None


@dataclass(frozen=True, slots=True)
class _Gpus:
    """How many there are (None = nobody could say), and how that is known."""

    number: int | None
    why: str


def _gpus(said: Said, offered: int | None) -> _Gpus:
    """The driver's own word first; nvidia-smi where it says nothing."""
    if offered:
        return _Gpus(offered, f"the driver lists {offered} GPU{'s' if offered > 1 else ''} (NVML or nvidia-smi)")
    listed = listed_gpus(said)
    if listed:
        return _Gpus(listed, f"nvidia-smi lists {listed} GPU{'s' if listed > 1 else ''}")
    if said.there and not said.well:
        return _Gpus(None, said.sentence)
    if offered is None:
        return _Gpus(None, "the driver (NVML, nvidia-smi) did not answer in time")
    return _Gpus(0, "no GPU: neither NVML nor nvidia-smi shows one")


def _with_signals(found: Found, said: Mapping[str, Said], gpus: str, hint: str) -> Found:
    """The same with a sentence for everything that speaks, or should have."""
    unwell = [said[name].sentence for name in ("sinfo", "kubectl", "ray") if said[name].there and not said[name].well]
    spoken = (
        (found.hint is not None, f"the environment says so: {hint}={found.hint}"),
        (found.pod, "this is a pod of Kubernetes (KUBERNETES_SERVICE_HOST, or its token)"),
        (found.slurm_job, "the environment has variables of Slurm (SLURM_…)"),
        (found.slurm_nodes > 0, f"sinfo lists {found.slurm_nodes} nodes"),
        (True, gpus),
        (found.kubernetes_nodes > 0, f"kubectl lists {found.kubernetes_nodes} nodes"),
        (said["ray"].well, "ray status answers"),
        (found.ray_address, "the environment has RAY_ADDRESS"),
        (found.ssh_hosts > 0, f"~/.ssh/config names {found.ssh_hosts} hosts"),
        *((True, sentence) for sentence in unwell),
    )
    return replace(found, signals=tuple(sentence for holds, sentence in spoken if holds))
