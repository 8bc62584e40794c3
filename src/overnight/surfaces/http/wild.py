"""The Wild V2 protocol on HTTP: lenient requests, bare arrays, errors as `{"detail": …}`. Source: its section 2.1."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails, from_json

from overnight.domain.errors import InvalidRequest
from overnight.service.dispatch import MOST_LISTED, Answered
from overnight.service.requests import Request
from overnight.service.wild.work import Listed
from overnight.service.wording import message_of
from overnight.surfaces.http.asking import WITH_BODY, pairs
from overnight.surfaces.http.encoding import encode
from overnight.surfaces.http.routes import Match
from overnight.surfaces.http.wire import Answer, Headers

NEEDS_BODY = frozenset({"create_wild_sweep"})
"""Operations that want a body although no field of it is required; `{}` will do."""
NOT_A_NUMBER = frozenset({"append_metrics"})
"""Operations whose body may hold NaN and Infinity: jobs report them."""
MOST_DETAILS = 50
"""Errors of one request that are told."""
MOST_WARNED = 20
"""Unknown fields that are named."""
LARGEST_NUMBER = 10**308
"""Numbers beyond this are refused, NaN and Infinity too."""
LONGEST_ECHO = 500
"""Characters of what was sent that an error repeats."""


def request(match: Match, query: bytes, body: bytes) -> tuple[Request, list[str]]:
    """The request, and warnings about what was left out of it; InvalidRequest with the details of all that is wrong."""
    operation = match.operation
    known = _fields(operation.request)
    path: dict[str, str] = match.fields()
    with_body = operation.method in WITH_BODY
    queried = known.keys() & set(operation.route.query) if with_body else known.keys() - path.keys()
    asked: dict[str, Any] = {name: value for name, value in pairs(query) if name in queried}
    places = dict.fromkeys(queried, "query") | dict.fromkeys(path, "path")
    sent: dict[str, Any] = {}
    if with_body:
        required = {name for name, needed in known.items() if needed} - places.keys()
        sent = _body(operation.name, body, required=bool(required) or operation.name in NEEDS_BODY)
    if operation.name not in NOT_A_NUMBER:
        _refuse_endless(sent)
    closed = operation.request.model_config.get("extra") != "allow"
    unknown = [name for name in sent if name in places or (closed and name not in known)]
    mine = {name: value for name, value in sent.items() if name not in places}
    return _validated(operation.request, mine | asked | path, places), _warnings(unknown)


@cache
def _fields(model: type[Request]) -> dict[str, bool]:
    """Names that a request has from outside, and whether it needs them."""
    return {field.alias or name: field.is_required() for name, field in model.model_fields.items()}


def _validated(model: type[Request], fields: Mapping[str, Any], places: Mapping[str, str]) -> Request:
    try:
        return model.model_validate(fields)
    except ValidationError as error:
        raise _refusal(error, places) from error


def _refusal(error: ValidationError, places: Mapping[str, str]) -> InvalidRequest:
    if error.error_count() > MOST_LISTED:
        # Only to list them would keep everybody else waiting for seconds.
        return _invalid("too_many_errors", ("body",), f"{error.error_count()} fields are wrong")
    found = error.errors(include_url=False)[:MOST_DETAILS]
    details = [_detail(it, places) for it in found]
    return InvalidRequest(str(details[0]["msg"]), place=str(details[0]["loc"][-1]), details=details)


def _detail(error: ErrorDetails, places: Mapping[str, str]) -> dict[str, Any]:
    place = error["loc"] or ("",)
    kind = places.get(str(place[0]), "body")
    loc = [part[:LONGEST_ECHO] if isinstance(part, str) else part for part in (kind, *error["loc"])]
    return {"type": error["type"], "loc": loc, "msg": message_of(error), "input": _echo(_sent(error, places))}


def _sent(error: ErrorDetails, places: Mapping[str, str]) -> Any:
    """What an error is about; of a field that is missing, the object that lacks it, as it was sent."""
    if error["type"] != "missing" or len(error["loc"]) > 1:
        return error["input"]
    in_query = places.get(str(error["loc"][0])) == "query"
    return None if in_query else {name: it for name, it in error["input"].items() if name not in places}


def _echo(value: Any) -> Any:
    """What was sent, if it is short; else the beginning of a text, null instead of all else."""
    if isinstance(value, str):
        return value[:LONGEST_ECHO]
    if isinstance(value, dict | list):
        return value if _is_short(value) else None
    return value if isinstance(value, bool | int | float) and abs(value) < 2**63 else None


def _is_short(value: Any) -> bool:
    size, rest = 0, [value]
    while rest and size <= LONGEST_ECHO:
        it = rest.pop()
        size += len(it) if isinstance(it, str | dict | list) else 1
        if isinstance(it, dict | list) and size <= LONGEST_ECHO:
            rest += (*it.keys(), *it.values()) if isinstance(it, dict) else it
    return size <= LONGEST_ECHO


def _invalid(kind: str, loc: tuple[str | int, ...], message: str) -> InvalidRequest:
    detail = {"type": kind, "loc": list(loc), "msg": message, "input": None}
    return InvalidRequest(message, place=str(loc[-1]), details=[detail])


def _body(operation: str, body: bytes, *, required: bool) -> dict[str, Any]:
    """The JSON object that was sent; `{}` where nothing needs to be."""
    if not body.strip():
        found = None
    else:
        try:
            found = from_json(body, allow_inf_nan=operation in NOT_A_NUMBER)
        except ValueError as error:
            raise _invalid("json_invalid", ("body", 0), f"JSON decode error: {str(error)[:LONGEST_ECHO]}") from error
    if found is None:
        if required:
            raise _invalid("missing", ("body",), "Field required")
        return {}
    if not isinstance(found, dict):
        raise _invalid("dict_type", ("body",), "Input should be a valid dictionary")
    return found


def _refuse_endless(fields: Mapping[str, Any]) -> None:
    """No number, however deep, is one that JSON cannot say, or too large to be compared with others."""
    for name, value in fields.items():
        rest = [value]
        while rest:
            it = rest.pop()
            if isinstance(it, dict | list):
                rest += it.values() if isinstance(it, dict) else it
            elif isinstance(it, int | float) and not abs(it) <= LARGEST_NUMBER:
                raise _invalid("finite_number", ("body", name[:LONGEST_ECHO]), "Input should be a finite number")


def _warnings(unknown: list[str]) -> list[str]:
    told = [f"unknown field {name[:100]!r} was ignored" for name in unknown[:MOST_WARNED]]
    more = len(unknown) - MOST_WARNED
    return [*told, f"and {more} more"] if more > 0 else told


def answer(answered: Answered, warnings: list[str]) -> Answer:
    """A good answer: always 200; rows alone where it is a listing, warnings inside where it is an object."""
    view: Any = answered.view
    headers: Headers = ((b"idempotency-replayed", b"true"),) if answered.replayed else ()
    if isinstance(view, Listed) and view.cursor is not None:
        headers = (*headers, (b"x-next-cursor", view.cursor.encode()))
    if warnings and isinstance(view, dict):
        view = {**view, "warnings": [*view.get("warnings", ()), *warnings]}
    return Answer(200, encode(view), headers=headers)
