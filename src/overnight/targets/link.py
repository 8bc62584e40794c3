"""The connection to a runner: JSON lines over its Unix socket, requests matched with replies, events handed on."""

from __future__ import annotations

import itertools
import json
import os
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from overnight.domain.errors import Unavailable, Uncertain

Message = dict[str, Any]


@dataclass(slots=True)
class _Waiter:
    """One request that is under way."""

    arrived: threading.Event = field(default_factory=threading.Event)
    reply: Message | None = None
    hear: Callable[[Message], None] | None = None
    """Called with the reply, on the link's thread, where nobody waits for it."""


class Link:
    """One open connection. It is used until it breaks, then thrown away."""

    def __init__(self, connection: socket.socket, heard: Callable[[Message], None], lost: Callable[[], None]) -> None:
        """`heard` gets every event, `lost` is called once when the connection ends; both on the link's own thread."""
        self._connection = connection
        self._heard = heard
        self._lost = lost
        self._numbers = itertools.count(1)
        self._waiting: dict[int, _Waiter] = {}
        self._lock = threading.Lock()
        self._open = True
        threading.Thread(target=self._listen, name="runner-link", daemon=True).start()

    @property
    def is_open(self) -> bool:
        """Whether the connection still stands, as far as is known."""
        return self._open

    def ask(self, op: str, timeout: float, **fields: Any) -> Message:
        """Send a request and wait for its reply.

        Raises Unavailable when nothing was sent or the runner refused, Uncertain when it was sent and no reply came.
        """
        waiter = _Waiter()
        number = self._send(waiter, op, fields)
        waiter.arrived.wait(timeout)
        with self._lock:
            self._waiting.pop(number, None)
        reply = waiter.reply
        if reply is None:
            raise Uncertain(f"the runner did not answer {op} within {timeout:g} s")
        if not reply.get("ok"):
            error = reply.get("error") or {}
            raise RunnerRefused(str(error.get("code")), str(error.get("message")), error)
        return reply

    def tell(self, op: str, hear: Callable[[Message], None], **fields: Any) -> None:
        """Send a request without waiting; `hear` gets the reply, or nothing when the connection breaks first.

        Raises Unavailable when nothing was sent, Uncertain when the connection broke meanwhile.
        """
        self._send(_Waiter(hear=hear), op, fields)

    def _send(self, waiter: _Waiter, op: str, fields: Message) -> int:
        number = next(self._numbers)
        data = json.dumps({"id": number, "op": op, **fields}).encode() + b"\n"
        with self._lock:
            if not self._open:
                raise Unavailable("the connection to the runner is closed")
            self._waiting[number] = waiter
            try:
                self._connection.sendall(data)
            except OSError as error:
                self._waiting.pop(number, None)
                raise Uncertain(f"the connection to the runner broke while {op} was sent: {error}") from error
        return number

    def close(self) -> None:
        """End the connection; repeatable."""
        try:
            self._connection.shutdown(socket.SHUT_RDWR)
        except OSError:
            return

    def _listen(self) -> None:
        try:
            with self._connection.makefile("rb") as lines:
                for line in lines:
                    self._dispatch(json.loads(line))
        except (OSError, ValueError):
            self.close()
        finally:
            self._end()

    def _dispatch(self, message: Message) -> None:
        if "event" in message:
            self._heard(message)
            return
        with self._lock:
            waiter = self._waiting.pop(message.get("id", 0), None)
        if waiter is None:
            return
        if waiter.hear is not None:
            waiter.hear(message)
        waiter.reply = message
        waiter.arrived.set()

    def _end(self) -> None:
        with self._lock:
            self._open = False
            waiting, self._waiting = self._waiting, {}
            self._connection.close()
        for waiter in waiting.values():
            waiter.arrived.set()
        self._lost()


class RunnerRefused(Unavailable):
    """The runner answered with an error: nothing was done."""

    def __init__(self, code: str, message: str, fields: Message) -> None:
        super().__init__(message)
        self.refusal = code
        self.fields = fields


def connect(folder: str) -> socket.socket:
    """Connect to the socket in a runner's folder, however long its path is. Raises OSError."""
    handle = os.open(folder, os.O_PATH | os.O_DIRECTORY)
    try:
        connection = socket.socket(socket.AF_UNIX)
        try:
            connection.connect(f"/proc/self/fd/{handle}/socket")
        except BaseException:
            connection.close()
            raise
        return connection
    finally:
        os.close(handle)
