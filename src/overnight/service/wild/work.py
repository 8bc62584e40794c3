"""What stands behind the name of an operation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from overnight.service.context import Context
from overnight.service.requests import Request


class Work(NamedTuple):
    """`answer` is the shape of what comes back: a Pydantic model, a TypedDict or a list of one. A function answers
    plain JSON values of that shape."""

    request: type[Request]
    work: Callable[[Context, Any], Any]
    answer: Any
