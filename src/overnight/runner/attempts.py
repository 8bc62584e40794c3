"""The runner's side of every attempt: accepted, alive, ended or dead, whoever carries it out."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from . import executor as executors
from . import identity, journal, moment, order, record
from .beats import Beats
from .complaint import complain
from .journal import Journal
from .launch import Launch
from .ledger import Entry, Ledger, State
from .loop import Loop
from .order import StopOrder
from .orphans import Orphans
from .pool import Executor, Origin, Pool
from .protocol import ProtocolError, line, text

READ_AGAIN = 1.0
"""Seconds until a record that cannot be read (an I/O error) is tried again."""


class Attempts:
    """Moves attempts forward and tells of it: `push` gets whole lines, `heard` says whether a server listens."""

    def __init__(
        self,
        loop: Loop,
        ledger: Ledger,
        book: Journal,
        origin: Origin,
        beats: Beats,
        push: Callable[[bytes], None],
        heard: Callable[[], bool],
    ) -> None:
        self._loop = loop
        self._ledger = ledger
        self._journal = book
        self._boot_id = origin.boot_id
        self._beats = beats
        self._push = push
        self._heard = heard
        self._pool = Pool(origin, loop.watch, loop.unwatch, self._heard_line, self._lost)
        self._orphans = Orphans(loop, origin, self.die)

    def accept(self, launches: list[tuple[Launch, dict[str, Any]]]) -> dict[str, ProtocolError]:
        """Write these down and hand each to an executor. Returns those that were refused, with nothing started."""
        refused: dict[str, ProtocolError] = {}
        taken: list[tuple[Entry, Executor, bytes]] = []
        for launch, wire in launches:
            try:
                taken.append(self._take(launch, wire))
            except OSError as error:
                refused[launch.attempt] = ProtocolError("unavailable", f"No executor could be started: {error}.")
        try:
            self._journal.write()
        except OSError as error:
            for entry, idle, _ in taken:
                self._ledger.withdraw(entry.attempt)
                self._pool.give_back(idle)
                refused[entry.attempt] = ProtocolError("journal", f"The journal cannot be written: {error}.")
            return refused
        for entry, busy, data in taken:
            self._ledger.raise_fence(entry.run, entry.fence)
            self._hand_over(entry, busy, data)
        if any(entry.lease is not None for entry, _, _ in taken):
            self._beats.begin()
        return refused

    def stop(self, entry: Entry, stop: StopOrder) -> None:
        """End the attempt by this order; repeatable, silent when it has ended."""
        if entry.state.final:
            return
        entry.order = stop.merged(entry.order)
        if self._orphans.has(entry):
            self._orphans.stop(entry, stop)
        else:
            self._deliver(entry)

    def settle(self, entry: Entry) -> None:
        """Find out what has become of an attempt that no executor of this runner carries out."""
        try:
            found = record.read(entry.folder, entry.attempt, entry.fence)
        except OSError:
            self._loop.call_at(moment.boot() + READ_AGAIN, lambda: self.settle(entry))
            return
        if found is not None:
            self.end(entry, found)
        elif entry.worker is not None and entry.worker.boot_id != self._boot_id:
            self.die(entry, f"The machine was started anew: boot {entry.worker.boot_id} is now {self._boot_id}.")
        elif not self._adopt(entry):
            self._orphans.take(entry)

    def end(self, entry: Entry, found: str) -> None:
        """The attempt has this record."""
        if not self._heard():
            record.sync(entry.folder)
        entry.state, entry.record = State.ENDED, found
        self._journal.note(journal.ended_line(entry))
        head = f'{{"event":"ended","attempt":{text(entry.attempt)},"fence":{entry.fence},"record":'
        self._push(f"{head}{found}}}\n".encode("ascii"))

    def die(self, entry: Entry, proof: str) -> None:
        """The attempt is gone; a record that appeared meanwhile is believed instead."""
        found = self._late_record(entry)
        if found is not None:
            self.end(entry, found)
            return
        entry.state, entry.proof = State.DEAD, proof
        self._journal.note(journal.dead_line(entry))
        self._push(line({"event": "dead", "attempt": entry.attempt, "fence": entry.fence, "proof": proof}))

    def _take(self, launch: Launch, wire: dict[str, Any]) -> tuple[Entry, Executor, bytes]:
        busy = self._pool.take()
        busy.attempt = launch.attempt
        entry = Entry(
            attempt=launch.attempt,
            run=launch.run,
            fence=launch.fence,
            folder=launch.folder,
            grace=launch.grace,
            time_limit=launch.time_limit,
            worker=busy.identity,
            group=busy.group,
            executor=busy,
            devices=launch.devices,
            shared=launch.shared,
            lease=launch.lease,
        )
        self._ledger.add(entry)
        self._journal.note(journal.accepted_line(entry))
        return entry, busy, line(wire)

    def _hand_over(self, entry: Entry, busy: Executor, data: bytes) -> None:
        if not self._pool.send(busy, data):
            entry.executor = None
            self._pool.abandon(busy)
            self.settle(entry)

    def _heard_line(self, source: Executor, word: bytes, payload: bytes) -> None:
        entry = self._ledger.entries.get(source.attempt or "")
        if entry is None:
            complain(f"An idle executor said {word!r}.")
        elif word == executors.STARTED:
            self._started(entry, payload)
        elif word == executors.ENDED:
            self._pool.give_back(source)
            entry.executor = None
            self.end(entry, payload.decode("ascii"))
        elif word == executors.REFUSED:
            self._pool.give_back(source)
            # That executor never touched it: whoever made the folder did.
            entry.executor = entry.worker = entry.group = None
            self.settle(entry)

    def _started(self, entry: Entry, payload: bytes) -> None:
        pid, start_time, at, clock = _numbers(payload)
        entry.state, entry.pid, entry.start_time, entry.clock = State.ALIVE, int(pid), int(start_time), clock
        self._journal.note(journal.started_line(entry))
        self._push(
            line(
                {
                    "event": "started",
                    "attempt": entry.attempt,
                    "fence": entry.fence,
                    "pid": entry.pid,
                    "start_time": entry.start_time,
                    "at": at,
                }
            )
        )
        if entry.order is not None:
            self._deliver(entry)

    def _lost(self, gone: Executor) -> None:
        entry = self._ledger.entries.get(gone.attempt or "")
        if entry is not None and entry.executor is gone:
            entry.executor = None
            self.settle(entry)

    def _adopt(self, entry: Entry) -> bool:
        """Wait for the end of an executor that an earlier runner forked; False when it has ended."""
        pidfd = identity.open_pidfd(entry.worker, self._boot_id) if entry.worker is not None else None
        if pidfd is None:
            return False
        entry.pidfd = pidfd
        self._loop.watch(pidfd, lambda: self._adopted_ended(entry, pidfd))
        return True

    def _adopted_ended(self, entry: Entry, pidfd: int) -> None:
        self._loop.unwatch(pidfd)
        os.close(pidfd)
        entry.pidfd = None
        self.settle(entry)

    def _deliver(self, entry: Entry) -> None:
        pidfd = entry.executor.pidfd if entry.executor is not None else entry.pidfd
        if pidfd is None or entry.order is None:
            return
        # The order's file must not make the folder that the executor is about to make: that would refuse the start.
        if entry.state is State.ALIVE or (entry.executor is None and os.path.lexists(entry.folder)):
            order.deliver(pidfd, entry.folder, entry.order)

    def _late_record(self, entry: Entry) -> str | None:
        try:
            return record.read(entry.folder, entry.attempt, entry.fence)
        except OSError:
            return None


def _numbers(payload: bytes) -> list[float]:
    return [float(word) if b"." in word else int(word) for word in payload.strip(b"[]").split(b",")]
