"""How each dialect asks and answers: native operations and the Wild V2 protocol."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import ceil

from overnight.domain.errors import InFlight, LimitExceeded, OvernightError, StoreUnavailable
from overnight.service.dispatch import Answered
from overnight.service.requests import Request
from overnight.surfaces.http import asking, problems, wild
from overnight.surfaces.http.encoding import encode
from overnight.surfaces.http.problems import Fault
from overnight.surfaces.http.routes import Match
from overnight.surfaces.http.wire import Answer, Headers

OURS = (b"/v1/", b"/mcp", b"/health", b"/docs", b"/openapi.json")
"""How paths begin where errors are problem documents; everywhere else they are those of the Wild V2 protocol."""
REPLAYED: Headers = ((b"idempotency-replayed", b"true"),)
SOON: Headers = ((b"retry-after", b"1"),)
CODE = b"x-error-code"
"""Header in which the Wild V2 protocol, whose errors are a text alone, names the code of an error."""


@dataclass(frozen=True, slots=True)
class Dialect:
    """The three things in which dialects differ."""

    request: Callable[[Match, bytes, bytes], tuple[Request, list[str]]]
    """From a match, a query and a body: the request, and warnings about it."""
    answer: Callable[[Match, Answered, list[str]], Answer]
    failure: Callable[[Exception], Answer]


def of_path(path: bytes) -> Dialect:
    """The dialect in which a path is answered, whether or not there is anything at it."""
    return NATIVE if path.startswith(OURS) else WILD


def _native_request(match: Match, query: bytes, body: bytes) -> tuple[Request, list[str]]:
    return asking.native(match, query, body), []


def _native_answer(match: Match, answered: Answered, _: list[str]) -> Answer:
    return Answer(match.operation.status, encode(answered.view), headers=REPLAYED if answered.replayed else ())


def _wild_answer(_: Match, answered: Answered, warnings: list[str]) -> Answer:
    return wild.answer(answered, warnings)


def _native_failure(error: Exception) -> Answer:
    if isinstance(error, Fault):
        status, body = problems.of_fault(error)
    else:
        status, body = problems.of_error(error) if isinstance(error, OvernightError) else problems.of_defect()
    return Answer(status, body, problems.CONTENT_TYPE, _headers(error))


def _wild_failure(error: Exception) -> Answer:
    if isinstance(error, Fault):
        status, body = problems.wild_of_fault(error)
    else:
        status, body = problems.wild_of_error(error) if isinstance(error, OvernightError) else problems.wild_of_defect()
    code = error.code if isinstance(error, Fault | OvernightError) else "internal"
    return Answer(status, body, headers=(*_headers(error), (CODE, code.encode())))


def _headers(error: Exception) -> Headers:
    if isinstance(error, Fault):
        return error.headers
    if isinstance(error, LimitExceeded) and error.retry_after is not None:
        return ((b"retry-after", b"%d" % ceil(error.retry_after)),)
    return SOON if isinstance(error, InFlight | StoreUnavailable) else ()


NATIVE = Dialect(_native_request, _native_answer, _native_failure)
WILD = Dialect(wild.request, _wild_answer, _wild_failure)
DIALECTS: Mapping[str, Dialect] = {"native": NATIVE, "wild": WILD}
"""By `Route.dialect`."""
