"""Tools from the table: their names, schemas and hints, and which of them ask twice."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from functools import cache
from types import MappingProxyType
from typing import Any, NamedTuple, get_origin

from mcp_types import Tool, ToolAnnotations
from pydantic import TypeAdapter
from pydantic.json_schema import GenerateJsonSchema

from overnight.domain.access import Verb
from overnight.domain.questions import STOP_RUN
from overnight.service.requests import Request
from overnight.service.table import OPERATIONS, Operation

NEVER = frozenset({Verb.TOKENS, Verb.APPROVE})
"""What no agent reaches, whoever its token belongs to: access itself, and what costs money."""
OWN_WORDS = frozenset(
    {
        "whoami", "system_health",
        "list_skills", "search_skills", "get_skill", "render_skill", "list_skill_files", "get_skill_file",
    }
)  # fmt: skip
"""Operations whose answers hold no text of jobs. All others are marked as data."""
KEY = {
    "type": "string",
    "minLength": 1,
    "maxLength": 255,
    "description": "Names this change: the same call with the same key happens once and gets the same answer.",
}
CONFIRM = {
    "type": "string",
    "maxLength": 200,
    "description": "The code that the first call answered. Leave it out to see what would happen.",
}
TWO_STEPS = (
    "Takes two calls: the first changes nothing, says what would happen and answers a code; the second, with the same "
    "arguments and `confirm`, does it."
)
HARMLESS = frozenset({None, "draft", "pending", "running"})
"""What a sweep may be edited to at once: whatever else stands there, however it is written, may mean cancelled."""


class Ending(NamedTuple):
    """How a change that is there for something else can end runs too."""

    when: Callable[[Any], bool]
    """Whether a request does."""
    says: str


ENDINGS: Mapping[str, Ending] = MappingProxyType(
    {
        "update": Ending(lambda _: True, "Apply the file; runs that it has no more are cancelled if they wait."),
        "edit_sweep": Ending(lambda it: it.status not in HARMLESS, "Stop everything of the sweep, for good."),
        "respond_to_alert": Ending(lambda it: it.choice == STOP_RUN, "Stop the run that the alert is about."),
        "resolve_session_events": Ending(lambda it: it.choice == STOP_RUN, "Stop the runs that the alerts are about."),
    }
)
"""Operations that ask twice only for some requests."""


class _Untitled(GenerateJsonSchema):
    """JSON Schemas without the titles that only repeat the fields' names."""

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002
        return False


@cache
def reachable() -> Mapping[str, Operation]:
    """Operations that can be tools at all, by name."""
    return MappingProxyType({it.name: it for it in OPERATIONS if it.route.verb not in NEVER})


def may_destroy(operation: Operation) -> bool:
    """Whether some calls of it end or take away what cannot be had back."""
    return operation.route.destroys or operation.name in ENDINGS


def destroys(operation: Operation, request: Request) -> bool:
    """Whether this call does."""
    ending = ENDINGS.get(operation.name)
    return operation.route.destroys if ending is None else ending.when(request)


@cache
def tool(operation: Operation) -> Tool:
    """An operation as a tool."""
    looks = not operation.changes
    return Tool(
        name=operation.name,
        title=operation.name.replace("_", " ").capitalize(),
        description=_description(operation),
        input_schema=input_schema(operation),
        output_schema=None if may_destroy(operation) else _output_schema(operation.answer),
        annotations=ToolAnnotations(
            read_only_hint=looks,
            destructive_hint=may_destroy(operation),
            idempotent_hint=looks or may_destroy(operation) or operation.method in ("PUT", "DELETE"),
            open_world_hint=False,
        ),
    )


def _description(operation: Operation) -> str:
    parts = [operation.summary, _first_paragraph(operation.work)]
    if may_destroy(operation):
        parts.append(TWO_STEPS)
    return " ".join(part for number, part in enumerate(parts) if part and part not in parts[:number])


def _first_paragraph(work: Callable[..., Any]) -> str:
    """What the function says that it does and answers."""
    text = inspect.getdoc(work) if inspect.isfunction(work) else None
    return " ".join((text or "").partition("\n\n")[0].split())


@cache
def input_schema(operation: Operation) -> dict[str, Any]:
    """What the operation takes, and what any change or destructive call takes here."""
    schema = operation.request.model_json_schema(schema_generator=_Untitled)
    more = {"idempotency_key": KEY} if operation.changes else {}
    if may_destroy(operation):
        more["confirm"] = CONFIRM
    kept = {name: part for name, part in schema.items() if name not in ("title", "description")}
    return {**kept, "properties": {**schema.get("properties", {}), **more}}


def _output_schema(answer: Any) -> dict[str, Any] | None:
    """The answer's shape, as an object: a list stands in the field `result`."""
    if answer is None:
        return None
    schema = TypeAdapter(answer).json_schema(schema_generator=_Untitled)
    if get_origin(answer) is not list:
        return {**schema, "type": "object"}
    definitions = {"$defs": schema.pop("$defs")} if "$defs" in schema else {}
    return {"type": "object", "properties": {"result": schema}, "required": ["result"], **definitions}
