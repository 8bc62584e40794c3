"""The OpenAPI document, from the table and the request models."""

from __future__ import annotations

from typing import Any

from pydantic.json_schema import models_json_schema

import overnight
from overnight.service.requests import Nothing
from overnight.service.table import OPERATIONS, Operation
from overnight.surfaces.http.problems import TITLES

REFERENCE = "#/components/schemas/{model}"
KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "Names this request: sent again with the same key it has one effect and gets the same answer.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[ -~]+$"},
}
REQUEST_ID = {
    "name": "X-Request-Id",
    "in": "header",
    "required": False,
    "description": "Written into the events that this request causes; made up if absent, and sent back.",
    "schema": {"type": "string", "pattern": "^[0-9A-Za-z-]{1,128}$"},
}
REFUSALS = {
    "401": "unauthenticated",
    "403": "foreign_host",
    "404": "not_found",
    "409": "conflict",
    "422": "invalid_request",
    "503": "store_unavailable",
}
"""Answers that every operation may give, each with its commonest code."""
BODY_REFUSALS = {
    "400": "cut_off",
    "408": "too_slow",
    "413": "too_large",
    "415": "unsupported_media_type",
    "507": "store_full",
}
"""And those that need a body or change something."""


def document() -> dict[str, Any]:
    """The document, OpenAPI 3.1."""
    models = {operation.request for operation in OPERATIONS if operation.request is not Nothing}
    chosen = [(model, "validation") for model in sorted(models, key=lambda model: model.__name__)]
    places, definitions = models_json_schema(chosen, ref_template=REFERENCE)  # type: ignore[arg-type]
    schemas = definitions["$defs"]
    paths: dict[str, Any] = {}
    for operation in OPERATIONS:
        schema = {} if operation.request is Nothing else _resolved(places[operation.request, "validation"], schemas)
        paths.setdefault(operation.path, {})[operation.method.lower()] = _operation(operation, schema)
    paths["/v1/events/stream"] = {"get": _stream(schemas["EventRange"])}
    paths["/health"] = {"get": _health()}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Overnight",
            "version": overnight.__version__,
            "description": "Runs experiment campaigns unattended. Errors are problem documents (RFC 9457) whose `code` "
            f"is one of: {', '.join(sorted(TITLES))}.",
        },
        "security": [{"bearer": []}, {"token": []}],
        "paths": paths,
        "components": {"schemas": {**schemas, "Problem": _problem()}, "securitySchemes": _schemes()},
    }


def _resolved(reference: dict[str, Any], schemas: dict[str, Any]) -> dict[str, Any]:
    return dict(schemas[reference["$ref"].rpartition("/")[2]])


def _operation(operation: Operation, schema: dict[str, Any]) -> dict[str, Any]:
    posts = operation.method == "POST"
    described: dict[str, Any] = {
        "operationId": operation.name,
        "summary": operation.summary,
        "parameters": [*_parameters(operation, schema), *([KEY] if operation.changes else []), REQUEST_ID],
        "responses": {str(operation.status): _answer(operation), **_refusals(with_body=posts)},
    }
    if posts:
        described["requestBody"] = _body(operation, schema)
    return described


def _parameters(operation: Operation, schema: dict[str, Any]) -> list[dict[str, Any]]:
    """Of the path, and of the query where there is no body."""
    found = []
    required = set(schema.get("required", ()))
    for name, field in schema.get("properties", {}).items():
        in_path = name == "id" and "{id}" in operation.path
        if in_path or operation.method == "GET":
            place = "path" if in_path else "query"
            found.append({"name": name, "in": place, "required": name in required, "schema": _queried(field)})
    return found


def _queried(field: dict[str, Any]) -> dict[str, Any]:
    """A query has no null: a parameter that may be null is left out instead."""
    choices = [choice for choice in field.get("anyOf", []) if choice.get("type") != "null"]
    rest = {name: value for name, value in field.items() if name not in ("anyOf", "default", "title")}
    default = {"default": field["default"]} if field.get("default") is not None else {}
    return {**(choices[0] if choices else {}), **rest, **default}


def _body(operation: Operation, schema: dict[str, Any]) -> dict[str, Any]:
    if "{id}" not in operation.path:
        content: dict[str, Any] = {"$ref": REFERENCE.format(model=operation.request.__name__)}
        return {"required": True, "content": {"application/json": {"schema": content}}}
    properties = {name: field for name, field in schema["properties"].items() if name != "id"}
    rest = {"type": "object", "properties": properties, "additionalProperties": False}
    return {"required": False, "content": {"application/json": {"schema": rest}}}


def _answer(operation: Operation) -> dict[str, Any]:
    headers: dict[str, Any] = {"X-Request-Id": {"schema": {"type": "string"}}}
    if operation.changes:
        headers["Idempotency-Replayed"] = {
            "description": "`true` when this is the stored answer of an earlier request with the same key.",
            "schema": {"type": "string", "const": "true"},
        }
    content = {"application/json": {"schema": {"type": "object"}}}
    return {"description": operation.summary, "headers": headers, "content": content}


def _refusals(*, with_body: bool) -> dict[str, Any]:
    named = {**REFUSALS, **(BODY_REFUSALS if with_body else {})}
    content = {"application/problem+json": {"schema": {"$ref": REFERENCE.format(model="Problem")}}}
    return {status: {"description": TITLES[code], "content": content} for status, code in sorted(named.items())}


def _stream(schema: dict[str, Any]) -> dict[str, Any]:
    parameters = [
        {"name": name, "in": "query", "required": False, "schema": _queried(field)}
        for name, field in schema["properties"].items()
        if name != "wait"
    ]
    last = {"name": "Last-Event-ID", "in": "header", "required": False, "schema": {"type": "integer", "minimum": 0}}
    answer = {
        "description": "Events, each with its `seq` as its id",
        "content": {"text/event-stream": {"schema": {"type": "string"}}},
    }
    return {
        "operationId": "stream_events",
        "summary": "Events as they happen, as server-sent events.",
        "parameters": [*parameters, last],
        "responses": {"200": answer, **_refusals(with_body=False)},
    }


def _health() -> dict[str, Any]:
    content = {
        "application/json": {
            "schema": {
                "type": "object",
                "required": ["status", "version"],
                "properties": {
                    "status": {"enum": ["ok", "broken"]},
                    "version": {"type": "string"},
                    "reason": {"type": "string"},
                },
            }
        }
    }
    return {
        "operationId": "health",
        "summary": "Whether the server can serve.",
        "security": [],
        "responses": {
            "200": {"description": "It can", "content": content},
            "503": {"description": "The record cannot be used", "content": content},
        },
    }


def _problem() -> dict[str, Any]:
    text = {"type": "string"}
    found = {"type": "object", "properties": {"place": text, "line": {"type": ["integer", "null"]}, "message": text}}
    return {
        "type": "object",
        "required": ["type", "title", "status", "detail", "code"],
        "properties": {
            "type": text,
            "title": text,
            "status": {"type": "integer"},
            "detail": text,
            "code": {"enum": sorted(TITLES)},
            "place": {**text, "description": "The field, file or header that is wrong."},
            "next": {**text, "description": "What to do."},
            "problems": {"type": "array", "items": found, "description": "Everything wrong with a campaign file."},
        },
    }


def _schemes() -> dict[str, Any]:
    return {
        "bearer": {"type": "http", "scheme": "bearer"},
        "token": {"type": "apiKey", "in": "header", "name": "X-Auth-Token"},
    }
