"""How surfaces ask: the same call, whether the server is this process or another one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol


class Caller(Protocol):
    """Someone who answers the operations of `service.table` by name."""

    def call(self, operation: str, /, *, key: str | None = None, **fields: Any) -> dict[str, Any]:
        """The answer of an operation; raises the errors of `domain.errors`. `key` is an idempotency key for changes."""

    def ask(self, operation: str, fields: Mapping[str, Any], key: str | None = None) -> Any:
        """As `call`, with fields as they are: a None in a body is sent as null."""
