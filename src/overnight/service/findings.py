"""Operations that judge: summary, comparison, doctor, verification."""

from __future__ import annotations

import os
import shutil
from typing import Any

from overnight.domain.errors import NotFound, Unavailable
from overnight.reports.encode import to_json
from overnight.reports.summary import summarise
from overnight.service.context import Context
from overnight.service.materials import material_of
from overnight.service.requests import Nothing, One, TargetName
from overnight.service.views import View
from overnight.store.verify import verify

LOW_BYTES, LOW_INODES = 2 * 1024**3, 10_000
"""Below this much free space or this many free inodes, `doctor` warns."""


def summary(context: Context, request: One) -> View:
    """What a campaign found so far: counts, phases, results over replicates, the winner and the noise, failures."""
    return to_json(summarise(material_of(context, request.id)))


def doctor(context: Context, request: TargetName) -> View:
    """Look at a target without changing anything: each check with verdict, value and what to do."""
    spot = context.spots.get(request.target)
    if spot is None:
        known = ", ".join(sorted(context.spots))
        raise NotFound(f"there is no target {request.target!r}", next_step=f"Configured targets: {known}.")
    home = context.configuration.home
    checks = [_devices(context, request.target), *_disk(str(home)), _python(), _log_writable(str(context.runs_folder))]
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


def _log_writable(folder: str) -> View:
    writable = os.access(folder if os.path.isdir(folder) else os.path.dirname(folder), os.W_OK)
    return _check("run folder", "ok" if writable else "fail", folder, "" if writable else "Check its owner and mode.")


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
