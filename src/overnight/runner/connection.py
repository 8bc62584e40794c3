"""One connection of a server: lines in, messages out, never waiting for it."""

from __future__ import annotations

import socket
from collections.abc import Callable

from .protocol import PIECE, LineBuffer

MOST_WAITING = 64 * 1024 * 1024
"""Bytes that may wait for a slow server; with more it is dropped and has to observe anew."""


class Connection:
    """A server's line. After `closed` nothing is read from it or sent to it."""

    __slots__ = ("_buffer", "_closing", "_out", "_socket", "_writing", "closed", "descriptor", "session")

    def __init__(self, accepted: socket.socket, closing: Callable[[Connection], None]) -> None:
        accepted.setblocking(False)
        self._socket = accepted
        self._closing = closing
        self._buffer = LineBuffer()
        self._out = bytearray()
        self._writing = False
        self.descriptor = accepted.fileno()
        self.session: int | None = None
        """The session it said hello with, None before that."""
        self.closed = False

    def receive(self) -> list[bytes]:
        """Return the lines that have come; an end of the line closes it. Raises LineTooLong."""
        try:
            data = self._socket.recv(PIECE)
        except BlockingIOError:
            return []
        except OSError:
            data = b""
        if not data:
            self.close()
            return []
        return self._buffer.feed(data)

    def send(self, data: bytes) -> None:
        """Add whole lines to what goes out at the next flush; a server that lags too far is dropped."""
        if self.closed:
            return
        self._out += data
        if len(self._out) > MOST_WAITING:
            self.close()

    def flush(self) -> None:
        """Send what the server takes now."""
        if self.closed or not self._out:
            return
        try:
            sent = self._socket.send(self._out)
        except BlockingIOError:
            return
        except OSError:
            self.close()
            return
        del self._out[:sent]

    def flush_into(self, want_write: Callable[[int, bool], None]) -> None:
        """Flush, and ask to be woken when the rest can go out."""
        self.flush()
        if not self.closed and bool(self._out) != self._writing:
            self._writing = bool(self._out)
            want_write(self.descriptor, self._writing)

    def close(self) -> None:
        """End the connection; what was buffered in either direction is dropped."""
        if not self.closed:
            self.closed = True
            self._out.clear()
            self._closing(self)
            self._socket.close()
