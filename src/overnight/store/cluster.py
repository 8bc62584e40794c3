"""What the machines are taken for, how many runs are where, and the bound that follows from both."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Any

from overnight.domain.cluster import (
    HERE,
    Capacity,
    Cluster,
    ClusterSource,
    ClusterStatus,
    ClusterType,
    max_new_runs,
    target_parallel,
)
from overnight.domain.states import LIVE_RUN
from overnight.store import rows
from overnight.store.base import Session

DECLARED = f"{HERE}/declared"
"""Beginning of the ids of GPUs that a person declared and no driver shows."""
_LIMIT = "max_concurrent"
"""Name under which the operator's own bound is kept, so that whoever reads the record knows it."""


def get(session: Session) -> Cluster:
    """What is on record; unknown before anybody said or found out anything."""
    kept = session.value("cluster_get")
    return _cluster(kept) if kept else Cluster()


@lru_cache(maxsize=16)
def _cluster(text: str) -> Cluster:
    kept: dict[str, Any] = json.loads(text)
    return Cluster(
        **{
            **kept,
            "type": ClusterType(kept["type"]),
            "status": ClusterStatus(kept["status"]),
            "source": ClusterSource(kept["source"]),
        }
    )


def put(session: Session, cluster: Cluster) -> None:
    """Keep a new state, with who brought it about and what it was before."""
    before = get(session)
    session.rows("cluster_put", state=rows.encode(asdict(cluster)))
    session.record("cluster.update", "cluster", before=asdict(before), after=asdict(cluster))


def limit(session: Session, max_concurrent: int | None) -> None:
    """Keep the operator's bound (`[capacity] max_concurrent`); None = the cluster's type decides."""
    session.rows("meta_put", name=_LIMIT, value=str(max_concurrent or ""))


def capacity(session: Session) -> Capacity:
    """What bounds the runs that bring no bound of their own, as things are."""
    found = get(session)
    totals: dict[str, int] = dict(session.rows("totals"))
    return Capacity(
        cluster=found,
        most=target_parallel(found, _kept_limit(session)),
        live=sum(totals.get(state, 0) for state in LIVE_RUN),
        gpus=_positions(session),
    )


def _kept_limit(session: Session) -> int | None:
    kept = session.value("meta_get", name=_LIMIT)
    return int(kept) if kept else None


def _positions(session: Session) -> frozenset[int]:
    """Where there are GPUs, well or not; what was only declared counts while the declaration stands."""
    found = (rows.device(row) for row in session.rows("devices_of", target=HERE))
    return frozenset(
        it.position for it in found if it.kind == "gpu" and (it.state == "healthy" or not it.id.startswith(DECLARED))
    )


@dataclass(frozen=True, slots=True)
class Counts:
    """Runs by the words of the Wild V2 protocol; `queued` without those that are `ready`."""

    total: int
    ready: int
    queued: int
    launching: int
    running: int
    finished: int
    failed: int
    stopped: int


_WORDS: Mapping[str, str] = {
    "ready": "ready",
    "waiting": "queued",
    "queued": "queued",
    "delayed": "queued",
    "running": "running",
    "cancelling": "running",
    "collecting": "running",
    "succeeded": "finished",
    "failed": "failed",
    "cancelled": "stopped",
    "blocked": "stopped",
}
"""State -> the protocol's word; runs that others carry out are what was last said of them."""


def counts(session: Session, *, archived: bool = True) -> Counts:
    """How many runs there are, all or without those that listings leave out. Reads no run."""
    found: Counter[str] = Counter()
    totals: Counter[str] = Counter(dict(session.rows("totals")))
    totals.subtract({} if archived else dict(session.rows("runs_archived")))
    for state, number in totals.items():
        if state in _WORDS:
            found[_WORDS[state]] += number
    for status, number in session.rows("runs_external"):
        found["launching" if status == "launching" else "running"] += number
    launching: int = session.value("attempts_launching")
    found.update(launching=launching, running=-launching)
    named = {word: found[word] for word in {*_WORDS.values(), "launching"}}
    return Counts(total=sum(named.values()), **named)


def new_runs(found: Counts, target: int) -> int:
    """`max_new_runs` of the protocol."""
    return max_new_runs(target, waiting=found.ready + found.queued, live=found.running + found.launching)
