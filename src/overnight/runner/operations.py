"""What a server may ask: one method per operation, a request in, the fields of the reply out."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable
from typing import Any

from . import PROTOCOL_VERSION, journal, launch, processes, record
from .attempts import Attempts
from .beats import Beats
from .connection import Connection
from .identity import Stat
from .journal import Journal
from .launch import Launch, LaunchError
from .ledger import Entry, Ledger, State
from .order import StopOrder
from .protocol import Message, ProtocolError
from .usage import Meter


class Operations:
    """Answers requests. Every method raises ProtocolError for a request that is wrong."""

    def __init__(
        self, state_dir: str, boot_id: str, ledger: Ledger, book: Journal, attempts: Attempts, beats: Beats
    ) -> None:
        self._state_dir = state_dir
        self._boot_id = boot_id
        self._beats = beats
        self._meter = Meter()
        self._ledger = ledger
        self._journal = book
        self._attempts = attempts
        self._table: dict[str, Callable[[Message], Message]] = {
            "start": self._start,
            "observe": self._observe,
            "stop": self._stop,
            "forget": self._forget,
            "owned": self._owned,
            "ping": lambda _request: {},
            "beat": lambda _request: beats.ask(),
            "renew": self._renew,
        }

    def answer(self, connection: Connection, request: Message) -> Message:
        """Carry out one request and return what the reply says beside id and ok."""
        name = request.get("op")
        if name == "hello":
            return self._hello(connection, request)
        if connection.session is None:
            raise ProtocolError("hello_first", "The first request of a connection must be hello.")
        operation = self._table.get(name) if isinstance(name, str) else None
        if operation is None:
            raise ProtocolError("unknown_op", f"There is no operation {name!r}.")
        return operation(request)

    def _hello(self, connection: Connection, request: Message) -> Message:
        session = _field(request, "session", int)
        if session <= self._ledger.session:
            seen = self._ledger.session
            raise ProtocolError("stale_session", f"Session {seen} has been here; {session} is old.", session=seen)
        self._journal.note(journal.session_line(session))
        try:
            self._journal.write()
        except OSError as error:
            raise ProtocolError("journal", f"The journal cannot be written: {error}.") from error
        self._ledger.session = connection.session = session
        self._beats.greet()
        return {
            "version": PROTOCOL_VERSION,
            "boot_id": self._boot_id,
            "pid": os.getpid(),
            "highest_fence": self._ledger.highest_fence,
            "owned": list(self._ledger.entries),
        }

    def _start(self, request: Message) -> Message:
        results: dict[str, Message] = {}
        new: dict[str, tuple[Launch, dict[str, Any]]] = {}
        runs: set[str] = set()
        for wire in _field(request, "launches", list):
            name = wire.get("attempt") if isinstance(wire, dict) else None
            if not isinstance(name, str):
                raise ProtocolError("bad_request", "Every launch must be an object with an attempt.")
            if name in results:
                continue  # said twice in one request: the first one counts
            results[name] = {"ok": True}
            try:
                asked = self._admit(wire, runs)
            except ProtocolError as error:
                results[name] = _refused(error)
                continue
            if asked is not None:
                new[name] = (asked, wire)
                runs.add(asked.run)
        for name, refusal in self._attempts.accept(list(new.values())).items():
            results[name] = _refused(refusal)
        return {"results": results}

    def _admit(self, wire: dict[str, Any], runs: set[str]) -> Launch | None:
        """Return the launch if it is to be started, None if it was accepted before."""
        try:
            asked = launch.from_wire(wire)
        except LaunchError as error:
            raise ProtocolError("bad_launch", str(error)) from error
        if self._ledger.is_known(asked):
            return None
        self._beats.admit(asked)
        if asked.run in runs:
            raise ProtocolError("still_live", f"Another attempt of run {asked.run} is in the same request.")
        if os.path.lexists(asked.folder):
            raise ProtocolError("already_started", f"The folder {asked.folder} is there: it was started before.")
        return asked

    def _observe(self, request: Message) -> Message:
        states: dict[str, Message] = {}
        known: list[Entry] = []
        marks: dict[str, list[Stat]] | None = None
        for item in _field(request, "attempts", list):
            if not isinstance(item, dict):
                raise ProtocolError("bad_request", "Every observed attempt must be an object.")
            name = _field(item, "attempt", str)
            entry = self._ledger.entries.get(name)
            if entry is not None and entry.fence == _field(item, "fence", int):
                states[name] = _state(entry)
                known.append(entry)
                continue
            if marks is None:
                marks = processes.marked(self._state_dir)
            states[name] = self._look_for(item, name, marks.get(name, []))
        for name, usage in self._meter.usages([entry for entry in known if not entry.state.final]).items():
            states[name]["usage"] = usage
        return {"states": states}

    def _look_for(self, item: Message, name: str, found: list[Stat]) -> Message:
        """Tell what is left of an attempt that the journal does not know."""
        folder, fence, boot_id = _field(item, "folder", str), _field(item, "fence", int), item.get("boot_id")
        try:
            text_of_record = record.read(folder, name, fence)
            os.lstat(folder)
            there = True
        except (FileNotFoundError, NotADirectoryError):
            there = False
        except (OSError, ValueError) as error:
            return {"state": "unknown", "proof": f"The folder {folder} cannot be read: {error}."}
        if there and text_of_record is not None:
            return {"state": "ended", "record": json.loads(text_of_record)}
        if boot_id is not None and boot_id != self._boot_id:
            return {"state": "dead", "proof": f"The machine was started anew: boot {boot_id} is now {self._boot_id}."}
        if found:
            return self._adopt_stray(name, fence, folder, found)
        if there:
            return {"state": "dead", "proof": "Its folder holds no record and no process of it is left."}
        return {"state": "absent"}

    def _adopt_stray(self, name: str, fence: int, folder: str, found: list[Stat]) -> Message:
        if name not in self._ledger.entries:
            entry = Entry(name, "", fence, folder, 0.0, None, None, None, State.ALIVE)
            self._ledger.add(entry)
            self._ledger.raise_fence(entry.run, entry.fence)
            self._journal.note(journal.accepted_line(entry))
            self._attempts.settle(entry)
        return {"state": "alive", "pid": found[0].pid, "start_time": found[0].start_time}

    def _stop(self, request: Message) -> Message:
        grace = _field(request, "grace", (int, float))
        if not (math.isfinite(grace) and grace >= 0):
            raise ProtocolError("bad_request", "grace must be finite and not negative.")
        entry = self._ledger.entries.get(_field(request, "attempt", str))
        if entry is not None:
            self._attempts.stop(entry, StopOrder(float(grace), _field(request, "reason", str)))
        return {}

    def _renew(self, request: Message) -> Message:
        self._beats.answered(_field(request, "n", int))
        return {}

    def _forget(self, request: Message) -> Message:
        names = _field(request, "attempts", list)
        if not all(isinstance(name, str) for name in names):
            raise ProtocolError("bad_request", "attempts must be a list of texts.")
        done = self._ledger.forget(names)
        self._meter.forget(done)
        if done:
            self._journal.note(journal.forgotten_line(done))
        return {"forgotten": done}

    def _owned(self, _request: Message) -> Message:
        return {
            "attempts": {
                name: {
                    "run": entry.run,
                    "fence": entry.fence,
                    "folder": entry.folder,
                    "state": _state(entry)["state"],
                    "pid": entry.pid,
                }
                for name, entry in self._ledger.entries.items()
            }
        }


def _refused(error: ProtocolError) -> Message:
    return {"ok": False, "error": error.wire()}


def _state(entry: Entry) -> Message:
    if entry.state is State.ENDED and entry.record is not None:
        return {"state": "ended", "record": json.loads(entry.record)}
    if entry.state is State.DEAD:
        return {"state": "dead", "proof": entry.proof}
    return {"state": "alive", "pid": entry.pid, "start_time": entry.start_time}


def _field(message: Message, name: str, kind: type | tuple[type, ...]) -> Any:
    value = message.get(name)
    if not isinstance(value, kind) or isinstance(value, bool):
        raise ProtocolError("bad_request", f"{name} is missing or has the wrong type.")
    return value
