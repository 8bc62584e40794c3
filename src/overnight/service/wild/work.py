"""What stands behind the name of an operation."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from overnight.service.context import Context
from overnight.service.requests import Request


class Work(NamedTuple):
    """`answer` is the shape of what comes back: a Pydantic model, a TypedDict or a list of one. A function answers
    plain JSON values of that shape."""

    request: type[Request]
    work: Callable[[Context, Any], Any]
    answer: Any


class Listed(list[Any]):
    """A page of a listing: an array, and where the next page begins (`cursor`; None = there is no more)."""

    def __init__(self, rows: Iterable[Any], cursor: str | None) -> None:
        super().__init__(rows)
        self.cursor = cursor
