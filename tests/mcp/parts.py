"""A caller without HTTP, and clients of every version of the protocol."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from typing import Any, TypeVar

import pytest
from mcp import Client
from mcp_types import CallToolResult
from mcp_types.version import KNOWN_PROTOCOL_VERSIONS, MODERN_PROTOCOL_VERSIONS

from overnight.domain import access
from overnight.domain.access import Principal, Role, Verb
from overnight.service.authority import admitted
from overnight.service.dispatch import perform
from overnight.service.table import BY_NAME
from overnight.store.base import Change
from overnight.surfaces.mcp.confirm import Confirmations
from overnight.surfaces.mcp.server import build
from tests.service.desk import Desk

VERSIONS = KNOWN_PROTOCOL_VERSIONS
T = TypeVar("T")
VIEWER = Principal("vera", Role.VIEWER, access.VERBS[Role.VIEWER])
AGENT = Principal("ada", Role.AGENT, access.VERBS[Role.AGENT])


class DeskDoor:
    """A door to a Desk; keeps what was asked through it."""

    def __init__(self, desk: Desk, principal: Principal = AGENT) -> None:
        self._desk = desk
        self._principal = principal
        self._context = replace(desk.context, principal=principal, change=Change(principal.actor))
        self.asked: list[tuple[str, dict[str, Any], str | None]] = []
        self.answers: dict[str, Any] = {}
        """Answers of operations that a test makes up."""

    @property
    def identity(self) -> str:
        return self._principal.actor

    @property
    def notice(self) -> str | None:
        return None

    async def verbs(self) -> frozenset[Verb]:
        return self._principal.verbs

    async def admit(self, operation: str, /) -> None:
        admitted(self._context, BY_NAME[operation].route)

    async def call(self, operation: str, fields: Mapping[str, Any], key: str | None = None, /) -> Any:
        self.asked.append((operation, dict(fields), key))
        if operation in self.answers:
            return self.answers[operation]
        return perform(self._context, operation, fields, key=key)


def connect(door: DeskDoor, confirmations: Confirmations | None = None) -> Client:
    """The SDK's own client, in this process."""
    codes = confirmations or Confirmations(door._desk.store.clock)
    return Client(build(lambda _: door, codes), mode="legacy")


def mode_of(version: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """The client's mode that speaks this version; an older handshake is offered as that version's clients do."""
    if version in MODERN_PROTOCOL_VERSIONS:
        return version
    monkeypatch.setattr("mcp.client.session.LATEST_HANDSHAKE_VERSION", version)
    return "legacy"


def with_client(client: AbstractAsyncContextManager[Client], work: Callable[[Client], Awaitable[T]]) -> T:
    """What `work` makes of a connected client."""

    async def main() -> T:
        async with client as connected:
            return await work(connected)

    try:
        return asyncio.run(main())
    except ExceptionGroup as group:
        raise _only(group) from group


def _only(error: Exception) -> Exception:
    """The one error inside of groups in groups."""
    return _only(error.exceptions[0]) if isinstance(error, ExceptionGroup) else error


def text_of(result: CallToolResult) -> str:
    return "\n".join(getattr(part, "text", "") for part in result.content)


def values_of(result: CallToolResult) -> dict[str, Any]:
    assert not result.is_error, text_of(result)
    assert isinstance(result.structured_content, dict)
    return result.structured_content


def error_of(result: CallToolResult) -> dict[str, Any]:
    assert result.is_error, text_of(result)
    return dict(json.loads(text_of(result)))
