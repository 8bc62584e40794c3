"""What can be read by its address: runs, their logs, summaries of campaigns."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import unquote

from mcp_types import Resource, ResourceTemplate, TextResourceContents

from overnight.ids import new_token
from overnight.surfaces.mcp.calls import LOG_BYTES
from overnight.surfaces.mcp.door import Door
from overnight.surfaces.mcp.untrusted import NOTICE, as_json, fitted, marked, told

RECENT = 20
"""Runs and campaigns that are listed, of each."""


class _Kind(NamedTuple):
    template: str
    title: str
    description: str
    operation: str
    mime_type: str = "application/json"
    more: Mapping[str, Any] = {}


KINDS = (
    _Kind("overnight://runs/{id}", "Run", "A run with its attempts, results and what it executes.", "show"),
    _Kind(
        "overnight://runs/{id}/log",
        "Log of a run",
        f"The last {LOG_BYTES} bytes of what a run wrote.",
        "log",
        "text/plain",
        {"offset": -LOG_BYTES, "limit": LOG_BYTES},
    ),
    _Kind("overnight://campaigns/{id}/summary", "Summary of a campaign", "What a campaign found.", "summary"),
)


def templates() -> list[ResourceTemplate]:
    """The kinds of addresses."""
    return [
        ResourceTemplate(
            name=it.title.lower().replace(" ", "-"),
            title=it.title,
            description=it.description,
            uri_template=it.template,
            mime_type=it.mime_type,
        )
        for it in KINDS
    ]


async def recent(door: Door) -> list[Resource]:
    """The newest campaigns and runs, by their ids alone: their names are texts of whoever made them."""
    campaigns = (await door.call("list_campaigns", {"limit": RECENT}))["campaigns"]
    runs = (await door.call("list_runs", {"limit": RECENT}))["runs"]
    run, log, summary = KINDS
    found = [_resource(summary, it) for it in campaigns]
    return found + [_resource(kind, it) for it in runs for kind in (run, log)]


def _resource(kind: _Kind, thing: Mapping[str, Any]) -> Resource:
    return Resource(
        name=f"{kind.title} {thing['id']}",
        uri=kind.template.replace("{id}", thing["id"]),
        description=f"{kind.description} State: {thing['state']}.",
        mime_type=kind.mime_type,
    )


async def read(door: Door, uri: str) -> TextResourceContents | None:
    """What stands at an address; None for addresses of no kind. Raises the errors of operations."""
    for kind in KINDS:
        before, _, after = kind.template.partition("{id}")
        match = re.fullmatch(f"{re.escape(before)}([^/?#]+){re.escape(after)}", uri)
        if match:
            answer = await door.call(kind.operation, {"id": unquote(match[1]), **kind.more})
            return TextResourceContents(uri=uri, mime_type=kind.mime_type, text=_text(kind, answer))
    return None


def _text(kind: _Kind, answer: Any) -> str:
    shown, cut = fitted(answer)
    if kind.mime_type == "text/plain":
        return marked(told(shown), new_token())
    return as_json({"notice": NOTICE, **({"cut": cut} if cut else {}), "data": shown})
