"""Runs that took a declared smaller setting: what they ran with, and how that is said."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from overnight.domain.nouns import Run
from overnight.reports.visible import visible


@dataclass(frozen=True, slots=True)
class Swap:
    """A parameter as it was written, and as the run used it."""

    written: Any
    used: Any


def changes(run: Run) -> dict[str, Swap]:
    """The parameters of a run that are not as they were written, by name; empty for most runs."""
    smaller = _smaller(run)
    written = run.config.get("parameters") or {}
    return {name: Swap(written.get(name), value) for name, value in smaller["changed"].items()} if smaller else {}


def used(run: Run) -> Mapping[str, Any]:
    """`command`, `parameters` and `env` that a run was executed with."""
    smaller = _smaller(run)
    if not smaller:
        return run.config
    parameters = {**(run.config.get("parameters") or {}), **smaller["changed"]}
    return {"command": smaller["command"], "env": smaller["env"], "parameters": parameters}


def in_words(swaps: Mapping[str, Swap]) -> str:
    """`with batch=32 instead of 64`, or `as written`; safe to print."""
    if not swaps:
        return "as written"
    said = [f"{visible(name)}={visible(it.used)} instead of {visible(it.written)}" for name, it in swaps.items()]
    return f"with {', '.join(said)}"


def _smaller(run: Run) -> Mapping[str, Any]:
    """The smaller setting that a run has come to; empty for none."""
    declared: Sequence[Mapping[str, Any]] = run.config.get("smaller") or ()
    return declared[run.rung - 1] if 0 < run.rung <= len(declared) else {}
