"""What the files of a folder say of the runs that wait for them, asked in as few questions as possible."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field

from overnight.daemon.world import World
from overnight.domain.cluster import HERE
from overnight.domain.errors import Refused, Unavailable
from overnight.domain.nouns import Sweep
from overnight.manifest.template import launch_text
from overnight.targets.base import Files

PATHS_AT_ONCE = 1_000
"""Paths that one question to a target names at most."""
NOWHERE = "/dev/null"
"""Folder of an attempt that was never made: nothing lies below it."""


@dataclass(frozen=True, slots=True)
class Condition:
    """What one waiting run requires; `config` only where outputs that are there already make it superfluous."""

    sweep: Sweep
    seq: int
    run_id: str
    requires: str
    """JSON list of paths and globs."""
    config: str | None
    idle_since: float | None


@dataclass(frozen=True, slots=True)
class Found:
    """What the files say of it."""

    condition: Condition
    missing: tuple[str, ...] = ()
    done: bool = False
    metrics: Mapping[str, float] = field(default_factory=dict)


def ask(world: World, target: str, workdir: str, group: Sequence[Condition]) -> list[Found]:
    """What the files of one folder say of the runs that wait for them; nothing when nobody can say."""
    files = world.places[target].files
    try:
        missing = _missing(world, target, workdir, group)
        return [_found(files, workdir, condition, missing) for condition in group]
    except Unavailable:
        return []


def _missing(world: World, target: str, workdir: str, group: Sequence[Condition]) -> set[str]:
    """Of all paths that the runs want or make, those that are not there. What the frozen copy of another machine lacks
    is looked for in the one of this machine: it is brought there with the first run."""
    paths = list(dict.fromkeys(path for it in group for path in (*_wanted(it), *(_outputs(it) or ()))))
    asked = [paths[begin : begin + PATHS_AT_ONCE] for begin in range(0, len(paths), PATHS_AT_ONCE)]
    missing = [path for part in asked for path in world.places[target].files.missing(workdir, part)]
    here, code = world.places.get(HERE), group[0].sweep.settings.code
    if missing and code is not None and here is not None and target != HERE:
        inside = [path for path in missing if not path.startswith("/")]
        return set(missing) - set(inside) | set(here.files.missing(here.workdir(group[0].sweep.settings), inside))
    return set(missing)


def _wanted(condition: Condition) -> list[str]:
    return [launch_text(path, {}, shell=False) for path in json.loads(condition.requires)]


def _outputs(condition: Condition) -> list[str] | None:
    """The outputs that may make the run superfluous; None = none do, as one in the folder of an attempt that was not
    made."""
    if condition.config is None:
        return None
    try:
        return [launch_text(it, {}, shell=False) for it in json.loads(condition.config)["outputs"]]
    except Refused:
        return None


def _found(files: Files, workdir: str, condition: Condition, missing: Set[str]) -> Found:
    if condition.config is not None and (done := _done(files, workdir, condition, missing)):
        return done
    return Found(condition, tuple(path for path in _wanted(condition) if path in missing))


def _done(files: Files, workdir: str, condition: Condition, missing: Set[str]) -> Found | None:
    """What its outputs say when all of them are there."""
    outputs = _outputs(condition)
    if outputs is None or not missing.isdisjoint(outputs) or not files.done(workdir, outputs):
        return None
    evidence = files.evidence(NOWHERE, workdir, outputs, {"code": 0, "started_at": 0.0})
    return Found(condition, done=True, metrics=evidence.metrics)
