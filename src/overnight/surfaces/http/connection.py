"""One client's connection: who says nothing, too slowly or without end takes nobody else's place.

All this comes before any token was seen, and Uvicorn has no bounds for it.
"""

from __future__ import annotations

from asyncio import BaseTransport, TimerHandle
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

LARGEST_HEAD = 64 * 1024
"""Bytes of a request's line and headers, beyond those of the first read."""
MOST_HEADERS = 200
"""Headers of one request."""
HEAD_SECONDS = 20.0
"""How long these may take to arrive: from the connection, or from their first byte on one that is kept open."""
TOO_LARGE = b"HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"


class Connection(HttpToolsProtocol):
    """Uvicorn's protocol, with bounds on the heads of requests, on silence, and on answers that nobody reads."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.silent_since: float | None = None
        """Since when it owes a request (loop time); None while one is answered."""
        self._heading = False
        self._head = 0
        self._late: TimerHandle | None = None
        self._unread = 0

    def connection_made(self, transport: BaseTransport) -> None:
        """Take a place, that of the longest silent client if there is no other."""
        self._make_room()
        super().connection_made(transport)  # type: ignore[arg-type]
        self.silent_since = self.loop.time()
        self._hurry()

    def _make_room(self) -> None:
        """One place is left for this connection: an idle one is worth less than one that may ask."""
        if self.limit_concurrency is None or len(self.connections) < self.limit_concurrency - 1:
            return
        silent = [it for it in self.connections if isinstance(it, Connection) and it.silent_since is not None]
        if silent:
            longest = min(silent, key=lambda it: it.silent_since or 0.0)
            self.connections.discard(longest)
            longest.transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """It is over."""
        self._calm()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Bytes of the client."""
        before = self._heading
        if self.silent_since is not None:
            self._hurry()
        super().data_received(data)
        if before and self._heading:
            self._head += len(data)
            if self._head > LARGEST_HEAD and not self.transport.is_closing():
                self.transport.write(TOO_LARGE)
                self.transport.close()

    def on_message_begin(self) -> None:
        """The head of a request begins."""
        self._heading, self._head = True, 0
        super().on_message_begin()

    def on_header(self, name: bytes, value: bytes) -> None:
        """One more header; an error here is answered with 400."""
        if len(self.headers) >= MOST_HEADERS:
            raise ValueError("too many headers")
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """A request is there."""
        self._heading, self.silent_since = False, None
        self._calm()
        super().on_headers_complete()

    def on_response_complete(self) -> None:
        """It was answered: another one is owed."""
        if not self.pipeline:
            self.silent_since = self.loop.time()
        self._unread = self.transport.get_write_buffer_size()
        super().on_response_complete()

    def timeout_keep_alive_handler(self) -> None:
        """Close it; without waiting for a client that takes nothing of its answer any more."""
        left = self.transport.get_write_buffer_size()
        if not left:
            super().timeout_keep_alive_handler()
        elif left < self._unread:
            self._unread = left
            wait = self.timeout_keep_alive
            self.timeout_keep_alive_task = self.loop.call_later(wait, self.timeout_keep_alive_handler)
        else:
            self.transport.abort()

    def _hurry(self) -> None:
        if self._late is None:
            self._late = self.loop.call_later(HEAD_SECONDS, self._give_up)

    def _calm(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None

    def _give_up(self) -> None:
        if not self.transport.is_closing():
            self.transport.abort()
