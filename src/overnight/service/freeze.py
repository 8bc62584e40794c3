"""Frozen copies of the working folders of a plan, made when it is submitted: its runs never see later edits."""

from __future__ import annotations

import os
import posixpath
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from overnight.domain.errors import Conflict
from overnight.domain.plan import CampaignPlan, SweepPlan
from overnight.mirror.freeze import freeze
from overnight.service.context import Context

COPIES = "code"
"""Folder of the home where frozen copies lie, each named by its identity."""
_LATER = re.compile(r"\$\{[^}]*\}")
_MAGIC = re.compile(r"[*?\[]")


@dataclass(frozen=True, slots=True)
class Outputs:
    """What runs will write into their working folder: it is no part of the copy, where it could not be written."""

    paths: frozenset[str]
    patterns: tuple[str, ...]


def frozen(context: Context, plan: CampaignPlan) -> CampaignPlan:
    """The plan with the identities of the copies that its sweeps work in; unchanged folders have theirs already.

    Takes as long as the folders are large. Raises Refused naming what cannot be copied.
    """
    made: dict[tuple[str, tuple[str, ...]], str] = {}
    for sweep in plan.sweeps:
        key = sweep.workdir, sweep.exclude
        if sweep.mirror and key not in made:
            made[key] = _copy(context, sweep, [it for it in plan.sweeps if it.workdir == sweep.workdir])
    sweeps = [replace(it, code=made[it.workdir, it.exclude]) if it.mirror else it for it in plan.sweeps]
    return replace(plan, sweeps=tuple(sweeps))


def refuse_unfrozen(plan: CampaignPlan) -> None:
    """Raise Conflict when a sweep would run in a working folder that it was to have a copy of."""
    if any(sweep.mirror and sweep.code is None for sweep in plan.sweeps):
        raise Conflict("the campaign of this file has just ended", next_step="Submit it again.")


def _copy(context: Context, sweep: SweepPlan, beside: Sequence[SweepPlan]) -> str:
    outputs, kept_back = outputs_of(beside), secrets_of(beside)
    return freeze(
        sweep.workdir,
        context.configuration.home / COPIES,
        exclude=[*outputs.patterns, *sweep.exclude],
        outputs=outputs.paths | kept_back,
        avoided=context.configuration.untouchable,
    )


def secrets_of(sweeps: Iterable[SweepPlan]) -> frozenset[str]:
    """Files in their working folder that sweeps name as secrets: they are read for launches, and lie in no copy."""
    found: set[str] = set()
    for folder, reference in {(it.workdir, reference) for it in sweeps for _, reference in it.secrets}:
        kind, _, path = reference.partition(":")
        named = os.path.normpath(os.path.join(folder, os.path.expanduser(path)))
        pairs = ((named, folder), (os.path.realpath(named), os.path.realpath(folder)))
        inside = {os.path.relpath(it, base) for it, base in pairs if it.startswith(os.path.join(base, ""))}
        found |= inside if kind == "file" else set()
    return frozenset(found)


def outputs_of(sweeps: Iterable[SweepPlan]) -> Outputs:
    """The declared outputs of sweeps that lie in their working folder: paths, and patterns where they have some."""
    paths: set[str] = set()
    patterns: set[str] = set()
    for output in {it for sweep in sweeps for cell in sweep.cells for it in cell.outputs}:
        path = posixpath.normpath(_LATER.sub("*", output))
        if path.startswith(("/", "../", "*/")) or path in (".", "..", "*"):
            continue  # in the run's own folder, or nowhere below this one
        (patterns if _MAGIC.search(path) else paths).add(path)
    return Outputs(frozenset(paths), tuple(sorted(f"/{it}" for it in patterns)))
