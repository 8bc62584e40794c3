"""The operations in this process."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from overnight.service.context import Context
from overnight.service.dispatch import perform


class LocalCaller:
    """A `Caller` on a context of this process."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def call(self, operation: str, /, *, key: str | None = None, **fields: Any) -> dict[str, Any]:
        """See `Caller.call`."""
        return perform(self._context, operation, fields, key=key)

    def ask(self, operation: str, fields: Mapping[str, Any], key: str | None = None) -> Any:
        """See `Caller.ask`."""
        return perform(self._context, operation, fields, key=key)
