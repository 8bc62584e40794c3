"""The supervisor: listens, lets one server session at a time command it, and ends when nobody needs it."""

from __future__ import annotations

import os
import socket

from . import cgroup, identity, journal, moment
from .attempts import Attempts
from .beats import Beats
from .complaint import complain, complain_of_exception
from .connection import Connection
from .journal import Journal
from .loop import Loop
from .operations import Operations
from .pool import Origin
from .protocol import LineTooLong, Message, ProtocolError, decode, line
from .spawn import base_environment

SOCKET = "socket"
"""Name inside the state folder."""
IDLE_CHECK = 5.0
"""Seconds between two questions whether anybody still needs the runner."""
BACKLOG = 16


class Supervisor:
    """One runner over one state folder, whose lock the caller holds."""

    def __init__(self, state_dir: str, idle_exit: float, locks: str) -> None:
        self._state_dir = state_dir
        self._locks = locks
        self._idle_exit = idle_exit
        self._loop = Loop()
        self._connections: dict[int, Connection] = {}
        self._last_busy = moment.boot()
        path = f"{state_dir}/{journal.FILE}"
        self._ledger = journal.replay(path)
        self._journal = Journal(path)
        try:
            self._journal.compact(self._ledger)
        except OSError as error:
            complain(f"The journal stays as it was: {error}.")  # a full disk must not keep a runner from adopting
        origin = self._origin()
        self._beats = Beats(self._loop, self._ledger, state_dir, origin.boot_id, self._push)
        self._attempts = Attempts(self._loop, self._ledger, self._journal, origin, self._beats, self._push, self._heard)
        self._operations = Operations(
            state_dir, origin.boot_id, self._ledger, self._journal, self._attempts, self._beats
        )
        self._listener = self._listen()

    def run(self) -> None:
        """Serve until SIGTERM or until nobody has needed this runner for the idle time. Attempts go on."""
        self._loop.end_on_sigterm()
        self._loop.watch(self._listener.fileno(), self._accept)
        self._loop.call_at(moment.boot(), self._check_idle)
        while not self._loop.stopping:
            self._loop.turn()
            self._end_turn()
        os.unlink(f"{self._state_dir}/{SOCKET}")

    def settle_inherited(self) -> None:
        """Find out what has become of every attempt that an earlier runner accepted."""
        for entry in list(self._ledger.entries.values()):
            if not entry.state.final:
                self._attempts.settle(entry)
        self._beats.begin()
        self._write_journal()

    def _origin(self) -> Origin:
        place = cgroup.find()
        prefix = cgroup.prefix(self._state_dir)
        cgroup.sweep(place, prefix)
        return Origin(self._state_dir, identity.boot_id(), base_environment(os.environ), place, prefix, self._locks)

    def _listen(self) -> socket.socket:
        """Return the listening socket; its path may be longer than the 107 bytes of a socket address."""
        path = f"{self._state_dir}/{SOCKET}"
        if os.path.lexists(path):
            os.unlink(path)
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        folder = os.open(self._state_dir, os.O_RDONLY | os.O_DIRECTORY)
        try:
            listener.bind(f"/proc/self/fd/{folder}/{SOCKET}")
        finally:
            os.close(folder)
        os.chmod(path, 0o600)
        listener.listen(BACKLOG)
        listener.setblocking(False)
        return listener

    def _accept(self) -> None:
        try:
            accepted, _ = self._listener.accept()
        except OSError:
            return  # it went away again, or there are no descriptors: the others go on
        connection = Connection(accepted, self._closing)
        self._connections[connection.descriptor] = connection
        self._loop.watch(connection.descriptor, lambda: self._ready(connection))

    def _closing(self, connection: Connection) -> None:
        self._loop.unwatch(connection.descriptor)
        del self._connections[connection.descriptor]

    def _ready(self, connection: Connection) -> None:
        try:
            lines = connection.receive()
        except LineTooLong:
            connection.send(line(_refusal(None, ProtocolError("line_too_long", "The line is longer than 16 MiB."))))
            connection.flush()
            connection.close()
            return
        for data in lines:
            if connection.closed:
                return
            connection.send(line(self._reply(connection, data)))

    def _reply(self, connection: Connection, data: bytes) -> Message:
        request: Message = {}
        before = connection.session
        try:
            request = decode(data)
            answer = self._operations.answer(connection, request)
        except ProtocolError as error:
            return _refusal(request.get("id"), error)
        except Exception:  # a request that we misjudge must not end the watch over all others
            complain_of_exception()
            return _refusal(request.get("id"), ProtocolError("internal", "The runner's log says what went wrong."))
        if connection.session != before:
            self._close_older(connection)
        return {"id": request.get("id"), "ok": True, **answer}

    def _close_older(self, newest: Connection) -> None:
        for connection in list(self._connections.values()):
            if connection is not newest and connection.session is not None:
                connection.close()

    def _push(self, data: bytes) -> None:
        for connection in list(self._connections.values()):
            if connection.session is not None:
                connection.send(data)

    def _heard(self) -> bool:
        return any(connection.session is not None for connection in self._connections.values())

    def _end_turn(self) -> None:
        self._write_journal()
        for connection in list(self._connections.values()):
            connection.flush_into(self._loop.want_write)

    def _write_journal(self) -> None:
        try:
            self._journal.write()
            if self._journal.wants_compaction:
                self._journal.compact(self._ledger)
        except OSError as error:
            # What these lines said is in the exit records too; new launches are refused by themselves.
            complain(f"The journal cannot be written: {error}.")

    def _check_idle(self) -> None:
        now = moment.boot()
        if self._connections or self._ledger.live():
            self._last_busy = now
        if now - self._last_busy >= self._idle_exit:
            self._loop.stopping = True
        else:
            self._loop.call_at(now + min(self._idle_exit, IDLE_CHECK), self._check_idle)


def _refusal(request_id: object, error: ProtocolError) -> Message:
    return {"id": request_id, "ok": False, "error": error.wire()}
