"""Operations that judge: summary, comparison, doctor, verification."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

from overnight.domain.errors import Conflict, NotFound, Unavailable
from overnight.domain.nouns import Run
from overnight.reports import compare as comparison
from overnight.reports.compare import compare
from overnight.reports.encode import to_json
from overnight.reports.html import html
from overnight.reports.markdown import markdown
from overnight.reports.plot import plot
from overnight.reports.summary import summarise
from overnight.reports.table import Table
from overnight.reports.text import tables
from overnight.service.context import Context
from overnight.service.materials import material_of, run_material
from overnight.service.requests import Nothing, One, Pair, ReportRequest, TargetName
from overnight.service.views import View
from overnight.store import campaigns
from overnight.store.verify import verify

LOW_BYTES, LOW_INODES = 2 * 1024**3, 10_000
"""Below this much free space or this many free inodes, `doctor` warns."""


def summary(context: Context, request: One) -> View:
    """What a campaign found so far: counts, phases, results over replicates, the winner and the noise, failures."""
    return to_json(summarise(material_of(context, request.id)))


def report(context: Context, request: ReportRequest) -> View:
    """The same as a document: Markdown, one HTML file, the plot alone as SVG, or tables as values."""
    found = summarise(material_of(context, request.id))
    if request.format == "tables":
        sentences = [found.headline, *([found.winner.sentence] if found.winner else [])]
        return {"id": found.id, "sentences": sentences, "tables": [_table(it) for it in tables(found)]}
    if request.format == "svg":
        content = plot(found, alone=True)
    else:
        content = html(found) if request.format == "html" else markdown(found)
    if content is None:
        raise Conflict(
            f"{request.id} has no plot: no run has reported the goal metric",
            next_step="Name a metric that the runs report as goal in the campaign file.",
        )
    return {"id": found.id, "format": request.format, "content": content}


def _table(it: Table) -> View:
    return {
        "title": it.title,
        "header": list(it.header),
        "rows": [list(row) for row in it.rows],
        "right": sorted(it.right),
        "marked": sorted(it.marked),
        "note": it.note,
    }


def compare_runs(context: Context, request: Pair) -> View:
    """Two runs side by side: what differs in their configuration, and what came out."""
    first, second = run_material(context, request.first), run_material(context, request.second)
    found = compare(first, second, same_code=_same_code(context, first.run, second.run))
    return {**comparison.to_json(found), "tables": [_table(it) for it in comparison.tables(found)]}


def _same_code(context: Context, first: Run, second: Run) -> bool | None:
    """Whether both were frozen with the same code; None when that is not known of one."""
    if first.campaign_id is None or second.campaign_id is None:
        return None
    ids = (first.campaign_id, second.campaign_id)
    codes = context.store.read(lambda session: [dict(campaigns.get(session, it).code) for it in ids])
    return codes[0] == codes[1]


def doctor(context: Context, request: TargetName) -> View:
    """Look at a target without changing anything: each check with verdict, value and what to do."""
    spot = context.spots.get(request.target)
    if spot is None:
        known = ", ".join(sorted(context.spots))
        raise NotFound(f"there is no target {request.target!r}", next_step=f"Configured targets: {known}.")
    home = _existing(context.configuration.home)
    checks = [_devices(context, request.target), *_disk(str(home)), _python(), _writable(context.runs_folder)]
    return {"target": request.target, "ok": all(check["verdict"] != "fail" for check in checks), "checks": checks}


def _check(name: str, verdict: str, value: Any, advice: str = "") -> View:
    return {"check": name, "verdict": verdict, "value": value, "advice": advice}


def _devices(context: Context, name: str) -> View:
    try:
        offers = context.spots[name].target.offers()
    except Unavailable as error:
        return _check("devices", "unknown", str(error), "Try again; nothing is concluded from this.")
    sick = [f"{offer.name}: {offer.fault}" for offer in offers if offer.fault]
    busy = [f"{offer.name}: {offer.busy}" for offer in offers if offer.busy and not offer.fault]
    gpus = sum(offer.kind == "gpu" for offer in offers)
    value = f"{gpus} GPUs, {len(offers) - gpus} CPU slots"
    if sick:
        return _check(
            "devices", "fail", f"{value}; {'; '.join(sick)}", "Look at the driver's log; the GPU gets no runs."
        )
    if busy:
        return _check("devices", "warn", f"{value}; {'; '.join(busy)}", "Runs wait until it is free.")
    return _check("devices", "ok", value)


def _disk(folder: str) -> list[View]:
    free = shutil.disk_usage(folder).free
    inodes = os.statvfs(folder).f_favail
    low = "Free some space: logs and checkpoints of runs go there."
    return [
        _check(
            "disk",
            "ok" if free > LOW_BYTES else "warn",
            f"{free / 1024**3:.1f} GiB free at {folder}",
            low if free <= LOW_BYTES else "",
        ),
        _check(
            "inodes", "ok" if inodes > LOW_INODES else "warn", f"{inodes} free", low if inodes <= LOW_INODES else ""
        ),
    ]


def _python() -> View:
    found = shutil.which("python3")
    return _check(
        "python3",
        "ok" if found else "warn",
        found or "not on PATH",
        "" if found else "Commands must name their interpreter.",
    )


def _existing(folder: Path) -> Path:
    """The folder, or the nearest one above it that is there: where it will be made."""
    return next(place for place in (folder, *folder.parents) if place.is_dir())


def _writable(folder: Path) -> View:
    writable = os.access(_existing(folder), os.W_OK)
    advice = "" if writable else "Check its owner and mode."
    return _check("run folder", "ok" if writable else "fail", str(folder), advice)


def verify_log(context: Context, _: Nothing) -> View:
    """Recompute the hash chain, the tables and the invariants from the event log."""
    report = verify(context.store)
    return {
        "ok": report.ok,
        "events": report.events,
        "head": report.head,
        "checked": list(report.checked),
        "violations": [
            {"invariant": it.invariant, "subject": it.subject, "message": it.sentence} for it in report.violations
        ],
        "found": report.found,
    }
