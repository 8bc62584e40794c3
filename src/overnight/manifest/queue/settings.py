"""What the top of a manifest and each phase say for their jobs, and what a template or job says instead."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from overnight.domain.plan import EnvironmentPlan, Need, Retry
from overnight.manifest.cells import Placed
from overnight.manifest.document import Entry, ListNode, Node, ScalarNode, TableNode, inside
from overnight.manifest.fields import (
    check_keys,
    is_null,
    names_of,
    seconds_of,
    table_of,
    text_of,
    whole_of,
    wrong,
)
from overnight.manifest.findings import Findings, listing, quoted
from overnight.manifest.queue.environment import read_environment
from overnight.manifest.queue.paths import folder, path_of
from overnight.manifest.queue.texts import queue_text
from overnight.manifest.queue.values import Value, read_variables
from overnight.manifest.settings import SourceText

PRECONDITIONS = ("checkpoint_exists", "file_exists")
"""Types of preconditions; both mean that something is there at a path."""
OOM_DELAY = 120.0
"""Seconds that a job waits after a lack of memory."""
OOM_ATTEMPTS = 3
"""Attempts in all, the first included."""


def oom_retry(attempts: int = OOM_ATTEMPTS, delay: float = OOM_DELAY) -> Retry:
    """Nothing but a lack of memory is tried again, always after the same time."""
    return Retry(attempts, delay, factor=1.0, longest=delay, only_memory=True)


@dataclass(frozen=True)
class JobSettings:
    """What each job may say for itself; None = nothing."""

    preconditions: tuple[Placed, ...] = ()
    gpus_per_job: int = 1
    estimate: float | None = None
    timeout: float | None = None
    stale_after: float | None = 1800.0
    skip_if_done: bool = False


@dataclass(frozen=True)
class Settings:
    """What holds for the jobs of a phase; the defaults are those of a file that says nothing."""

    directory: str
    """Folder of the file; relative working folders start there."""
    workdir: str
    remote: bool = False
    job: JobSettings = field(default_factory=JobSettings)
    environment: EnvironmentPlan = field(default_factory=EnvironmentPlan)
    variables: Mapping[str, Value] = field(default_factory=dict)
    precondition_wait: float = 0.0
    gpus: tuple[int, ...] | None = None
    """Positions of the allowed GPUs; empty = CPU jobs; None = all there are."""
    free_below_mib: int = 500
    retry: Retry = field(default_factory=oom_retry)
    replicates: tuple[str, ...] = ("seed",)

    def need(self, gpus_per_job: int) -> Need:
        """What one job occupies."""
        if self.gpus == ():
            return Need(gpus=0, slots=0)
        return Need(gpus=gpus_per_job, devices=self.gpus, free_below_mib=self.free_below_mib, or_cpu=self.gpus is None)


def read_job_settings(table: TableNode, place: str, base: JobSettings, findings: Findings) -> JobSettings:
    """`base` with what a level says instead."""
    return replace(base, **_changes(table, place, _JOB_READERS, findings))


def read_settings(table: TableNode, place: str, base: Settings, findings: Findings) -> Settings:
    """`base` with what the top or a phase says instead; `vars` are merged, everything else is replaced."""
    changes = _changes(table, place, _READERS, findings)
    changes["job"] = read_job_settings(table, place, base.job, findings)
    changes["environment"] = read_environment(table, place, base.environment, base.remote, findings)
    changes["variables"] = read_variables(table.get("vars"), inside(place, "vars"), base.variables, findings)
    cwd = table.get("cwd")
    if cwd is not None and not is_null(cwd.value):
        path = path_of(cwd.value, inside(place, "cwd"), "a folder", base.remote, findings)
        changes["workdir"] = folder(path, base.directory, base.remote)
    return replace(base, **changes)


Reader = Callable[[Entry, str, Findings], Any]


def _changes(
    table: TableNode, place: str, readers: Mapping[str, tuple[str, Reader]], findings: Findings
) -> dict[str, Any]:
    """Fields and their new values; a key without a value, and one that could not be read, changes nothing."""
    changes: dict[str, Any] = {}
    for entry in table:
        if entry.key in readers and not is_null(entry.value):
            name, reader = readers[entry.key]
            read = reader(entry, inside(place, entry.key), findings)
            if read is not None:
                changes[name] = read
    return changes


def flag_of(entry: Entry, place: str, findings: Findings) -> bool | None:
    """True or false."""
    if isinstance(entry.value, ScalarNode) and isinstance(entry.value.value, bool):
        return entry.value.value
    wrong(entry.value, place, "true or false", findings)
    return None


def count_of(entry: Entry, place: str, findings: Findings) -> int | None:
    """A whole number of at least 1."""
    return whole_of(entry.value, place, findings, least=1)


def _duration(entry: Entry, place: str, findings: Findings) -> float | None:
    return seconds_of(entry.value, place, findings, positive=True)


def _wait(entry: Entry, place: str, findings: Findings) -> float | None:
    return seconds_of(entry.value, place, findings, positive=False)


def _gpus_per_job(entry: Entry, place: str, findings: Findings) -> int | None:
    if isinstance(entry.value, ScalarNode) and entry.value.value == 0 and entry.value.value is not False:
        findings.add(place, entry.line, "a job takes at least one GPU: write `gpus: []` for jobs without any")
        return None
    return count_of(entry, place, findings)


def _gpus(entry: Entry, place: str, findings: Findings) -> tuple[int, ...] | None:
    if not isinstance(entry.value, ListNode):
        wrong(entry.value, place, "a list of GPU indices, such as [0, 1], or [] for CPU jobs", findings)
        return None
    found: list[int] = []
    for index, item in enumerate(entry.value.items):
        here = f"{place}[{index}]"
        number = whole_of(item, here, findings, least=0)
        if number in found:
            findings.add(here, item.line, f"GPU {number} is named twice: remove one")
        elif number is not None:
            found.append(number)
    return tuple(found)


def _oom_retry(entry: Entry, place: str, findings: Findings) -> Retry | None:
    table = table_of(entry, place, "{delay: 120, max_attempts: 3}", findings)
    if table is None:
        return None
    check_keys(table, ("delay", "max_attempts"), place, findings, {"attempts": "max_attempts", "wait": "delay"})
    read = _changes(table, place, {"delay": ("delay", _wait), "max_attempts": ("attempts", count_of)}, findings)
    return oom_retry(**read)


def _replicates(entry: Entry, place: str, findings: Findings) -> tuple[str, ...] | None:
    return names_of(entry.value, place, "a list of axes, such as [seed]", findings)


def _preconditions(entry: Entry, place: str, findings: Findings) -> tuple[Placed, ...] | None:
    if not isinstance(entry.value, ListNode):
        wrong(entry.value, place, "a list such as [{type: file_exists, path: data.pt}]", findings)
        return None
    read = [_precondition(item, f"{place}[{index}]", findings) for index, item in enumerate(entry.value.items)]
    return tuple(path for path in read if path is not None)


def _precondition(node: Node, place: str, findings: Findings) -> Placed | None:
    if not isinstance(node, TableNode):
        wrong(node, place, "{type: file_exists, path: data.pt}", findings)
        return None
    check_keys(node, ("type", "path"), place, findings)
    kind, path = node.get("type"), node.get("path")
    word = kind.value.value if kind is not None and isinstance(kind.value, ScalarNode) else None
    if word not in PRECONDITIONS:
        shown = f"{quoted(word)} is no type of a precondition" if kind else "the type is missing"
        findings.add(inside(place, "type"), (kind or node).line, f"{shown}: write one of {listing(PRECONDITIONS)}")
    if path is None:
        findings.add(place, node.line, "the path is missing: add `path`")
        return None
    here = inside(place, "path")
    text = text_of(path.value, here, "a path, * and ? allowed", findings)
    return None if text is None else queue_text(SourceText(text, here, path.line))


_JOB_READERS: dict[str, tuple[str, Reader]] = {
    "preconditions": ("preconditions", _preconditions),
    "gpus_per_job": ("gpus_per_job", _gpus_per_job),
    "estimate": ("estimate", _duration),
    "timeout": ("timeout", _duration),
    "stale_after": ("stale_after", _duration),
    "skip_if_done": ("skip_if_done", flag_of),
}
_READERS: dict[str, tuple[str, Reader]] = {
    "precondition_wait": ("precondition_wait", _wait),
    "gpus": ("gpus", _gpus),
    "gpu_free_threshold_mib": ("free_below_mib", count_of),
    "oom_retry": ("retry", _oom_retry),
    "replicates": ("replicates", _replicates),
}
