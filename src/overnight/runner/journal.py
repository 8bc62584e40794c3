"""The runner's own record: JSON lines, each written before the effect that it announces.

It survives the death of every process. It is not synced: after a power loss the boot id tells that nothing runs.
"""

from __future__ import annotations

import json
import os
from typing import Any

from . import record
from .identity import Identity
from .ledger import Entry, Ledger, State
from .protocol import text

FILE = "journal"
"""Name inside the state folder."""
COMPACT_AT = 16 * 1024 * 1024
"""Bytes of growth after which the journal is written anew."""


class Journal:
    """Appends to the journal; `open_journal` makes one."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        _cut_torn_line(self._descriptor)
        self._size = self._compact_size = os.fstat(self._descriptor).st_size
        self._waiting: list[str] = []

    @property
    def wants_compaction(self) -> bool:
        """It has grown enough to be worth writing anew."""
        return self._size - self._compact_size > COMPACT_AT

    def note(self, line: str) -> None:
        """Add a line that may wait for the next write."""
        self._waiting.append(line)

    def write(self) -> None:
        """Write all waiting lines at once. Raises OSError with the file as it was; the lines are then dropped."""
        if not self._waiting:
            return
        data = ("\n".join(self._waiting) + "\n").encode("ascii")
        self._waiting.clear()
        try:
            if os.write(self._descriptor, data) != len(data):
                raise OSError("The journal took only a part of the lines.")
        except OSError:
            os.ftruncate(self._descriptor, self._size)  # else the next line would continue a torn one
            raise
        self._size += len(data)

    def compact(self, ledger: Ledger) -> None:
        """Replace the journal by one that says only what still matters. Raises OSError with the old one in place."""
        self.write()
        lines = [session_line(ledger.session), fences_line(ledger)]
        for entry in ledger.entries.values():
            lines.extend(entry_lines(entry))
        record.write_file(self._path, ("\n".join(lines) + "\n").encode("ascii"))
        os.close(self._descriptor)
        self._descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND)
        self._size = self._compact_size = os.fstat(self._descriptor).st_size


def _cut_torn_line(descriptor: int) -> None:
    """Let the journal end with a whole line, so that the next one does not continue half of another."""
    size = end = os.fstat(descriptor).st_size
    while end > 0:
        begin = max(0, end - 65536)
        newline = os.pread(descriptor, end - begin, begin).rfind(b"\n")
        end = begin + newline + 1
        if newline >= 0 or begin == 0:
            break
    if end < size:
        os.ftruncate(descriptor, end)


def session_line(session: int) -> str:
    """A server with this session was let in."""
    return text({"kind": "session", "session": session})


def fences_line(ledger: Ledger) -> str:
    """The highest fence of each run, in the order of their last use."""
    return text({"kind": "fences", "runs": ledger.fences, "highest": ledger.highest_fence})


def accepted_line(entry: Entry) -> str:
    """An attempt will be handed to an executor."""
    worker = entry.worker
    return text(
        {
            "kind": "accepted",
            "attempt": entry.attempt,
            "run": entry.run,
            "fence": entry.fence,
            "folder": entry.folder,
            "grace": entry.grace,
            "time_limit": entry.time_limit,
            "executor": [worker.boot_id, worker.pid, worker.start_time] if worker is not None else None,
            "group": entry.group,
            "devices": entry.devices,
            "shared": entry.shared,
            "lease": entry.lease,
        }
    )


def started_line(entry: Entry) -> str:
    """The main process of an attempt runs."""
    return text(
        {
            "kind": "started",
            "attempt": entry.attempt,
            "pid": entry.pid,
            "start_time": entry.start_time,
            "clock": entry.clock,
        }
    )


def ended_line(entry: Entry) -> str:
    """An attempt has ended with this record."""
    return f'{{"kind":"ended","attempt":{text(entry.attempt)},"record":{entry.record}}}'


def dead_line(entry: Entry) -> str:
    """An attempt is gone without a record."""
    return text({"kind": "dead", "attempt": entry.attempt, "proof": entry.proof})


def forgotten_line(attempts: list[str]) -> str:
    """The server has these on record."""
    return text({"kind": "forgotten", "attempts": attempts})


def entry_lines(entry: Entry) -> list[str]:
    """Return the lines from which exactly this entry is read again."""
    lines = [accepted_line(entry)]
    if entry.pid is not None:
        lines.append(started_line(entry))
    if entry.state is State.ENDED:
        lines.append(ended_line(entry))
    elif entry.state is State.DEAD:
        lines.append(dead_line(entry))
    return lines


def replay(path: str) -> Ledger:
    """Return what the journal at path says; a torn or foreign line says nothing. Raises OSError if unreadable."""
    ledger = Ledger()
    try:
        with open(path, "rb") as file:
            for line in file:
                _apply_line(ledger, line)
    except FileNotFoundError:
        return ledger
    return ledger


def _apply_line(ledger: Ledger, line: bytes) -> None:
    try:
        message = json.loads(line)
        _APPLY[message["kind"]](ledger, message)
    except (ValueError, KeyError, TypeError, AttributeError):
        return  # torn by a crash or a full disk: what it announced had not been done


def _apply_session(ledger: Ledger, message: dict[str, Any]) -> None:
    ledger.session = max(ledger.session, message["session"])


def _apply_fences(ledger: Ledger, message: dict[str, Any]) -> None:
    for run, fence in message["runs"].items():
        ledger.raise_fence(run, fence)
    ledger.highest_fence = max(ledger.highest_fence, message["highest"])


def _apply_accepted(ledger: Ledger, message: dict[str, Any]) -> None:
    worker = message["executor"]
    ledger.add(
        Entry(
            attempt=message["attempt"],
            run=message["run"],
            fence=message["fence"],
            folder=message["folder"],
            grace=message["grace"],
            time_limit=message["time_limit"],
            worker=Identity(*worker) if worker is not None else None,
            group=message["group"],
            devices=tuple(message.get("devices", ())),
            shared=message.get("shared", False),
            lease=message.get("lease"),
        )
    )
    ledger.raise_fence(message["run"], message["fence"])


def _apply_started(ledger: Ledger, message: dict[str, Any]) -> None:
    entry = ledger.entries[message["attempt"]]
    entry.pid, entry.start_time, entry.clock = message["pid"], message["start_time"], message["clock"]
    if not entry.state.final:
        entry.state = State.ALIVE


def _apply_ended(ledger: Ledger, message: dict[str, Any]) -> None:
    entry = ledger.entries[message["attempt"]]
    entry.state, entry.record = State.ENDED, text(message["record"])


def _apply_dead(ledger: Ledger, message: dict[str, Any]) -> None:
    entry = ledger.entries[message["attempt"]]
    entry.state, entry.proof = State.DEAD, message["proof"]


def _apply_forgotten(ledger: Ledger, message: dict[str, Any]) -> None:
    ledger.forget(message["attempts"])


_APPLY = {
    "session": _apply_session,
    "fences": _apply_fences,
    "accepted": _apply_accepted,
    "started": _apply_started,
    "ended": _apply_ended,
    "dead": _apply_dead,
    "forgotten": _apply_forgotten,
}
