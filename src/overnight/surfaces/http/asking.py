"""Requests of the table from what HTTP brings: the path, the query, the body."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl

from pydantic_core import from_json

from overnight.domain.errors import InvalidRequest
from overnight.service.dispatch import parse, parse_json
from overnight.service.requests import Request
from overnight.surfaces.http.problems import Fault
from overnight.surfaces.http.routes import Match

MOST_PARAMETERS = 50
"""Query parameters of one request; no operation has nearly as many."""
LONGEST_KEY = 255
"""Characters of an idempotency key."""


def from_query(match: Match, query: bytes) -> Request:
    """A looking request; InvalidRequest names what is wrong."""
    fields: dict[str, Any] = {} if match.id is None else {"id": match.id}
    for name, value in _pairs(query):
        if name in fields:
            raise InvalidRequest(f"{name[:100]}: given twice", place=name[:100], next_step="Give it once.")
        fields[name] = value
    return parse(match.operation, fields)


def _pairs(query: bytes) -> list[tuple[str, str]]:
    if not query:
        return []
    try:
        text = query.decode("ascii")
        return parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=MOST_PARAMETERS)
    except ValueError as error:
        raise InvalidRequest(
            "the query is not percent-encoded UTF-8, or has too many parameters", next_step="Correct the query."
        ) from error


def from_body(match: Match, query: bytes, body: bytes) -> Request:
    """A request with a JSON body; the `{id}` of the path belongs to it."""
    if query:
        raise InvalidRequest("parameters belong into the body here", next_step="Send them as JSON.")
    if match.id is None:
        return parse_json(match.operation, body)
    fields = _object(body) if body else {}
    if fields.setdefault("id", match.id) != match.id:
        raise InvalidRequest("id: differs from the one in the path", place="id", next_step="Leave it out of the body.")
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


def without_wait(request: Request) -> tuple[Request, float]:
    """A request that answers at once, and the seconds that it wanted to wait."""
    values: Mapping[str, Any] = request.__dict__
    wait = float(values.get("wait", 0.0))
    return (request.model_copy(update={"wait": 0.0}), wait) if wait > 0 else (request, 0.0)
