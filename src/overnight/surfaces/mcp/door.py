"""Through whom a tool call goes: who asks, and what carries operations out for them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from overnight.domain.access import Verb


class Door(Protocol):
    """One caller's way to the operations."""

    @property
    def identity(self) -> str:
        """Who asks; what confirmations are bound to."""

    @property
    def notice(self) -> str | None:
        """What has to be said beside every answer, if anything."""

    async def verbs(self) -> frozenset[Verb]:
        """What the caller may do."""

    async def admit(self, operation: str, /) -> None:
        """Raise Denied unless the caller may ask this operation; a refusal is written down."""

    async def call(self, operation: str, fields: Mapping[str, Any], key: str | None = None, /) -> Any:
        """The answer of an operation as plain JSON values; raises the errors of `domain.errors`.

        `key` is an idempotency key for changes. The event loop goes on meanwhile.
        """
