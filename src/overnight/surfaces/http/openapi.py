"""The OpenAPI document, from the table, the request models and the shapes of the answers."""

from __future__ import annotations

import re
from typing import Any, get_origin

import overnight
from overnight.domain.access import VERBS
from overnight.service.table import Operation
from overnight.surfaces.http import refusals
from overnight.surfaces.http.asking import WITH_BODY
from overnight.surfaces.http.endpoints import ENDPOINTS
from overnight.surfaces.http.problems import TITLES
from overnight.surfaces.http.routes import Endpoint
from overnight.surfaces.http.shapes import Schema, Shapes
from overnight.surfaces.http.wild import NEEDS_BODY

KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "Names this request: sent again with the same key it has one effect and gets the same answer.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"},
}
REQUEST_ID = {
    "name": "X-Request-Id",
    "in": "header",
    "required": False,
    "description": "Written into the events that this request causes; made up if absent, and sent back.",
    "schema": {"type": "string", "pattern": "^[0-9A-Za-z-]{1,128}$"},
}
LAST_EVENT = {
    "name": "Last-Event-ID",
    "in": "header",
    "required": False,
    "description": "The id of the last event that came: the stream goes on behind it.",
    "schema": {"type": "integer", "minimum": 0, "maximum": 10**18 - 1},
}
REPLAYED = {
    "description": "`true` when this is the stored answer of an earlier request with the same key.",
    "schema": {"type": "string", "const": "true"},
}
NEXT_CURSOR = {"description": "Where the next page begins; absent on the last one.", "schema": {"type": "string"}}
SCHEMES = {
    "bearer": {"type": "http", "scheme": "bearer"},
    "X-Auth-Token": {"type": "apiKey", "in": "header", "name": "X-Auth-Token"},
}
_FIELDS = re.compile(r"\{(\w+)\}")


def document() -> dict[str, Any]:
    """The document, OpenAPI 3.1."""
    operations = [endpoint.operation for endpoint in ENDPOINTS]
    wanted: dict[str, Any] = {f"ask {it.name}": it.request for it in operations}
    wanted |= {f"answer {it.name}": it.answer for it in operations if it.answer is not None}
    shapes = Shapes(wanted)
    paths: dict[str, Any] = {}
    for endpoint in ENDPOINTS:
        operation = endpoint.operation
        paths.setdefault(operation.path, {})[operation.method.lower()] = _operation(endpoint, shapes)
    paths["/health"] = {"get": _health()}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Overnight",
            "version": overnight.__version__,
            "description": "Runs experiment campaigns unattended. Below /v1 errors are problem documents (RFC 9457) "
            f"whose `code` is one of: {', '.join(sorted(TITLES))}. Everything else is the Wild V2 protocol. "
            "`x-overnight-verb` is what a token must be allowed to do, `x-overnight-roles` who is.",
        },
        "security": [{name: []} for name in SCHEMES],
        "paths": paths,
        "components": {
            "schemas": {**shapes.named, **refusals.schemas()},
            "responses": refusals.responses(),
            "securitySchemes": SCHEMES,
        },
    }


def _operation(endpoint: Endpoint, shapes: Shapes) -> dict[str, Any]:
    operation, route = endpoint.operation, endpoint.operation.route
    schema = shapes.resolved(f"ask {operation.name}")
    with_body = operation.method in WITH_BODY
    headers = [*([KEY] if operation.changes else []), *([LAST_EVENT] if endpoint.endless else []), REQUEST_ID]
    good = _stream(operation) if endpoint.endless else _answer(operation, shapes)
    described: dict[str, Any] = {
        "operationId": operation.name,
        "summary": operation.summary,
        "x-overnight-verb": route.verb.value,
        "x-overnight-roles": sorted(role.value for role, verbs in VERBS.items() if route.verb in verbs),
        "parameters": [*_parameters(endpoint, schema), *headers],
        "responses": {str(operation.status): good, **refusals.refusals_of(route, with_body=with_body)},
    }
    if with_body:
        described["requestBody"] = _body(operation, shapes, schema)
    if route.public:
        described["security"] = []
    return described


