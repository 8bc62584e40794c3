"""A summary as plain values with stable fields, ready for JSON: NaN and the infinities become strings."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from overnight.reports.cells import Cell, Spread, SweepResults
from overnight.reports.changed import Swap
from overnight.reports.failures import FailureGroup
from overnight.reports.figures import not_finite
from overnight.reports.marks import MarkGroup
from overnight.reports.phases import Phase
from overnight.reports.summary import Summary
from overnight.reports.winner import Best, Contrast

View = dict[str, Any]


def strict(value: Any) -> Any:
    """The value without anything that JSON does not have: `"NaN"`, `"Infinity"`, `"-Infinity"` stand for those."""
    if isinstance(value, float) and not math.isfinite(value):
        return not_finite(value)
    if isinstance(value, Mapping):
        return {str(name): strict(held) for name, held in value.items()}
    if isinstance(value, list | tuple):
        return [strict(held) for held in value]
    return value


def to_json(summary: Summary) -> View:
    """Everything that the summary says; the fields that the outside relies on come first."""
    goal = summary.goal
    return {
        "campaign": {
            "id": summary.id,
            "name": summary.name,
            "state": summary.state,
            "goal": {"metric": goal.metric, "direction": str(goal.direction)} if goal else None,
            "started_at": summary.started_at,
            "settled_at": summary.settled_at,
        },
        "counts": dict(summary.counts),
        "phases": [_phase(it) for it in summary.phases],
        "results": [_sweep(it, summary.winners.get(it.sweep)) for it in summary.results],
        "failures": [_group(it) for it in summary.failures],
        "marks": [_marks(it) for it in summary.marks],
        "winner": _best(summary.winner) if summary.winner else None,
        "headline": summary.headline,
        "jobs_line": summary.jobs_line,
        "facts": list(summary.facts),
        "wall_seconds": summary.wall_seconds,
        "retried": summary.retried,
        "retried_attempts": summary.retried_attempts,
        "skipped": summary.skipped,
        "result_files": summary.result_files,
        "gpu_hours": {"used": hours.used, "idle": hours.idle} if (hours := summary.gpu_hours) else None,
        "reported": summary.reported,
        "over": summary.over,
        "next": [str(step) for step in summary.next],
    }


def _phase(it: Phase) -> View:
    return {
        "name": it.name,
        "state": it.state,
        "sweeps": list(it.sweeps),
        "runs": it.runs,
        "succeeded": it.succeeded,
        "failed": it.failed,
        "other": it.other,
        "retried": it.retried,
        "oom_retries": it.memory_retries,
        "packed": it.packed,
        "seconds": it.seconds,
        "counts": dict(it.counts),
    }


def _sweep(it: SweepResults, best: Best | None) -> View:
    return {
        "sweep": it.sweep,
        "replicates": list(it.replicates),
        "varied": list(it.varied),
        "metrics": list(it.metrics),
        "cells": [_cell(cell) for cell in it.cells],
        "best": _best(best) if best else None,
    }


def _cell(it: Cell) -> View:
    return {
        "label": it.label,
        "parameters": strict(it.parameters),
        "changed": changed(it.changed),
        "elsewhere": list(it.elsewhere),
        "packed": list(it.packed),
        "runs": [{"id": id, "name": name} for id, name in zip(it.ids, it.runs, strict=True)],
        "missing": [{"name": gap.run, "state": gap.state, "reason": gap.reason} for gap in it.missing],
        "metrics": {metric: _spread(spread) for metric, spread in it.spreads.items()},
    }


def changed(swaps: Mapping[str, Swap]) -> View:
    """Parameter -> as it was written, and as it was used."""
    return {name: strict({"written": it.written, "used": it.used}) for name, it in swaps.items()}


def _marks(it: MarkGroup) -> View:
    runs = [{"id": run.id, "name": run.name, "sweep": run.sweep, "detail": run.detail} for run in it.runs]
    return {"kind": it.kind, "meaning": it.meaning, "count": len(runs), "runs": runs}


def _spread(it: Spread) -> View:
    numbers = {"n": it.n, "mean": it.mean, "sd": it.deviation, "min": it.least, "max": it.most}
    return {
        **strict(numbers),
        "not_finite": len(it.not_finite),
        "values": {point.run: strict(point.value) for point in it.points},
        "silent": list(it.silent),
    }


def _best(it: Best) -> View:
    return {
        "sweep": it.cell.sweep,
        "label": it.cell.label,
        "parameters": strict(it.cell.parameters),
        "changed": changed(it.cell.changed),
        "metric": it.goal.metric,
        "direction": str(it.goal.direction),
        **strict({"mean": it.spread.mean, "sd": it.spread.deviation, "n": it.spread.n}),
        "candidates": it.candidates,
        "tied": it.tied,
        "runner_up": _contrast(it.runner_up) if it.runner_up else None,
        "others": [_contrast(other) for other in it.others],
        "not_ranked": [cell.label for cell in it.left_out],
        "sentence": it.sentence,
        "beside": list(it.beside),
    }


def _contrast(it: Contrast) -> View:
    numbers = {
        "mean": it.spread.mean,
        "sd": it.spread.deviation,
        "n": it.spread.n,
        "advantage": it.advantage,
        "pooled_sd": it.pooled,
        "standard_error": it.error,
        "standard_errors": it.ratio,
    }
    identity = {"sweep": it.cell.sweep, "label": it.cell.label, "parameters": strict(it.cell.parameters)}
    return {**identity, "changed": changed(it.cell.changed), **strict(numbers), "noise": str(it.noise)}


def _group(it: FailureGroup) -> View:
    runs = [
        {
            "id": run.id,
            "name": run.name,
            "sweep": run.sweep,
            "state": run.state,
            "reason": run.reason,
            "detail": run.detail,
            "attempts": run.attempts,
            "last_lines": list(run.last_lines),
            "next": [run.next],
        }
        for run in it.runs
    ]
    return {"reason": it.reason, "meaning": it.meaning, "count": len(runs), "runs": runs}
