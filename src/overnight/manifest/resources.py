"""What runs occupy, how they are tried again and what is activated around them: mappings of a file as plan values."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from overnight.domain.homes import is_home
from overnight.domain.plan import EnvironmentPlan, Need, Retry
from overnight.manifest.document import Entry, ListNode, Node, ScalarNode, TableNode, inside
from overnight.manifest.fields import (
    check_keys,
    flag_of,
    mebibytes_of,
    number_of,
    seconds_of,
    table_of,
    text_of,
    whole_of,
    wrong,
)
from overnight.manifest.findings import Findings, quoted

Value = TypeVar("Value")

HIGHEST_POSITION = 1023
"""Highest position of a GPU that a file may name."""
RESOURCE_KEYS = ("gpus", "slots", "gpu_memory", "gpu_name", "devices", "free_below", "share", "or_cpu")
RETRY_KEYS = ("attempts", "delay", "factor", "longest", "only")
KINDS = ("venv", "conda", "uv", "container")
"""Kinds of environment; `hook` belongs to `conda`."""


def read_resources(entry: Entry, place: str, findings: Findings) -> Need | None:
    """What one attempt occupies; None with problems noted."""
    table = table_of(entry, place, "a mapping such as {gpus: 1} or {slots: 2}", findings)
    if table is None:
        return None
    check_keys(table, RESOURCE_KEYS, place, findings, {"gpu": "gpus", "cpus": "slots", "cores": "slots"})
    before = len(findings)
    usual = Need()
    need = Need(
        gpus=_whole(table, "gpus", usual.gpus, place, findings, least=0),
        slots=_whole(table, "slots", usual.slots, place, findings, least=0),
        gpu_memory_mib=_optional(table, "gpu_memory", 0, place, lambda node, at: mebibytes_of(node, at, findings)),
        gpu_name=_optional(
            table, "gpu_name", None, place, lambda node, at: text_of(node, at, "a GPU's name", findings)
        ),
        devices=_optional(table, "devices", None, place, lambda node, at: _positions(node, at, findings)),
        free_below_mib=_optional(table, "free_below", None, place, lambda node, at: mebibytes_of(node, at, findings)),
        share=_whole(table, "share", usual.share, place, findings, least=1),
        or_cpu=_optional(table, "or_cpu", False, place, lambda node, at: flag_of(node, at, findings)),
    )
    if len(findings) == before:
        _check_gpus(table, need, place, findings)
    return need if len(findings) == before else None


def _check_gpus(table: TableNode, need: Need, place: str, findings: Findings) -> None:
    """Note what is said about GPUs where it can have no meaning."""
    asked = {
        "gpu_memory": need.gpu_memory_mib > 0,
        "gpu_name": need.gpu_name is not None,
        "devices": need.devices is not None,
        "or_cpu": need.or_cpu,
    }
    named = {
        "gpu_memory": "memory of a GPU is",
        "gpu_name": "a GPU of some name is",
        "devices": "certain GPUs are",
        "or_cpu": "a CPU instead of a GPU is",
    }
    for key, said in asked.items():
        if said and need.gpus == 0:
            message = f"{named[key]} asked for, but no GPU: add `gpus: 1`"
            findings.add(inside(place, key), _line(table, key), message)
    if need.share > 1 and need.gpus != 1:
        message = "only runs that take one GPU can share it: write `gpus: 1` beside it"
        findings.add(inside(place, "share"), _line(table, "share"), message)


def _positions(node: Node, place: str, findings: Findings) -> tuple[int, ...] | None:
    if not isinstance(node, ListNode) or not node.items:
        wrong(node, place, "a list of positions of GPUs, such as [0, 1]", findings)
        return None
    positions: list[int] = []
    for index, item in enumerate(node.items):
        here = f"{place}[{index}]"
        position = whole_of(item, here, findings, least=0, most=HIGHEST_POSITION)
        if position is not None and position in positions:
            findings.add(here, item.line, f"GPU {position} is named twice: remove one")
        elif position is not None:
            positions.append(position)
    return tuple(positions)


def read_retry(entry: Entry, place: str, findings: Findings) -> Retry | None:
    """A number of attempts, or the whole mapping; None with problems noted."""
    if isinstance(entry.value, ScalarNode):
        attempts = whole_of(entry.value, place, findings, least=1)
        return None if attempts is None else Retry(attempts=attempts)
    expected = "a number of attempts, or {attempts: 3, delay: 10s, factor: 2, longest: 10m}"
    table = table_of(entry, place, expected, findings)
    if table is None:
        return None
    check_keys(table, RETRY_KEYS, place, findings)
    if table.get("attempts") is None:
        findings.add(place, entry.line, "the number of attempts is missing: add `attempts: 3`")
        return None
    before = len(findings)
    usual = Retry()
    retry = Retry(
        attempts=_whole(table, "attempts", usual.attempts, place, findings, least=1),
        delay=_optional(table, "delay", usual.delay, place, lambda node, at: _pause(node, at, findings)),
        factor=_optional(table, "factor", usual.factor, place, lambda node, at: _factor(node, at, findings)),
        longest=_optional(table, "longest", usual.longest, place, lambda node, at: _pause(node, at, findings)),
        only_memory=_optional(table, "only", False, place, lambda node, at: _only(node, at, findings)),
    )
    return retry if len(findings) == before else None


def _pause(node: Node, place: str, findings: Findings) -> float | None:
    return seconds_of(node, place, findings, positive=False)


def _factor(node: Node, place: str, findings: Findings) -> float | None:
    return number_of(node, place, findings, least=1, most=1000)


def _only(node: Node, place: str, findings: Findings) -> bool | None:
    word = text_of(node, place, "memory", findings)
    if word not in (None, "memory"):
        findings.add(place, node.line, f"{quoted(word)} is no reason to try again alone: write memory, or remove this")
        return None
    return None if word is None else True


def read_environment(entry: Entry, place: str, findings: Findings, *, remote: bool) -> EnvironmentPlan | None:
    """The one kind of environment that is named; `remote`: paths may begin with `~`, the home folder over there."""
    node = entry.value
    if isinstance(node, ScalarNode) and node.value == "plain":
        return EnvironmentPlan()
    if not isinstance(node, TableNode):
        wrong(node, place, "plain, {venv: PATH}, {conda: NAME}, {uv: FOLDER} or {container: IMAGE}", findings)
        return None
    check_keys(node, (*KINDS, "hook"), place, findings)
    kinds = [found for found in node if found.key in KINDS]
    if len(kinds) != 1:
        message = "two kinds of environment" if kinds else "no kind of environment"
        choice = "{venv: PATH}, {conda: NAME}, {uv: FOLDER} or {container: IMAGE}"
        findings.add(place, entry.line, f"{message}: write one of {choice}")
        return None
    kind = kinds[0].key
    value = read_folder(kinds[0].value, inside(place, kind), "a path or a name", findings, remote=remote)
    hook = _hook(node, kind, place, findings)
    return None if value is None else EnvironmentPlan(**{kind: value}, conda_hook=hook)


def _hook(table: TableNode, kind: str, place: str, findings: Findings) -> str | None:
    entry = table.get("hook")
    if entry is None:
        return None
    here = inside(place, "hook")
    if kind != "conda":
        findings.add(here, entry.line, "a hook belongs to {conda: NAME, hook: PATH}: remove it")
        return None
    return text_of(entry.value, here, "the path of conda, or a text that begins with eval", findings)


def read_folder(node: Node, place: str, expected: str, findings: Findings, *, remote: bool) -> str | None:
    """A path in which nothing is replaced; on another machine it may begin with `~`, which is looked up there."""
    path = text_of(node, place, expected, findings)
    if path is not None and ("${" in path or (path.startswith("~") and not (remote and is_home(path)))):
        findings.add(place, node.line, f"{quoted(path)} is taken as it is, without ~ or ${{...}}: write the path out")
        return None
    return path


def _whole(table: TableNode, key: str, default: int, place: str, findings: Findings, *, least: int) -> int:
    return _optional(table, key, default, place, lambda node, at: whole_of(node, at, findings, least=least))


def _optional(
    table: TableNode, key: str, default: Value, place: str, read: Callable[[Node, str], Value | None]
) -> Value:
    """The value of a key; its default where the key is not there or, with a problem noted, cannot be read."""
    entry = table.get(key)
    value = None if entry is None else read(entry.value, inside(place, key))
    return default if value is None else value


def _line(table: TableNode, key: str) -> int:
    entry = table.get(key)
    return table.line if entry is None else entry.line
