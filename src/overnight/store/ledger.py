"""The event log: append-only, numbered without gaps, chained by SHA-256."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from overnight.clock import Clock

if TYPE_CHECKING:
    from overnight.store.base import Session

GENESIS = "0" * 64
"""`prev_hash` of the first event."""

_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), sort_keys=True, allow_nan=False).encode


def event_hash(prev_hash: str, fields: tuple[Any, ...]) -> str:
    """SHA-256 over the previous hash and the event's fields as canonical JSON.

    `fields` is (seq, wall, mono, boot_id, actor, request_id, kind, subject, token, payload text).
    """
    return hashlib.sha256(f"{prev_hash}{_encode(fields)}".encode()).hexdigest()


class Ledger:
    """Where the log ends, during one transaction."""

    __slots__ = ("_clock", "hash", "seq")

    def __init__(self, clock: Clock, seq: int, last_hash: str) -> None:
        self._clock = clock
        self.seq = seq
        self.hash = last_hash

    def append(self, session: Session, kind: str, subject: str, token: int, payload: Mapping[str, Any]) -> None:
        """Write one event after the last one."""
        text = _encode(payload)
        seq = self.seq + 1
        # As floats, which is how they come back from the table: 5 and 5.0 have different hashes.
        wall, mono = float(round(session.now, 6)), float(round(self._clock.boot(), 6))
        change = session.change
        fields = (seq, wall, mono, self._clock.boot_id, change.actor, change.request_id, kind, subject, token, text)
        digest = event_hash(self.hash, fields)
        session.rows(
            "event_append",
            seq=seq,
            wall=wall,
            mono=mono,
            boot_id=self._clock.boot_id,
            actor=change.actor,
            request_id=change.request_id,
            kind=kind,
            subject=subject,
            token=token,
            payload=text,
            prev_hash=self.hash,
            hash=digest,
        )
        self.seq, self.hash = seq, digest


def read_head(session: Session, clock: Clock) -> Ledger:
    """The pen at the end of the log as this transaction sees it."""
    head = session.row("event_head")
    return Ledger(clock, *head) if head else Ledger(clock, 0, GENESIS)
