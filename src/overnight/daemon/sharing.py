"""GPUs that several runs of ours may use at once: who is on them, and what is known of their memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from overnight.domain.reasons import Mark, Reason
from overnight.domain.states import LIVE_ATTEMPT
from overnight.planner.fit import FreeDevice, Holder
from overnight.planner.place import Head, Placement
from overnight.store import families, rows
from overnight.store.base import Session
from overnight.store.marks import mark

NAMED = 5
"""How many neighbours a mark names before it only counts them."""


def shared_devices(session: Session, target: str, seen_since: float) -> list[FreeDevice]:
    """GPUs whose holders bear company, with these holders. Left out are those of a run that wants its GPU alone, and
    those whose holders have all ended: these come back clean, or not yet."""
    found: dict[str, list[Holder]] = {}
    live: set[str] = set()
    cards = {row[0]: row for row in session.rows("devices_of", target=target)}
    for device, part, attempt, run_id, settings, before, state in session.rows(
        "device_holders", target=target, seen_since=seen_since
    ):
        share = rows.sweep_settings(settings).need.share
        peak = _peak(session, run_id, cards[device][5], before)
        found.setdefault(device, []).append(Holder(attempt, part, share, peak))
        live |= {device} if state in LIVE_ATTEMPT else set()
    return [
        replace(_device(cards[device]), holders=tuple(holders))
        for device, holders in found.items()
        if device in live and all(holder.share > 1 for holder in holders)
    ]


def _device(row: Sequence[object]) -> FreeDevice:
    it = rows.device(tuple(row))
    return FreeDevice(
        it.id, it.kind, it.position, it.memory_mib, it.name, it.busy, it.used_mib, it.strangers, target=it.target
    )


def _peak(session: Session, run_id: str, model: str, before: str | None) -> int | None:
    """What a run is known to need; None also for one that ran out of memory beside others: it goes on alone."""
    if before == Reason.NEIGHBOUR_OOM:
        return None
    return families.known_peaks(session, run_id, [model]).get(model)


def with_peaks(session: Session, head: Head, models: Sequence[str]) -> Head:
    """The head with what runs like it were seen to use on each model of GPU."""
    before = session.value("run_before", id=head.run_id) if head.attempts else None
    if before == Reason.NEIGHBOUR_OOM:
        return head
    return replace(head, peaks=families.known_peaks(session, head.run_id, models))


def mark_packed(session: Session, placement: Placement, attempt: str) -> None:
    """Mark a run that joins others on a GPU, and those that it joins: their times are not comparable any more."""
    for device in placement.devices:
        there = [holder.attempt for holder in device.holders]
        for one in [attempt, *there] if there else ():
            others = [other for other in [attempt, *there] if other != one]
            more = f" and {len(others) - NAMED} more" if len(others) > NAMED else ""
            detail = f"shares {device.id} with {', '.join(others[:NAMED])}{more}"
            mark(session, one, one.rpartition(".")[0], Mark.PACKED, detail)
