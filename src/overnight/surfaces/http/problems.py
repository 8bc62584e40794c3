"""Errors as `application/problem+json` (RFC 9457), with codes that clients may rely on."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from overnight.domain.errors import (
    Ambiguous,
    BadRequest,
    Conflict,
    Denied,
    InFlight,
    InvalidFile,
    InvalidRequest,
    KeyReused,
    LimitExceeded,
    NotFound,
    OvernightError,
    PreflightFailed,
    Refused,
    StoreRefused,
    StoreUnavailable,
    TargetError,
)

CONTENT_TYPE = b"application/problem+json"
TITLES = {
    "refused": "The request was refused",
    "invalid_file": "The campaign file has problems",
    "preflight_failed": "The work cannot start as things are",
    "invalid_request": "The request is malformed",
    "bad_request": "The request makes no sense as things are",
    "in_flight": "The first request with this idempotency key is not answered yet",
    "limit_exceeded": "More than this token may ask for",
    "not_found": "No such thing",
    "ambiguous": "The name fits several things",
    "conflict": "The present state does not allow it",
    "key_reused": "The idempotency key came with another request before",
    "denied": "Not allowed",
    "unauthenticated": "No valid token",
    "foreign_host": "The request is addressed to another host",
    "foreign_origin": "The request comes from a foreign page",
    "method_not_allowed": "The method is not allowed here",
    "unsupported_media_type": "The body is not JSON",
    "too_large": "The body is too large",
    "too_slow": "The body took too long",
    "cut_off": "The body was cut off",
    "busy": "Too many requests at once",
    "store_refused": "The record cannot be used",
    "store_unavailable": "The record cannot be written now",
    "store_full": "The disk of the record is full",
    "unavailable": "The target cannot be reached now",
    "rejected": "The target refused",
    "uncertain": "The target did not say whether it did it",
    "internal": "A defect of Overnight",
}
"""Code -> title. A code keeps its meaning for ever."""
STATUSES: tuple[tuple[type[OvernightError], int], ...] = (
    (NotFound, 404),
    (BadRequest, 400),
    (InFlight, 409),
    (LimitExceeded, 429),
    (Ambiguous, 409),
    (Conflict, 409),
    (Denied, 403),
    (Refused, 422),
    (PreflightFailed, 422),
    (StoreUnavailable, 503),
    (StoreRefused, 503),
    (TargetError, 503),
)
"""Most specific first."""
DISK_FULL = frozenset({"FullError", "DiskFull"})
"""What SQLite's and PostgreSQL's drivers call a full disk; the store keeps their error as the cause of its own."""
FULL_STATUS = 507
UNAUTHORIZED = "Unauthorized - invalid or missing X-Auth-Token"
"""What the Wild V2 protocol answers without a valid token, to the letter."""


class Fault(Exception):
    """A request that HTTP itself refuses, before any operation is asked."""

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        *,
        next_step: str | None = None,
        headers: tuple[tuple[bytes, bytes], ...] = (),
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code
        self.detail = detail
        self.next_step = next_step
        self.headers = headers


def of_fault(fault: Fault) -> tuple[int, bytes]:
    """(status, body) of a request that HTTP refuses."""
    return fault.status, _body(fault.status, fault.code, fault.detail, {"next": fault.next_step})


def of_error(error: OvernightError) -> tuple[int, bytes]:
    """(status, body) of an operation's error."""
    status, code = _status(error)
    rest: dict[str, Any] = {"place": error.place, "next": error.next_step}
    if error.actions:
        rest["actions"] = [action._asdict() for action in error.actions]
    if isinstance(error, InvalidFile | PreflightFailed):
        rest["problems"] = [
            {"place": problem.place, "line": problem.line, "message": problem.message} for problem in error.problems
        ]
    return status, _body(status, code, error.message, rest)


def wild_of_fault(fault: Fault) -> tuple[int, bytes]:
    """As `of_fault`, in the words of the Wild V2 protocol."""
    detail = UNAUTHORIZED if fault.code == "unauthenticated" else fault.detail
    return fault.status, _detail(detail)


def wild_of_error(error: OvernightError) -> tuple[int, bytes]:
    """As `of_error`, in the words of the Wild V2 protocol; what is wrong with a request is told as a list."""
    if isinstance(error, InvalidRequest):
        return 422, _detail([*error.details] or [_described(error)])
    status = 409 if isinstance(error, KeyReused) else _status(error)[0]
    return status, _detail(error.message)


def _described(error: InvalidRequest) -> dict[str, Any]:
    place = error.place.split(".") if error.place else []
    return {"type": "value_error", "loc": ["body", *place], "msg": error.message, "input": None}


def _detail(detail: Any) -> bytes:
    return json.dumps({"detail": detail}, ensure_ascii=False).encode("utf-8", errors="replace")


def of_defect() -> tuple[int, bytes]:
    """(status, body) for an exception that nobody expected; what it says stays in the server's log."""
    detail = "the server met a defect of its own"
    return 500, _body(500, "internal", detail, {"next": "Look at the server's log, and report what it says."})


def wild_of_defect() -> tuple[int, bytes]:
    """As `of_defect`, in the words of the Wild V2 protocol."""
    return 500, _detail("the server met a defect of its own")


def _status(error: OvernightError) -> tuple[int, str]:
    if isinstance(error, StoreUnavailable) and type(error.__cause__).__name__ in DISK_FULL:
        return FULL_STATUS, "store_full"
    for kind, status in STATUSES:
        if isinstance(error, kind):
            return status, error.code
    return 500, error.code


def _body(status: int, code: str, detail: str, rest: Mapping[str, Any]) -> bytes:
    document = {
        "type": f"urn:overnight:problem:{code}",
        "title": TITLES.get(code, "Error"),
        "status": status,
        "detail": detail,
        "code": code,
        **{name: value for name, value in rest.items() if value is not None},
    }
    return json.dumps(document, ensure_ascii=False).encode("utf-8", errors="replace")
