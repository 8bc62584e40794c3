"""One call of a tool: from its arguments to what the model reads."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from mcp_types import CallToolResult, ContentBlock, TextContent

from overnight.domain.errors import InvalidRequest, OvernightError
from overnight.ids import new_token
from overnight.service import dispatch
from overnight.service.table import Operation
from overnight.surfaces.mcp import tools
from overnight.surfaces.mcp.confirm import VALID_SECONDS, Confirmations
from overnight.surfaces.mcp.door import Door
from overnight.surfaces.mcp.untrusted import NOTICE, as_json, clean, fitted, marked, told

LOG_BYTES = 20_000
"""Bytes of a log per call: however they are spelt, they stay below the most that an answer may have."""
LOGS = frozenset({"log", "run_logs", "run_sidecar_logs"})
LONGEST_WAIT = 50.0
"""Seconds that a call may wait for events: hosts give up on tools after about a minute."""
LONGEST_MESSAGE = 2_000
"""Characters of an error's sentence: it may repeat what was sent."""
LOOKS: Mapping[str, str] = MappingProxyType(
    {
        "cancel": "show",
        "update": "show",
        "stop_run": "get_run",
        "cancel_sweep": "get_sweep",
        "edit_sweep": "get_sweep",
        "delete_skill": "get_skill",
    }
)
"""Destructive operation -> the one that shows what it would end, where one thing is named."""
SHOWN = ("kind", "id", "name", "state", "status", "paused", "counts", "progress")
LIVE = frozenset({"running", "launching", "cancelling", "collecting", "external"})

logger = logging.getLogger("overnight.mcp")


async def call(
    door: Door, confirmations: Confirmations, operation: Operation, given: Mapping[str, Any]
) -> CallToolResult:
    """Carry a call out. Errors of operations are results too, so that the model can read and correct them."""
    try:
        return await _call(door, confirmations, operation, given)
    except OvernightError as error:
        return failure(error)
    except Exception:
        logger.exception("the tool %s met a defect", operation.name)
        return _failure({"code": "internal", "detail": "the server met a defect of its own; its log has the rest"})


async def _call(
    door: Door, confirmations: Confirmations, operation: Operation, given: Mapping[str, Any]
) -> CallToolResult:
    fields, key, code = _parted(operation, given)
    fields, note = _limited(operation, fields)
    request = dispatch.parse(operation, fields)
    if tools.destroys(operation, request):
        await door.admit(operation.name)
        if code is None:
            return await _preview(door, confirmations, operation, fields)
        confirmations.take(code, door.identity, operation.name, fields)
    answer = await door.call(operation.name, fields, key)
    return success(operation, answer, note, door.notice)


def _parted(operation: Operation, given: Mapping[str, Any]) -> tuple[dict[str, Any], str | None, str | None]:
    """The operation's own fields, the idempotency key and the confirmation."""
    fields = dict(given)
    key = fields.pop("idempotency_key", None) if operation.changes else None
    code = fields.pop("confirm", None) if tools.may_destroy(operation) else None
    if key is not None and not (isinstance(key, str) and 0 < len(key) <= 255 and key.isascii() and key.isprintable()):
        raise InvalidRequest("idempotency_key: 1 to 255 printable ASCII characters", place="idempotency_key")
    if code is not None and not isinstance(code, str):
        raise InvalidRequest("confirm: a text", place="confirm", next_step="Leave it out to get a code.")
    return fields, key, code


def _limited(operation: Operation, fields: dict[str, Any]) -> tuple[dict[str, Any], str | None]:
    """The same fields, asking for no more at once than an answer may have."""
    name, most = ("limit", LOG_BYTES) if operation.name in LOGS else ("wait", LONGEST_WAIT)
    asked = fields.get(name)
    if operation.name in LOGS and asked is None:
        return {**fields, name: LOG_BYTES}, None
    if not isinstance(asked, int | float) or asked <= most:
        return fields, None
    note = f"At most {LOG_BYTES} bytes of a log come at once: go on at next_offset." if name == "limit" else None
    return {**fields, name: most}, note


async def _preview(
    door: Door, confirmations: Confirmations, operation: Operation, fields: Mapping[str, Any]
) -> CallToolResult:
    look, ending = LOOKS.get(operation.name), tools.ENDINGS.get(operation.name)
    found = await door.call(look, {"id": fields["id"]}) if look else {}
    answer = {
        "done": False,
        "would": ending.says if ending else operation.summary,
        **_numbers(found),
        "of": {name: found[name] for name in SHOWN if name in found},
        "confirm": confirmations.give(door.identity, operation.name, fields),
        "valid_seconds": int(VALID_SECONDS),
        "next": f"Nothing was changed. To do it, call {operation.name} again with the same arguments and `confirm`.",
    }
    return _result(answer, job_text=True)


def _numbers(found: Mapping[str, Any]) -> dict[str, int]:
    """How many runs it is about, and how many of them are live."""
    counts = found.get("counts") or found.get("progress")
    if isinstance(counts, Mapping):
        return {"runs": counts.get("total", 0), "live": sum(counts.get(state, 0) for state in LIVE)}
    state = found.get("state") or found.get("status")
    return {"runs": 1, "live": int(state in LIVE)} if state else {}


def success(operation: Operation, answer: Any, *notes: str | None) -> CallToolResult:
    """An answer as a model reads it: text for all, values where the protocol's version has them."""
    return _result(answer, *notes, job_text=operation.name not in tools.OWN_WORDS)


def _result(answer: Any, *notes: str | None, job_text: bool) -> CallToolResult:
    shown, cut = fitted(answer)
    if shown is None:
        return _failure({"code": "too_large", "detail": cut})
    text = marked(told(shown), new_token()) if job_text else told(shown)
    values = shown if isinstance(shown, dict) else {"result": shown}
    cursor = None if cut else getattr(answer, "cursor", None)
    if cursor is not None:
        values, notes = {**values, "next_cursor": cursor}, (*notes, f"There is more: cursor={cursor}")
    content: list[ContentBlock] = [TextContent(text=part) for part in (text, cut, *notes) if part]
    return CallToolResult(content=content, structured_content={**({"_notice": NOTICE} if job_text else {}), **values})


def failure(error: OvernightError) -> CallToolResult:
    """An error with its code, what is wrong, what to do, and the tools that may help."""
    told_of: dict[str, Any] = {"code": error.code, "detail": error.message, "place": error.place}
    told_of |= {"next": error.next_step, "details": list(getattr(error, "details", ()))[:20]}
    told_of["tools"] = [it.operation for it in error.actions if it.operation in tools.reachable()]
    told_of["problems"] = [
        {"place": it.place, "line": it.line, "message": it.message} for it in getattr(error, "problems", ())[:20]
    ]
    return _failure(told_of)


def _failure(told_of: Mapping[str, Any]) -> CallToolResult:
    kept = {
        name: clean(value)[:LONGEST_MESSAGE] if isinstance(value, str) else value
        for name, value in told_of.items()
        if value
    }
    shown, _ = fitted(kept)
    return CallToolResult(content=[TextContent(text=as_json(shown))], is_error=True)
