"""A request that passed the gate, and what native operations are asked: from the path, the query, the body."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

from pydantic_core import from_json

from overnight.domain.errors import InvalidRequest
from overnight.service.context import Context
from overnight.service.dispatch import parse, parse_json
from overnight.service.requests import Request
from overnight.service.routes import Route
from overnight.surfaces.client_wire import SURFACE
from overnight.surfaces.http.problems import Fault
from overnight.surfaces.http.routes import Match
from overnight.surfaces.http.wire import LARGEST_BODY, MIDDLE_BODY, SMALL_BODY, Head, Receive, Scope, Send, read_body

MOST_PARAMETERS = 50
"""Query parameters of one request; no operation has nearly as many."""
LONGEST_KEY = 255
"""Characters of an idempotency key."""
SURFACES = frozenset({"cli", "mcp"})
"""What a client may say that it asks for."""
WITH_BODY = frozenset({"POST", "PUT"})
"""Methods whose requests have a body."""
FILES = frozenset({"plan", "convert", "submit", "update", "submit_runs"})
"""Operations whose body holds a campaign file or thousands of runs."""


@dataclass(frozen=True, slots=True)
class Ask:
    """One request: what it means, who asks (`context`), and the wire to answer on."""

    match: Match
    context: Context
    scope: Scope
    head: Head
    receive: Receive
    send: Send

    @property
    def route(self) -> Route:
        """Where the operation stands in the table."""
        return self.match.operation.route

    @property
    def query(self) -> bytes:
        """What follows the question mark."""
        query: bytes = self.scope["query_string"]
        return query


async def body_of(ask: Ask) -> bytes:
    """The body of a request, empty where its method has none; Fault when it is too large, or no JSON by its header."""
    if ask.route.method not in WITH_BODY:
        return b""
    body = await read_body(ask.head, ask.receive, _most(ask.route))
    check_content_type(ask.head.text(b"content-type"), body)
    return body


def _most(route: Route) -> int:
    """Bytes that a body may have."""
    if route.name in FILES:
        return LARGEST_BODY
    return MIDDLE_BODY if route.dialect == "wild" else SMALL_BODY


def native(match: Match, query: bytes, body: bytes) -> Request:
    """A native request; InvalidRequest names what is wrong."""
    route = match.operation.route
    if route.method in WITH_BODY:
        return _from_body(match, query, body)
    fields: dict[str, Any] = match.fields()
    for name, value in pairs(query):
        if name in fields:
            raise InvalidRequest(f"{name[:100]}: given twice", place=name[:100], next_step="Give it once.")
        fields[name] = value
    return parse(match.operation, fields)


def pairs(query: bytes) -> list[tuple[str, str]]:
    """Names and values of a query, decoded; InvalidRequest when that cannot be done."""
    if not query:
        return []
    try:
        text = query.decode("ascii")
        return parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=MOST_PARAMETERS)
    except ValueError as error:
        raise InvalidRequest(
            "the query is not percent-encoded UTF-8, or has too many parameters", next_step="Correct the query."
        ) from error


def _from_body(match: Match, query: bytes, body: bytes) -> Request:
    """A request with a JSON body; the fields of the path belong to it."""
    if query:
        raise InvalidRequest("parameters belong into the body here", next_step="Send them as JSON.")
    named = match.fields()
    if not named:
        return parse_json(match.operation, body)
    fields = _object(body) if body else {}
    for name, value in named.items():
        if fields.setdefault(name, value) != value:
            raise InvalidRequest(
                f"{name}: differs from the one in the path", place=name, next_step="Leave it out of the body."
            )
    return parse(match.operation, fields)


def _object(body: bytes) -> dict[str, Any]:
    try:
        found = from_json(body, allow_inf_nan=False)
    except ValueError as error:
        raise InvalidRequest(f"the body is not JSON: {error}", next_step="Send a JSON object.") from error
    if not isinstance(found, dict):
        raise InvalidRequest("the body is not a JSON object", next_step="Send a JSON object.")
    return found


def check_content_type(content_type: str | None, body: bytes) -> None:
    """Only JSON: what a form of a foreign page can send is refused (S4)."""
    kind, _, rest = (content_type or "").partition(";")
    charset = rest.strip().lower().removeprefix("charset=").strip('"')
    if (body or content_type) and (kind.strip().lower() != "application/json" or charset not in ("", "utf-8", "utf8")):
        raise Fault(
            415,
            "unsupported_media_type",
            "bodies must be application/json in UTF-8",
            next_step="Send the header Content-Type: application/json",
        )


def idempotency_key(value: str | None) -> str | None:
    """The key of a change; InvalidRequest when it is no short printable text."""
    if value is None:
        return None
    if not 0 < len(value) <= LONGEST_KEY or not value.isascii() or not value.isprintable():
        raise InvalidRequest(
            f"Idempotency-Key: 1 to {LONGEST_KEY} printable ASCII characters",
            place="Idempotency-Key",
            next_step="Use a random identifier.",
        )
    return value


def request_id(value: str | None, new: str) -> str:
    """The caller's id of this request if it is a plain one, else `new`."""
    plain = value is not None and 0 < len(value) <= 128 and value.isascii() and value.replace("-", "").isalnum()
    return value if plain and value is not None else new


def surface(head: Head) -> str | None:
    """The surface for which our own client asks; None when it does not say, or says another word."""
    told = head.text(SURFACE.lower().encode())
    return told if told in SURFACES else None


def without_wait(request: Request) -> tuple[Request, float]:
    """A request that answers at once, and the seconds that it wanted to wait."""
    values: Mapping[str, Any] = request.__dict__
    wait = float(values.get("wait", 0.0))
    return (request.model_copy(update={"wait": 0.0}), wait) if wait > 0 else (request, 0.0)


def resumed_at(value: str | None) -> int | None:
    """The number in a `Last-Event-ID`; InvalidRequest when it is none."""
    if value is None:
        return None
    if not value.isascii() or not value.isdigit() or len(value) > 18:
        raise InvalidRequest("Last-Event-ID: not a number", place="Last-Event-ID", next_step="Send the last id.")
    return int(value)
