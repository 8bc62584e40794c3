"""Asks a server over HTTP. The standard library's client: importing a fuller one costs more than a whole command."""

from __future__ import annotations

import http.client
import json
import threading
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, NamedTuple, cast
from urllib.parse import quote, urlencode, urlsplit

from overnight.clock import pause
from overnight.domain import errors
from overnight.ids import new_token
from overnight.service.routes import ROUTES, Route

CONNECT_SECONDS = 5.0
"""How long a server may take to accept a connection."""
ANSWER_SECONDS = 60.0
"""How long an answer may take, beyond what the request itself asked to wait."""
PATIENT_SECONDS = 600.0
"""The same for operations that read the whole record or expand a large file."""
PATIENT = frozenset({"verify_log", "submit", "update", "plan", "convert", "submit_runs", "summary", "report"})
BACK_OFF = (0.05, 0.2, 0.5, 1.0, 2.0)
"""Seconds before each repetition of a request whose answer was lost, or that the server asked to repeat later."""
COME_BACK = frozenset({"busy", "store_unavailable", "store_full"})
"""Problems of the moment: nothing was changed."""
TURN_SECONDS = 0.5
"""How long to wait before asking again for the answer of a request that is still being carried out."""
LONGEST_WAIT = 30.0
"""Seconds: a server that asks to wait longer (`Retry-After`) is not asked again by itself."""

BY_NAME = {route.name: route for route in ROUTES}
KINDS: dict[str, type[errors.OvernightError]] = {
    "store_full": errors.StoreUnavailable,
    "busy": errors.StoreUnavailable,
    "unauthenticated": errors.Denied,
    "foreign_host": errors.Denied,
    **{
        kind.code: kind
        for kind in (
            errors.InvalidRequest,
            errors.NotFound,
            errors.Ambiguous,
            errors.Conflict,
            errors.KeyReused,
            errors.InFlight,
            errors.LimitExceeded,
            errors.BadRequest,
            errors.Denied,
            errors.StoreRefused,
            errors.StoreUnavailable,
            errors.TargetError,
            errors.Unavailable,
            errors.Rejected,
            errors.Uncertain,
        )
    },
}
"""Codes of problem documents -> the errors that they were."""


class Reply(NamedTuple):
    """What a server answered."""

    status: int
    body: bytes
    wait: float | None = None
    """`Retry-After`, in seconds."""


class _Lost(Exception):
    """The answer did not come: whether the request was carried out is unknown."""


