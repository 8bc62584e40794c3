"""Targets beside this machine: how they are reached, and what was last known of the way to them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from overnight.store.base import Session

REACHABLE, UNKNOWN = "reachable", "unknown"


@dataclass(frozen=True, slots=True)
class KnownTarget:
    """One target on record."""

    name: str
    ssh: Mapping[str, Any]
    """How it is reached, as the configuration says it."""
    origin: str
    """`file` (config.toml) or `manifest` (an alias of the user's SSH configuration)."""
    actor: str
    created_at: float
    state: str
    """`reachable` or `unknown`."""
    detail: str | None
    """Why it is unknown."""
    since: float
    """Wall seconds since when."""


def known(session: Session) -> dict[str, KnownTarget]:
    """All of them by name."""
    rows = session.rows("targets_all")
    return {row[0]: KnownTarget(row[0], json.loads(row[1]), *row[2:]) for row in rows}


def add(session: Session, name: str, ssh: Mapping[str, Any], origin: str) -> None:
    """Keep a target, or how an old one is reached now. A new one is unknown until it answers."""
    text = json.dumps(dict(ssh), sort_keys=True)
    found = known(session).get(name)
    if found is None:
        session.rows("target_put", id=name, ssh=text, origin=origin, actor=session.change.actor, now=session.now)
        session.record("target.create", name, origin=origin, ssh=dict(ssh))
    elif json.dumps(dict(found.ssh), sort_keys=True) != text or found.origin != origin:
        session.rows("target_changed", id=name, ssh=text, origin=origin)
        session.record("target.update", name, origin=origin, ssh=dict(ssh))


def note(session: Session, name: str, why: str | None) -> None:
    """It was lost for this reason, or, without one, found; nothing happens where that is known, or to this machine."""
    state = REACHABLE if why is None else UNKNOWN
    before = session.rows("target_noted", id=name, state=state, detail=why, now=session.now)
    if before:
        session.record("target.found" if why is None else "target.lost", name, detail=why)
