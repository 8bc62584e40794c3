"""Asks a server over HTTP. The standard library's client: importing a fuller one costs more than a whole command."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Mapping
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit
from weakref import WeakSet

from overnight.clock import pause
from overnight.domain import errors
from overnight.ids import new_token
from overnight.surfaces.client_wire import BY_NAME, SURFACE, Reply, answer_of, error_of, request_of

CONNECT_SECONDS = 5.0
"""How long a server may take to accept a connection."""
ANSWER_SECONDS = 60.0
"""How long an answer may take, beyond what the request itself asked to wait."""
PATIENT_SECONDS = 600.0
"""The same for operations that read the whole record, expand a large file, or wait for the end of a run."""
PATIENT = frozenset(
    {
        "verify_log", "submit", "update", "plan", "convert", "submit_runs", "summary", "report", "create_sweep",
        "edit_sweep", "start_sweep", "cancel_sweep", "stop_run", "run_metrics",
    }
)  # fmt: skip
BACK_OFF = (0.05, 0.2, 0.5, 1.0, 2.0)
"""Seconds before each repetition of a request whose answer was lost, or that the server asked to repeat later."""
COME_BACK = frozenset({"busy", "store_unavailable", "store_full"})
"""Problems of the moment: nothing was changed."""
FIRST_TURN, LONGEST_TURN = 0.02, 0.5
"""Seconds before asking again for the answer of a request that is still being carried out, doubled each time."""
LONGEST_WAIT = 30.0
"""Seconds: a server that asks to wait longer (`Retry-After`) is not asked again by itself."""


class _Lost(Exception):
    """The answer did not come: whether the request was carried out is unknown."""


class Client:
    """A Caller over HTTP, safe from any thread: each keeps one connection open.

    Every change carries an idempotency key, its own or the caller's, so that it can be repeated when an answer is lost.
    """

    def __init__(self, url: str, token: str, surface: str | None = None) -> None:
        """`url` is http://HOST:PORT; Refused when it is not. Nothing is asked yet.

        `surface`: for whom it asks, `cli` or `mcp`; kept with what is created.
        """
        self._url = url.rstrip("/")
        self._address = _address(url)
        self._token = token
        self._surface = {SURFACE: surface} if surface else {}
        self._local = threading.local()
        self._open: WeakSet[http.client.HTTPConnection] = WeakSet()
        self._lock = threading.Lock()

    def call(self, operation: str, /, *, key: str | None = None, **fields: Any) -> Any:
        """See `Caller.call`: fields that are None are left out. Unreachable when nobody answers."""
        return self.ask(operation, {name: value for name, value in fields.items() if value is not None}, key)

    def ask(self, operation: str, fields: Mapping[str, Any], key: str | None = None) -> Any:
        """As `call`, with fields as they are: a None in a body is sent as null."""
        route = BY_NAME.get(operation)
        if route is None:
            raise errors.NotFound(f"there is no operation {operation!r}", next_step="See /docs for what there is.")
        target, body = request_of(route, fields)
        headers = {"X-Auth-Token": self._token, "Accept": "application/json", **self._surface}
        if body is not None:
            headers["Content-Type"] = "application/json"
        if route.changes:
            headers["Idempotency-Key"] = key or new_token()
        seconds = PATIENT_SECONDS if operation in PATIENT else ANSWER_SECONDS + float(fields.get("wait") or 0.0)
        reply = self._persist(route.method, target, body, headers, seconds)
        if 200 <= reply.status < 300:
            with suppress(ValueError):
                return answer_of(route, reply)
        raise error_of(reply) or self._unreachable(f"is no server of Overnight (HTTP status {reply.status})")

    def close(self) -> None:
        """Close all connections, those of other threads too; repeatable."""
        with self._lock:
            for connection in list(self._open):
                connection.close()
            self._open.clear()

    def _persist(self, method: str, target: str, body: bytes | None, headers: dict[str, str], seconds: float) -> Reply:
        """Ask until there is an answer that counts; every repetition carries the same key."""
        lost = False
        for delay in BACK_OFF:
            try:
                reply = self._ask_in_turn(method, target, body, headers, seconds)
            except _Lost:
                lost = True
                pause(delay)
                continue
            except errors.Unreachable:
                # Nobody listens: an answer at the first try, but after a lost one the server may be starting again.
                if not lost:
                    raise
                pause(delay)
                continue
            again = _again_after(reply, delay)
            if again is None:
                return reply
            pause(again)
        try:
            return self._ask_in_turn(method, target, body, headers, seconds)
        except _Lost as error:
            raise self._unreachable(f"stopped answering: {error}") from error

    def _ask_in_turn(
        self, method: str, target: str, body: bytes | None, headers: dict[str, str], seconds: float
    ) -> Reply:
        """As `_ask`; while an earlier request with the same key is being carried out, its answer is waited for."""
        waited, turn = 0.0, FIRST_TURN
        while True:
            reply = self._ask(method, target, body, headers, seconds)
            if reply.code != errors.InFlight.code or waited >= seconds:
                return reply
            pause(turn)
            waited, turn = waited + turn, min(2 * turn, LONGEST_TURN)

    def _ask(self, method: str, target: str, body: bytes | None, headers: dict[str, str], seconds: float) -> Reply:
        """One exchange. _Lost when it broke off, Unreachable when nobody listens."""
        connection = self._connection()
        try:
            if connection.sock is not None:
                connection.sock.settimeout(seconds)
            connection.request(method, target, body=body, headers=headers)
            response = connection.getresponse()
            data, told = response.read(), response.getheader
            return Reply(
                response.status, data, _seconds(told("Retry-After")), told("X-Next-Cursor"), told("X-Error-Code")
            )
        except (OSError, http.client.HTTPException) as error:
            self._drop(connection)
            raise _Lost(str(error) or type(error).__name__) from error

    def _connection(self) -> http.client.HTTPConnection:
        """This thread's connection, made anew where it was dropped or closed."""
        found: http.client.HTTPConnection | None = getattr(self._local, "connection", None)
        if found is None or found not in self._open:
            host, port = self._address
            found = http.client.HTTPConnection(host, port, timeout=CONNECT_SECONDS)
            try:
                found.connect()
            except OSError as error:
                raise self._unreachable(f"does not answer: {error.strerror or error}") from error
            self._local.connection = found
            with self._lock:
                self._open.add(found)
        return found

    def _drop(self, connection: http.client.HTTPConnection) -> None:
        connection.close()
        with self._lock:
            self._open.discard(connection)

    def _unreachable(self, what: str) -> errors.Unreachable:
        return errors.Unreachable(
            f"the server at {self._url} {what}",
            place=self._url,
            next_step="Start it with: overnight up — or correct OVERNIGHT_URL.",
        )


def _again_after(reply: Reply, delay: float) -> float | None:
    """Seconds after which a request is repeated; None when the reply is what there is to say."""
    code = reply.code
    if code == errors.LimitExceeded.code:
        return reply.wait if reply.wait is not None and reply.wait <= LONGEST_WAIT else None
    return delay if code in COME_BACK else None


def _seconds(text: str | None) -> float | None:
    return float(text) if text is not None and text.isascii() and text.isdigit() else None


def _address(url: str) -> tuple[str, int]:
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port or 80
    except ValueError:
        host, port, parts = None, 0, urlsplit("")
    if parts.scheme != "http" or not host or parts.path.strip("/") or parts.query or parts.username:
        raise errors.Refused(
            f"{url!r} is no address of a server", place="OVERNIGHT_URL", next_step="Give one like http://127.0.0.1:3111"
        )
    return host, port
