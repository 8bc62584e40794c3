"""The operation that looks at a target and at what keeps work from going on, without changing anything."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from overnight.domain.access import Verb
from overnight.domain.errors import Denied, NotFound, Unavailable
from overnight.domain.room import is_low, sentence
from overnight.planner import gates
from overnight.service.context import Context, Spot
from overnight.service.requests import TargetName
from overnight.service.targets import admit
from overnight.service.views import View
from overnight.store import marks, rows
from overnight.store.base import Session

LOW_BYTES, LOW_INODES = 2 * 1024**3, 10_000
"""Below this much free space or this many free inodes, `doctor` warns."""
SHARED_MEMORY = "/dev/shm"
LOW_SHARED_BYTES = 256 * 1024**2
"""Less shared memory than this is too little for most loaders of data; containers start with 64 MiB."""
CLOCK_SECONDS = 60.0
"""By so much the clock may stand before the newest event: a correction, not a wrong clock."""
LISTED = 20
"""Runs that cannot start by themselves of which the reasons are listed."""


def doctor(context: Context, request: TargetName) -> View:
    """Look at a target without changing anything: each check with verdict, value and what to do."""
    admit(context, [request.target])
    spot = context.spots.get(request.target)
    if spot is None:
        known = ", ".join(sorted(context.spots))
        raise NotFound(f"there is no target {request.target!r}", next_step=f"Configured targets: {known}.")
    if spot.examine is not None:
        return _examined(context, request, spot)
    home = _existing(context.configuration.home)
    blocked = context.store.read(_held_up)
    checks = [
        _devices(context, request.target),
        *_disk(context, home),
        _shared_memory(),
        _python(),
        _writable(context.runs_folder),
        *context.store.read(_record),
        _waiting(blocked),
    ]
    ok = all(check["verdict"] != "fail" for check in checks)
    return {"target": request.target, "ok": ok, "checks": checks, "blocked": blocked}


def _examined(context: Context, request: TargetName, spot: Spot) -> View:
    """What a host that is reached over a network says of itself, or why it is not reached."""
    if request.python is not None and not context.principal.may(Verb.SUBMIT):
        raise Denied("this token may not have a program run", next_step="Leave out --python.")
    blocked = context.store.read(_held_up)
    reserve = spot.reserve or context.configuration.local.reserve
    try:
        told = spot.examine(request.python) if spot.examine else {}
        found = gates.gates(told, context.store.read(lambda session: session.now), reserve)
    except Unavailable as error:
        why = spot.status().why if spot.status else None
        advice = why.next_step if why and why.next_step else "Try again; nothing is concluded from this."
        found = gates.unreached(why.code if why else "unreachable", str(error), advice)
    checks = [_gate(it) for it in found]
    if found[-1].name == "rsync":
        checks.append(_devices(context, request.target))
    return {
        "target": request.target,
        "ok": all(it.ok for it in found),
        "checks": [*checks, _waiting(blocked)],
        "blocked": blocked,
    }


def _gate(gate: gates.Gate) -> View:
    seen = {"check": gate.name, "verdict": gate.verdict, "value": gate.value, "advice": gate.advice}
    return {**seen, "name": gate.name, "ok": gate.ok, "limit": gate.limit, "code": gate.code if not gate.ok else ""}


def _check(name: str, verdict: str, value: Any, advice: str = "") -> View:
    ok = None if verdict == "unknown" else verdict != "fail"
    seen = {"check": name, "verdict": verdict, "value": value, "advice": advice}
    return {**seen, "name": name, "ok": ok, "limit": "", "code": ""}


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
        advice = "Look at the driver's log; the GPU gets no runs."
        return _check("devices", "fail", f"{value}; {'; '.join(sick)}", advice)
    if busy:
        return _check("devices", "warn", f"{value}; {'; '.join(busy)}", "Runs wait until it is free.")
    return _check("devices", "ok", value)


def _disk(context: Context, folder: Path) -> list[View]:
    """Below the reserve nothing starts; well above it there is a warning already."""
    found = os.statvfs(folder)
    free, inodes = found.f_bavail * found.f_frsize, found.f_favail
    advice = "Free some space: logs and checkpoints of runs go there."
    room, reserve = next(iter(context.spots.values())).files.room(str(folder)), context.configuration.local.reserve
    if is_low(room, reserve):
        return [_check("disk", "fail", f"{sentence(room, reserve)}: nothing starts", advice)]
    enough, many = free > LOW_BYTES, inodes > LOW_INODES or found.f_files == 0
    kept = f"{context.configuration.local.disk_reserve_mib} MiB are kept in reserve"
    return [
        _check(
            "disk",
            "ok" if enough else "warn",
            f"{free / 1024**3:.1f} GiB free at {folder}; {kept}",
            "" if enough else advice,
        ),
        _check("inodes", "ok" if many else "warn", f"{inodes} free", "" if many else advice),
    ]


def _shared_memory() -> View:
    try:
        found = os.statvfs(SHARED_MEMORY)
    except OSError:
        return _check("shared memory", "unknown", f"there is no {SHARED_MEMORY}")
    free = found.f_bavail * found.f_frsize
    advice = "Loaders with several workers may fail: enlarge it, or use fewer workers."
    low = free < LOW_SHARED_BYTES
    return _check("shared memory", "warn" if low else "ok", f"{free / 1024**2:.0f} MiB free", advice if low else "")


def _python() -> View:
    found = shutil.which("python3")
    advice = "" if found else "Commands must name their interpreter."
    return _check("python3", "ok" if found else "warn", found or "not on PATH", advice)


def _existing(folder: Path) -> Path:
    """The folder, or the nearest one above it that is there: where it will be made."""
    return next(place for place in (folder, *folder.parents) if place.is_dir())


def _writable(folder: Path) -> View:
    writable = os.access(_existing(folder), os.W_OK)
    advice = "" if writable else "Check its owner and mode."
    return _check("run folder", "ok" if writable else "fail", str(folder), advice)


def _record(session: Session) -> list[View]:
    """What the record says: whether the clock goes backwards, and what is held."""
    newest = [rows.event(row) for row in session.rows("events_last", limit=1)]
    late = newest[0].wall - session.now if newest else 0.0
    advice = "Set the clock: times of runs would be wrong."
    wrong = late > CLOCK_SECONDS
    clock = f"{late:.0f} s before the newest event" if wrong else "not before the newest event"
    held = [f"{subject}: {detail} ({code})" for subject, (code, detail) in marks.holds(session).items()]
    return [
        _check("clock", "warn" if wrong else "ok", clock, advice if wrong else ""),
        _check(
            "holds",
            "warn" if held else "ok",
            "; ".join(held) or "nothing is held",
            "Starts go on by themselves when this is over." if held else "",
        ),
    ]


def _held_up(session: Session) -> list[View]:
    """Runs of active campaigns that cannot start by themselves."""
    found: list[View] = []
    for campaign in map(rows.campaign, session.rows("campaigns_active")):
        for run, name, state, reason, detail in session.rows("runs_held_up", campaign_id=campaign.id, limit=LISTED):
            found.append(
                {
                    "campaign": campaign.name,
                    "run": run,
                    "name": name,
                    "state": state,
                    "reason": reason,
                    "detail": detail,
                }
            )
    return found[:LISTED]


def _waiting(blocked: Sequence[View]) -> View:
    named = "; ".join(f"{it['campaign']}/{it['name']}: {it['detail']} ({it['reason']})" for it in blocked[:5])
    more = f" and {len(blocked) - 5} more" if len(blocked) > 5 else ""
    advice = "Provide what is missing, or see: overnight explain ID" if blocked else ""
    return _check("blocked runs", "warn" if blocked else "ok", (named or "none") + more, advice)
