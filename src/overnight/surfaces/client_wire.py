"""What a client sends for an operation, and what a server's reply means."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from contextlib import suppress
from enum import Enum
from typing import Any, Generic, NamedTuple, TypeVar, cast
from urllib.parse import quote, urlencode

from overnight.domain import errors
from overnight.service.routes import ROUTES, Route
from overnight.service.wild.routes import WILD_ROUTES

BY_NAME = {route.name: route for route in (*ROUTES, *WILD_ROUTES)}
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
"""Codes of errors -> the errors that they were."""

SURFACE = "X-Overnight-Surface"
"""Header that says for which surface a client asks."""

T = TypeVar("T")


class Unset(Enum):
    """What a field is that nobody gave, which may mean another thing than None."""

    UNSET = "unset"


UNSET = Unset.UNSET


class Page(list[T], Generic[T]):
    """Rows of a listing."""

    def __init__(self, rows: Iterable[T], cursor: str | None = None) -> None:
        """`cursor`: where the next page begins; None = nothing follows, or the listing has no pages."""
        super().__init__(rows)
        self.cursor = cursor


class Reply(NamedTuple):
    """What a server answered."""

    status: int
    body: bytes
    wait: float | None = None
    """`Retry-After`, in seconds."""
    cursor: str | None = None
    """`X-Next-Cursor` of a listing."""
    told: str | None = None
    """`X-Error-Code`, where the body has none."""

    @property
    def code(self) -> str | None:
        """The code of the error that it tells of."""
        if self.status < 400:
            return None
        found = _object(self.body).get("code")
        return found if isinstance(found, str) else self.told


def request_of(route: Route, fields: Mapping[str, Any]) -> tuple[str, bytes | None]:
    """The path with its query, and the body; in a query None is left out."""
    rest, path = dict(fields), route.path
    for part in path.split("/"):
        if part.startswith("{"):
            name = part[1:-1]
            safe = "/" if name == "path" else ""
            path = path.replace(part, quote(str(rest.pop(name, "")), safe=safe, errors="surrogatepass"))
    if route.method not in ("POST", "PUT"):
        return _with_query(path, rest), None
    queried = {name: rest.pop(name) for name in route.query if name in rest}
    return _with_query(path, queried), json.dumps(rest, default=dict).encode()


def _with_query(path: str, fields: Mapping[str, Any]) -> str:
    given = {name: _plain(value) for name, value in fields.items() if value is not None}
    return f"{path}?{urlencode(given, errors='surrogatepass')}" if given else path


def _plain(value: Any) -> Any:
    """A value as a query has it."""
    if isinstance(value, list | tuple):
        return ",".join(map(str, value))
    return str(value).lower() if isinstance(value, bool) else value


def answer_of(route: Route, reply: Reply) -> Any:
    """The answer that a good reply holds: an object, in the Wild V2 protocol also a Page; else ValueError."""
    found = json.loads(reply.body)
    if isinstance(found, list) and route.dialect == "wild":
        return Page(found, reply.cursor)
    if not isinstance(found, dict):
        raise ValueError("neither an object nor a listing")
    return found


def error_of(reply: Reply) -> errors.OvernightError | None:
    """The error that a reply tells of, as it was raised in the server; None when no server of ours says so."""
    document = _object(reply.body)
    if reply.code is None or "detail" not in document:
        return None
    if isinstance(document.get("code"), str):
        return _of_problem(document)
    return _of_detail(reply.code, reply.status, document["detail"])


def _of_problem(problem: Mapping[str, Any]) -> errors.OvernightError:
    code, place = problem["code"], problem.get("place")
    for listing in (errors.InvalidFile, errors.PreflightFailed):
        if code == listing.code:
            found = problem.get("problems", [])
            told = [errors.Problem(it["place"], it["message"], it.get("line")) for it in found]
            return listing(place or "campaign file", told)
    return _made(code, int(problem.get("status", 0)), str(problem["detail"]), place, problem.get("next"))


def _of_detail(code: str, status: int, detail: Any) -> errors.OvernightError:
    """The Wild V2 protocol: a text, or a list of what is wrong with the fields of a request."""
    if not isinstance(detail, list):
        return _made(code, status, str(detail), None, None)
    details = [it for it in detail if isinstance(it, dict)]
    first = details[0] if details else {}
    place = ".".join(str(part) for part in first.get("loc", ())[1:]) or None
    return errors.InvalidRequest(str(first.get("msg", "the request is wrong")), place=place, details=details)


def _made(code: str, status: int, message: str, place: Any, next_step: Any) -> errors.OvernightError:
    kind = KINDS.get(code, errors.Refused if status < 500 else errors.OvernightError)
    error = kind(message, place=place, next_step=next_step)
    if error.code != code:
        error.code = code
    return error


def _object(body: bytes) -> dict[str, Any]:
    with suppress(ValueError):
        found = json.loads(body)
        if isinstance(found, dict):
            return cast("dict[str, Any]", found)
    return {}
