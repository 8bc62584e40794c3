"""What the machines are, how much may run, and the public counts. Source: the Wild V2 protocol, section 2.4."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Annotated, Any

from pydantic import Field
from typing_extensions import TypedDict

from overnight.domain.access import Verb
from overnight.domain.cluster import WORDS, Cluster, ClusterSource, ClusterStatus, ClusterType, type_of
from overnight.domain.errors import BadRequest, Denied
from overnight.planner.detection import detected, preferred
from overnight.service.context import Context
from overnight.service.detection import look
from overnight.service.views import View
from overnight.service.wild.requests import Count, Empty, ShortText, WildRequest
from overnight.service.wild.work import Work
from overnight.store import cluster
from overnight.store.base import Session

Details = Annotated[dict[str, Any], Field(max_length=100)]
Word = Annotated[str, Field(max_length=100)]


class Detect(WildRequest):
    """`preferred_type`: what a person says that it is; otherwise it is found out."""

    preferred_type: Word | None = None


class SetCluster(WildRequest):
    """What a person knows of the machines; what is left out stays, unless the type changes."""

    type: Word | None = None
    status: Word | None = None
    source: Word | None = None
    head_node: ShortText | None = None
    node_count: Count | None = None
    gpu_count: Count | None = None
    notes: ShortText | None = None
    details: Details | None = None


class ClusterState(TypedDict):
    """The protocol's cluster. Times are epoch seconds."""

    type: str
    status: str
    source: str
    label: str
    description: str
    head_node: str | None
    node_count: int | None
    gpu_count: int | None
    notes: str | None
    confidence: float | None
    details: dict[str, Any]
    last_detected_at: float | None
    updated_at: float | None


class RunSummary(TypedDict):
    """Runs by status, without archived ones."""

    total: int
    running: int
    launching: int
    queued: int
    ready: int
    failed: int
    finished: int


class ClusterAnswer(TypedDict):
    """The cluster, and what it has room for."""

    cluster: ClusterState
    run_summary: RunSummary
    target_parallel: int
    max_new_runs: int


class Health(TypedDict):
    """Runs by status, archived ones too; `queued` has those that are ready as well."""

    running: int
    queued: int
    completed: int
    failed: int
    total: int
    max_concurrent: int
    ready: int
    launching: int
    stopped: int
    target_parallel: int
    max_new_runs: int


def get_cluster(context: Context, _: Empty) -> View:
    """What is on record."""
    return context.store.read(_answer)


def detect_cluster(context: Context, request: Detect) -> View:
    """Look, and keep what was found; what a person said stays, unless an operator asks. Raises BadRequest for a type
    that does not exist, Denied for a preferred one of anybody else."""
    said, operates = _preferred(context, request), context.principal.may(Verb.OPERATE)
    found = look({name: spot.target for name, spot in context.spots.items()})

    def work(session: Session) -> View:
        before = cluster.get(session)
        if before.source is ClusterSource.MANUAL and not operates:
            return _answer(session)
        made = preferred(said, found, before, session.now) if said else detected(found, before, session.now)
        cluster.put(session, made)
        return _answer(session)

    return _changed(context, work)


def _preferred(context: Context, request: Detect) -> ClusterType | None:
    if not request.preferred_type:
        return None
    kind = _type(request.preferred_type)
    if not context.principal.may(Verb.OPERATE):
        raise Denied("preferred_type needs the verb 'operate'", next_step="Leave it out, or ask an operator.")
    return kind


def set_cluster(context: Context, request: SetCluster) -> View:
    """Keep what a person says. Raises BadRequest for words that do not exist."""
    said = {name: getattr(request, name) for name in request.model_fields_set}
    kind = _type(request.type) if request.type else None
    words: dict[str, Any] = {
        "source": _member(ClusterSource, "source", request.source or ClusterSource.MANUAL),
        **({"status": _member(ClusterStatus, "status", request.status)} if request.status else {}),
    }

    def work(session: Session) -> View:
        before = _as(cluster.get(session), kind)
        known = {name: said[name] for name in said.keys() - {"type", "status", "source"}}
        known |= {"details": known.get("details") or before.details}
        believed: dict[str, Any] = {"confidence": 1.0} if words["source"] is ClusterSource.MANUAL else {}
        cluster.put(session, replace(before, **known, **words, **believed, updated_at=session.now))
        return _answer(session)

    return _changed(context, work)


def system_health(context: Context, _: Empty) -> View:
    """Counts alone: anybody may see them."""

    def read(session: Session) -> View:
        found, target = cluster.counts(session), cluster.capacity(session).most
        return {
            "running": found.running,
            "queued": found.ready + found.queued,
            "completed": found.finished,
            "failed": found.failed,
            "total": found.total,
            "max_concurrent": target,
            "ready": found.ready,
            "launching": found.launching,
            "stopped": found.stopped,
            "target_parallel": target,
            "max_new_runs": cluster.new_runs(found, target),
        }

    return context.store.read(read)


def _changed(context: Context, work: Any) -> View:
    answer: View = context.store.write(context.change, work)
    context.wake()
    return answer


def _as(before: Cluster, kind: ClusterType | None) -> Cluster:
    """The state before, as far as it still holds for machines of this kind."""
    if kind is None or kind is before.type:
        return before
    return Cluster(
        type=kind, status=ClusterStatus.HEALTHY, notes=before.notes, last_detected_at=before.last_detected_at
    )


def _type(word: str) -> ClusterType:
    kind = type_of(word)
    if kind is None:
        raise BadRequest(f"Unsupported cluster type: {word}")
    return kind


def _member(words: Any, what: str, word: str) -> Any:
    plain = word.strip().lower()
    if plain not in list(words):
        raise BadRequest(f"Unsupported cluster {what}: {word}")
    return words(plain)


def _answer(session: Session) -> View:
    found, target = cluster.counts(session), cluster.capacity(session).most
    shown = cluster.counts(session, archived=False)
    summary = {name: getattr(shown, name) for name in RunSummary.__annotations__}
    return {
        "cluster": _view(cluster.get(session)),
        "run_summary": summary,
        "target_parallel": target,
        "max_new_runs": cluster.new_runs(found, target),
    }


def _view(found: Cluster) -> View:
    label, description = WORDS[found.type]
    kept = asdict(found)
    details = {"signals": [], "slurm_nodes": 0, "kubernetes_nodes": 0, "ssh_hosts": 0, **kept.pop("details")}
    return {**kept, "label": label, "description": description, "details": details}


WORK: dict[str, Work] = {
    "get_cluster": Work(Empty, get_cluster, ClusterAnswer),
    "detect_cluster": Work(Detect, detect_cluster, ClusterAnswer),
    "set_cluster": Work(SetCluster, set_cluster, ClusterAnswer),
    "system_health": Work(Empty, system_health, Health),
}
"""Name of an operation -> what it takes, what carries it out, what it answers."""
