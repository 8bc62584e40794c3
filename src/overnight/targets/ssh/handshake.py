"""The first words over a new channel: what start files print is skipped, our program is sent where it is missing."""

from __future__ import annotations

import select
import socket
from collections.abc import Callable

from overnight.clock import Clock
from overnight.targets.ssh.child import Child

MOST_JUNK = 1024 * 1024
"""Bytes that a host may print before it says what we wait for."""
KEPT_JUNK = 4096
"""Bytes of it that are kept, to be shown."""


class NoSense(Exception):
    """What came is not what was asked for."""


class Handshake:
    """One exchange until the runner there can be talked to; all of it in a bounded time."""

    def __init__(self, child: Child, nonce: str, clock: Clock, seconds: float) -> None:
        self._child = child
        self._mark = f"{nonce} ".encode()
        self._clock = clock
        self._until = clock.boot() + seconds
        self._skipped = b""
        self._count = 0

    @property
    def junk(self) -> str:
        """What the host printed beside, its newest part."""
        return self._skipped.decode(errors="replace")

    def shake(self, header: bytes, archive: Callable[[], bytes]) -> str:
        """Send the header, and the archive where it is wanted; what the host says when it is ready.

        Raises TimeoutError, NoSense, and EOFError or OSError when the connection ended.
        """
        self._send(header)
        word = self._answer()
        if word == "need":
            self._send(archive())
        elif word != "have":
            raise NoSense(f"it answered {word!r}")
        word, _, rest = self._answer().partition(" ")
        if word != "ready":
            raise NoSense(f"it answered {word!r}")
        return rest

    def _answer(self) -> str:
        """The next line with our mark, which no start file can know; others are skipped."""
        while True:
            before, mark, answer = self._line().rpartition(self._mark)
            self._skip(before if mark else answer)
            if mark:
                return answer.decode(errors="replace").strip()

    def _skip(self, junk: bytes) -> None:
        self._count += len(junk)
        self._skipped = (self._skipped + junk)[-KEPT_JUNK:]
        if self._count > MOST_JUNK:
            raise NoSense(f"it printed more than {MOST_JUNK} bytes")

    def _line(self) -> bytes:
        """Bytes until the end of a line or of what there is; not one byte of what comes after it."""
        connection, line = self._child.socket, b""
        while not line.endswith(b"\n"):
            self._wait(select.POLLIN)
            seen = connection.recv(65536, socket.MSG_PEEK)
            if not seen:
                self._skip(line)
                raise EOFError("the connection ended")
            line += connection.recv(seen.find(b"\n") + 1 or len(seen))
            if len(line) > MOST_JUNK:
                self._skip(line)
        return line

    def _send(self, data: bytes) -> None:
        rest = memoryview(data)
        while rest:
            self._wait(select.POLLOUT)
            try:
                rest = rest[self._child.socket.send(rest, socket.MSG_DONTWAIT) :]
            except BlockingIOError:
                continue

    def _wait(self, event: int) -> None:
        """Until the socket is ready; stderr is read meanwhile, or a long banner would stand in the way."""
        waiting = select.poll()
        waiting.register(self._child.socket, event)
        waiting.register(self._child.stderr, select.POLLIN)
        while True:
            left = self._until - self._clock.boot()
            if left <= 0:
                raise TimeoutError("it took too long")
            ready = dict(waiting.poll(left * 1000 + 1))
            if self._child.stderr in ready:
                self._child.drain()
                if ready[self._child.stderr] & select.POLLHUP:
                    waiting.unregister(self._child.stderr)
            if self._child.socket.fileno() in ready:
                return
