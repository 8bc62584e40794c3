"""Carries out an operation of the table: validates the request, replays answers to repeated keys, translates errors."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from pydantic import ValidationError

from overnight.domain.errors import InvalidRequest, NotFound, PreflightFailed, Refused, StoreUnavailable
from overnight.service.authority import admitted
from overnight.service.context import Context
from overnight.service.next_actions import actions_after
from overnight.service.once import OnceStore
from overnight.service.requests import Request
from overnight.service.table import BY_NAME, Operation
from overnight.service.views import View
from overnight.service.wording import message_of

MOST_LISTED = 1_000
"""Errors of one request that are looked at; of more only the number is told."""
LONGEST_PLACE = 200
"""Characters of a field's path that an error repeats: its names come from the request."""


def perform(context: Context, name: str, fields: Mapping[str, Any], *, key: str | None = None) -> View:
    """Answer one operation by name; raises the errors of `domain.errors`, Denied when who asks may not ask it.

    With an idempotency `key` a change happens once: a repeated request gets the first answer again (R20).
    """
    operation = BY_NAME.get(name)
    if operation is None:
        raise NotFound(f"there is no operation {name!r}", next_step="See the list of operations in the documentation.")
    return carry_out(context, operation, parse(operation, fields), key=key)


def parse(operation: Operation, fields: Mapping[str, Any]) -> Request:
    """The request as its model; InvalidRequest names the first field that is wrong."""
    try:
        return operation.request.model_validate(dict(fields))
    except ValidationError as error:
        raise _refusal(operation, error) from error


def parse_json(operation: Operation, text: bytes) -> Request:
    """As `parse`, straight from JSON text in UTF-8."""
    try:
        return operation.request.model_validate_json(text)
    except ValidationError as error:
        raise _refusal(operation, error) from error


def _refusal(operation: Operation, error: ValidationError) -> InvalidRequest:
    if error.error_count() > MOST_LISTED:
        # Only to list them would keep everybody else waiting for seconds.
        return InvalidRequest(
            f"{error.error_count()} fields are wrong",
            place=operation.name,
            next_step="Correct the fields and ask again.",
        )
    first = error.errors(include_url=False, include_input=False)[0]
    place = ".".join(str(part) for part in first["loc"])[:LONGEST_PLACE] or operation.name
    return InvalidRequest(f"{place}: {message_of(first)}", place=place, next_step="Correct the field and ask again.")


@dataclass(frozen=True, slots=True)
class Answered:
    """An answer, and whether it is the stored one of an earlier request with the same key."""

    view: View
    replayed: bool = False


def carry_out(context: Context, operation: Operation, request: Request, *, key: str | None = None) -> View:
    """Do what a validated request asks; see `perform`."""
    return answer(context, operation, request, key=key).view


def answer(context: Context, operation: Operation, request: Request, *, key: str | None = None) -> Answered:
    """As `carry_out`, telling first answers from repeated ones."""
    try:
        return _answer(context, operation, request, key)
    except (Refused, PreflightFailed) as error:
        if operation.route.dialect == "native":
            error.actions = actions_after(context, operation.route, request, error)
        raise
    except StoreUnavailable:
        if context.store.broken:
            context.wake()  # a loop that has nothing to write would not notice: it ends the process (R17)
        raise


def _answer(context: Context, operation: Operation, request: Request, key: str | None) -> Answered:
    context = admitted(context, operation.route)
    if key is None or not operation.changes:
        return Answered(operation.work(context, request))
    fingerprint = hashlib.sha256(request.model_dump_json().encode()).hexdigest()
    actor = context.change.actor
    with context.traffic.alone(actor, operation.name, key):
        store = OnceStore(context.store, actor, operation.name, key, fingerprint)
        return Answered(operation.work(replace(context, store=store), request), store.replayed)


def encode(answer: View) -> str:
    """An answer as JSON text."""
    return json.dumps(answer, ensure_ascii=False, separators=(",", ":"))