class Client:
    """A Caller over HTTP, safe from any thread: each keeps one connection open.

    Every change carries an idempotency key, its own or the caller's, so that it can be repeated when an answer is lost.
    """

    def __init__(self, url: str, token: str) -> None:
        """`url` is http://HOST:PORT; Refused when it is not. Nothing is asked yet."""
        self._url = url.rstrip("/")
        self._address = _address(url)
        self._token = token
        self._local = threading.local()

    def call(self, operation: str, /, *, key: str | None = None, **fields: Any) -> dict[str, Any]:
        """See `Caller.call`. Unreachable when nobody answers."""
        route = BY_NAME.get(operation)
        if route is None:
            raise errors.NotFound(f"there is no operation {operation!r}", next_step="See /docs for what there is.")
        target, body = _request_of(route, fields)
        headers = {"X-Auth-Token": self._token, "Accept": "application/json"}
        if body is not None:
            headers["Content-Type"] = "application/json"
        if route.changes:
            headers["Idempotency-Key"] = key or new_token()
        seconds = PATIENT_SECONDS if operation in PATIENT else ANSWER_SECONDS + float(fields.get("wait") or 0.0)
        reply = self._persist(route.method, target, body, headers, seconds)
        return self._answer(reply.status, reply.body)

    def close(self) -> None:
        """Close this thread's connection; repeatable."""
        connection: http.client.HTTPConnection | None = getattr(self._local, "connection", None)
        if connection is not None:
            connection.close()
            self._local.connection = None

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
        waited = 0.0
        while True:
            reply = self._ask(method, target, body, headers, seconds)
            in_flight = reply.status == 409 and _problem(reply.body).get("code") == errors.InFlight.code
            if not in_flight or waited >= seconds:
                return reply
            pause(TURN_SECONDS)
            waited += TURN_SECONDS

    def _ask(self, method: str, target: str, body: bytes | None, headers: dict[str, str], seconds: float) -> Reply:
        """One exchange. _Lost when it broke off, Unreachable when nobody listens."""
        connection = self._connection()
        try:
            if connection.sock is not None:
                connection.sock.settimeout(seconds)
            connection.request(method, target, body=body, headers=headers)
            response = connection.getresponse()
            return Reply(response.status, response.read(), _seconds(response.getheader("Retry-After")))
        except (OSError, http.client.HTTPException) as error:
            self.close()
            raise _Lost(str(error) or type(error).__name__) from error

    def _connection(self) -> http.client.HTTPConnection:
        found: http.client.HTTPConnection | None = getattr(self._local, "connection", None)
        if found is None:
            host, port = self._address
            found = http.client.HTTPConnection(host, port, timeout=CONNECT_SECONDS)
            try:
                found.connect()
            except OSError as error:
                raise self._unreachable(f"does not answer: {error.strerror or error}") from error
            self._local.connection = found
        return found

    def _answer(self, status: int, body: bytes) -> dict[str, Any]:
        if 200 <= status < 300:
            with suppress(ValueError):
                found = json.loads(body)
                if isinstance(found, dict):
                    return cast("dict[str, Any]", found)
        problem = _problem(body)
        if not problem:
            raise self._unreachable(f"is no server of Overnight (HTTP status {status})")
        raise _error_of(problem)

    def _unreachable(self, what: str) -> errors.Unreachable:
        return errors.Unreachable(
            f"the server at {self._url} {what}",
            place=self._url,
            next_step="Start it with: overnight up — or correct OVERNIGHT_URL.",
        )


def _again_after(reply: Reply, delay: float) -> float | None:
    """Seconds after which a request is repeated; None when the reply is what there is to say."""
    if reply.status < 400:
        return None
    code = _problem(reply.body).get("code")
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


def _request_of(route: Route, fields: Mapping[str, Any]) -> tuple[str, bytes | None]:
    """The path with its query, and the body."""
    given = {name: value for name, value in fields.items() if value is not None}
    path = route.path
    if "{id}" in path:
        path = path.replace("{id}", quote(str(given.pop("id", "")), safe="", errors="surrogatepass"))
    if route.method == "POST":
        return path, json.dumps(given).encode()
    query = urlencode({name: _plain(value) for name, value in given.items()}, errors="surrogatepass")
    return (f"{path}?{query}" if query else path), None


def _plain(value: Any) -> Any:
    """A value as a query has it."""
    if isinstance(value, list | tuple):
        return ",".join(map(str, value))
    return str(value).lower() if isinstance(value, bool) else value


def _problem(body: bytes) -> dict[str, Any]:
    with suppress(ValueError):
        found = json.loads(body)
        if isinstance(found, dict) and isinstance(found.get("code"), str) and isinstance(found.get("detail"), str):
            return cast("dict[str, Any]", found)
    return {}


def _error_of(problem: Mapping[str, Any]) -> errors.OvernightError:
    """The error that a problem document tells of, as it was raised in the server."""
    code, place = problem["code"], problem.get("place")
    for listing in (errors.InvalidFile, errors.PreflightFailed):
        if code == listing.code:
            found = problem.get("problems", [])
            told = [errors.Problem(it["place"], it["message"], it.get("line")) for it in found]
            return listing(place or "campaign file", told)
    kind = KINDS.get(code, errors.Refused if int(problem.get("status", 0)) < 500 else errors.OvernightError)
    error = kind(problem["detail"], place=place, next_step=problem.get("next"))
    if error.code != code:
        error.code = code
    return error
