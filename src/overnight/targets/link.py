"""The connection to a runner: JSON lines over a stream, requests matched with replies, events handed on."""

from __future__ import annotations

import itertools
import json
import select
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from overnight.clock import Clock
from overnight.domain.errors import Unavailable, Uncertain
from overnight.targets.believed import text

Message = dict[str, Any]

SILENCE_SECONDS = 30.0
"""A connection by which nothing came for this long, although it was asked, is given up."""
SEND_SECONDS = 5.0
"""Longest wait for a stream that takes nothing any more, as a half-open one does."""
MOST_SEND_SECONDS = 30.0
"""Longest time that one message may take to be sent, however steadily it goes."""
MOST_LINE = 64 * 1024 * 1024
"""Bytes of the longest message that is read; a longer one ends the connection."""
PIECE = 65536
"""Bytes read at once."""


@dataclass(slots=True)
class _Waiter:
    """One request that is under way."""

    arrived: threading.Event = field(default_factory=threading.Event)
    reply: Message | None = None
    hear: Callable[[Message], None] | None = None
    """Called with the reply, on the link's thread, where nobody waits for it."""


class Link:
    """One open connection. It is used until it breaks, then thrown away."""

    def __init__(
        self,
        connection: socket.socket,
        heard: Callable[[Link, Message], None],
        lost: Callable[[Link], None],
        *,
        clock: Clock,
        silence: float = SILENCE_SECONDS,
    ) -> None:
        """`heard` gets every event, `lost` is called once when the connection ends; both on the link's own thread."""
        self._connection = connection
        self._heard = heard
        self._lost = lost
        self._clock = clock
        self._silence = silence
        self._numbers = itertools.count(1)
        self._waiting: dict[int, _Waiter] = {}
        self._lock = threading.Lock()
        self._open = True
        self._tried: float | None = None
        self._next_ping = clock.boot() + silence / 3
        self.heard_at = clock.boot()
        """When the last byte came, on the boot clock."""
        self.latency: float | None = None
        """Seconds of the last ping's way there and back."""
        self.why = "the other side closed it"
        """Why the connection ended, once it has."""
        self.silent = False
        """Whether it ended since nothing came any more."""
        threading.Thread(target=self._listen, name="runner-link", daemon=True).start()

    @property
    def is_open(self) -> bool:
        """Whether the connection still stands, as far as is known."""
        return self._open

    def ask(self, op: str, timeout: float, /, **fields: Any) -> Message:
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
            raise Uncertain(self._silent(op, timeout))
        if not reply.get("ok"):
            error = reply.get("error")
            known = error if isinstance(error, dict) else {}
            raise RunnerRefused(text(known.get("code")), text(known.get("message")), known)
        return reply

    def tell(self, op: str, hear: Callable[[Message], None], /, **fields: Any) -> None:
        """Send a request without waiting; `hear` gets the reply, or nothing when the connection breaks first.

        Raises Unavailable when nothing was sent, Uncertain when the connection broke meanwhile.
        """
        self._send(_Waiter(hear=hear), op, fields)

    def hint(self, op: str, hear: Callable[[Message], None], /, **fields: Any) -> bool:
        """As `tell`, but only if that can be done at once: whether it was. For the link's own thread, which must go on
        reading."""
        if not self._lock.acquire(blocking=False):
            return False
        try:
            if not self._open or not self._writable(0.0):
                return False
            self._transmit(_Waiter(hear=hear), op, fields)
            return True
        except (Unavailable, Uncertain):
            return False
        finally:
            self._lock.release()

    def close(self) -> None:
        """End the connection; repeatable."""
        try:
            self._connection.shutdown(socket.SHUT_RDWR)
        except OSError:
            return

    def _silent(self, op: str, timeout: float) -> str:
        if self._open:
            return f"the runner did not answer {op} within {timeout:g} s"
        return f"the connection to the runner ended before it answered {op}: {self.why}"

    def _send(self, waiter: _Waiter, op: str, fields: Message) -> int:
        with self._lock:
            if not self._open:
                raise Unavailable("the connection to the runner is closed")
            return self._transmit(waiter, op, fields)

    def _transmit(self, waiter: _Waiter, op: str, fields: Message) -> int:
        """Send while the lock is held, in a bounded time; a stream that takes too little is closed."""
        number = next(self._numbers)
        data = json.dumps({**fields, "id": number, "op": op}).encode() + b"\n"
        self._waiting[number] = waiter
        try:
            self._push(memoryview(data))
        except OSError as error:
            self._waiting.pop(number, None)
            self.close()
            raise Uncertain(f"the connection to the runner broke while {op} was sent: {error}") from error
        return number

    def _push(self, data: memoryview) -> None:
        until = self._clock.boot() + MOST_SEND_SECONDS
        while data:
            if self._clock.boot() > until or not self._writable(SEND_SECONDS):
                raise TimeoutError("it takes nothing any more")
            try:
                data = data[self._connection.send(data, socket.MSG_DONTWAIT) :]
            except BlockingIOError:
                continue

    def _writable(self, seconds: float) -> bool:
        waiting = select.poll()
        waiting.register(self._connection, select.POLLOUT)
        return bool(waiting.poll(seconds * 1000))

    def _listen(self) -> None:
        try:
            for line in self._lines():
                self._dispatch(json.loads(line))
        except (OSError, ValueError, RecursionError) as error:
            self.why, self.silent = str(error), isinstance(error, TimeoutError)
        finally:
            self.close()
            self._end()

    def _lines(self) -> Iterator[bytes]:
        """The lines that come, until the connection ends. Raises OSError and, for what is no message, ValueError."""
        parts: list[bytes] = []
        size = 0
        for data in self._pieces():
            *lines, rest = data.split(b"\n")
            for line in lines:
                yield b"".join([*parts, line])
                parts, size = [], 0
            parts.append(rest)
            size += len(rest)
            if size > MOST_LINE:
                raise ValueError(f"a message of more than {MOST_LINE} bytes came")

    def _pieces(self) -> Iterator[bytes]:
        waiting = select.poll()
        waiting.register(self._connection, select.POLLIN)
        while True:
            arrived = waiting.poll(max(0.0, self._next_ping - self._clock.boot()) * 1000 + 1)
            now = self._clock.boot()
            if arrived:
                data = self._connection.recv(PIECE)
                if not data:
                    return
                self.heard_at, self._tried = now, None
                yield data
            self._keep_alive(now)

    def _keep_alive(self, now: float) -> None:
        """Ping three times in the time of silence that is borne. Only a ping without an answer says that nobody is
        there: this process itself may have stood still."""
        if self._tried is not None and now - self._tried >= self._silence * 2 / 3:
            raise TimeoutError(f"nothing came for {now - self.heard_at:.0f} s")
        if now >= self._next_ping:
            self._next_ping = now + self._silence / 3
            self._tried = now if self._tried is None else self._tried
            self.hint("ping", lambda _: self._measure(now))

    def _measure(self, sent: float) -> None:
        self.latency = self._clock.boot() - sent

    def _dispatch(self, message: Any) -> None:
        if not isinstance(message, dict):
            raise ValueError("what came was no message")
        if "event" in message:
            self._heard(self, message)
            return
        number = message.get("id")
        with self._lock:
            waiter = self._waiting.pop(number, None) if isinstance(number, int) else None
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
        self._lost(self)


class RunnerRefused(Unavailable):
    """The runner answered with an error: nothing was done."""

    def __init__(self, code: str, message: str, fields: Message) -> None:
        super().__init__(message)
        self.refusal = code
        self.fields = fields