def _fields(operation: Operation) -> list[str]:
    """Names of the fields in the path."""
    return _FIELDS.findall(operation.path)


def _parameters(endpoint: Endpoint, schema: Schema) -> list[dict[str, Any]]:
    """Of the path, and of the query."""
    operation = endpoint.operation
    in_path = _fields(operation)
    properties: dict[str, Schema] = schema.get("properties", {})
    queried = operation.route.query if operation.method in WITH_BODY else [it for it in properties if it not in in_path]
    required = {*schema.get("required", ()), *in_path}
    hidden = {"wait"} if endpoint.endless else set()
    return [
        _parameter(name, place, properties[name], required=name in required)
        for place, names in (("path", in_path), ("query", queried))
        for name in names
        if name not in hidden
    ]


def _parameter(name: str, place: str, field: Schema, *, required: bool) -> dict[str, Any]:
    """A query has no null: a parameter that may be null is left out instead. Lists have commas between their parts."""
    choices = [choice for choice in field.get("anyOf", []) if choice.get("type") != "null"]
    rest = {key: value for key, value in field.items() if key not in ("anyOf", "default", "title")}
    rest |= {"default": field["default"]} if field.get("default") is not None else {}
    several: Schema = {"anyOf": choices} if len(choices) > 1 else {}
    schema = {**(choices[0] if len(choices) == 1 else several), **rest}
    listed = {"style": "form", "explode": False} if schema.get("type") == "array" else {}
    return {"name": name, "in": place, "required": required, "schema": schema, **listed}


def _body(operation: Operation, shapes: Shapes, schema: Schema) -> dict[str, Any]:
    """What is not in the path or the query. A body without required fields may be left out where the path names
    something."""
    elsewhere = {*_fields(operation), *operation.route.query}
    required = [name for name in schema.get("required", ()) if name not in elsewhere]
    whole = operation.route.dialect == "native" and not _fields(operation)
    if not elsewhere:
        content: Schema = shapes.of(f"ask {operation.name}")
    else:
        kept = {name: field for name, field in schema.get("properties", {}).items() if name not in elsewhere}
        strict = {"additionalProperties": False} if schema.get("additionalProperties") is False else {}
        content = {"type": "object", "properties": kept, **({"required": required} if required else {}), **strict}
    needed = bool(required) or whole or operation.name in NEEDS_BODY
    return {"required": needed, "content": {"application/json": {"schema": content}}}


def _answer(operation: Operation, shapes: Shapes) -> dict[str, Any]:
    headers: dict[str, Any] = {"X-Request-Id": {"schema": {"type": "string"}}}
    if operation.changes:
        headers["Idempotency-Replayed"] = REPLAYED
    if operation.route.dialect == "wild" and get_origin(operation.answer) is list:
        headers["X-Next-Cursor"] = NEXT_CURSOR
    content = {"application/json": {"schema": shapes.of(f"answer {operation.name}")}}
    return {"description": operation.summary, "headers": headers, "content": content}


def _stream(operation: Operation) -> dict[str, Any]:
    return {"description": operation.summary, "content": {"text/event-stream": {"schema": {"type": "string"}}}}


def _health() -> dict[str, Any]:
    properties: Schema = {
        "status": {"enum": ["ok", "broken"]},
        "version": {"type": "string"},
        "reason": {"type": "string"},
    }
    schema = {"type": "object", "required": ["status", "version"], "properties": properties}
    content = {"application/json": {"schema": schema}}
    return {
        "operationId": "health",
        "summary": "Whether the server can serve.",
        "security": [],
        "parameters": [REQUEST_ID],
        "responses": {
            "200": {"description": "It can", "content": content},
            "503": {"description": "The record cannot be used", "content": content},
        },
    }
