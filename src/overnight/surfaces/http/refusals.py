"""How the description says what may go wrong: problem documents, and the errors of the Wild V2 protocol."""

from __future__ import annotations

from typing import Any

from overnight.service.routes import Route
from overnight.surfaces.http.problems import TITLES
from overnight.surfaces.http.shapes import REFERENCE, Schema

REFUSALS = {
    "401": "unauthenticated",
    "403": "denied",
    "404": "not_found",
    "409": "conflict",
    "422": "invalid_request",
    "429": "limit_exceeded",
    "503": "store_unavailable",
    "507": "store_full",
}
"""Answers that every operation may give, each with its commonest code."""
BODY_REFUSALS = {
    "400": "cut_off",
    "408": "too_slow",
    "413": "too_large",
    "415": "unsupported_media_type",
}
"""And those that need a body or change something."""
TEXT: Schema = {"type": "string"}
RETRY = {"Retry-After": {"description": "Seconds after which to ask again.", "schema": {"type": "integer"}}}


def refusals_of(route: Route, *, with_body: bool) -> dict[str, Any]:
    """The bad answers of an operation, by status: references to `responses`."""
    statuses = {*REFUSALS, *(BODY_REFUSALS if with_body or route.dialect == "wild" else ())}
    prefix = "Wild" if route.dialect == "wild" else "Refused"
    return {status: {"$ref": f"#/components/responses/{prefix}{status}"} for status in sorted(statuses)}


def responses() -> dict[str, Any]:
    """All bad answers, of both dialects."""
    named = {**REFUSALS, **BODY_REFUSALS}
    native = {f"Refused{status}": _refusal(status, TITLES[code], wild=False) for status, code in named.items()}
    named["400"] = "bad_request"
    return native | {f"Wild{status}": _refusal(status, TITLES[code], wild=True) for status, code in named.items()}


def _refusal(status: str, title: str, *, wild: bool) -> dict[str, Any]:
    if wild:
        kind, model = "application/json", "WildValidation" if status == "422" else "WildError"
    else:
        kind, model = "application/problem+json", "Problem"
    content = {kind: {"schema": {"$ref": REFERENCE.format(model=model)}}}
    headers = {"headers": RETRY} if status in ("429", "503") else {}
    return {"description": title, "content": content, **headers}


def schemas() -> dict[str, Schema]:
    """What the refusals refer to."""
    return {"Problem": _problem(), "WildError": _detail(TEXT), "WildValidation": _detail(_either_list())}


def _detail(detail: Schema) -> Schema:
    return {"type": "object", "required": ["detail"], "properties": {"detail": detail}, "additionalProperties": False}


def _either_list() -> Schema:
    place = {"type": "array", "items": {"type": ["string", "integer"]}}
    properties = {"type": TEXT, "loc": place, "msg": TEXT, "input": {}}
    found = {"type": "object", "required": ["type", "loc", "msg"], "properties": properties}
    return {"anyOf": [{"type": "array", "items": found}, TEXT]}


def _problem() -> Schema:
    found = {"type": "object", "properties": {"place": TEXT, "line": {"type": ["integer", "null"]}, "message": TEXT}}
    action = {
        "type": "object",
        "required": ["operation", "method", "path"],
        "properties": {"operation": TEXT, "method": TEXT, "path": TEXT},
    }
    return {
        "type": "object",
        "required": ["type", "title", "status", "detail", "code"],
        "additionalProperties": False,
        "properties": {
            "type": TEXT,
            "title": TEXT,
            "status": {"type": "integer"},
            "detail": TEXT,
            "code": {"enum": sorted(TITLES)},
            "place": {**TEXT, "description": "The field, file or header that is wrong."},
            "next": {**TEXT, "description": "What to do, in words."},
            "actions": {"type": "array", "items": action, "description": "What may be asked next."},
            "problems": {"type": "array", "items": found, "description": "Everything wrong with a campaign file."},
        },
    }
