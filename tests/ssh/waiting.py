"""Waiting for what must come, not for luck."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")
PATIENCE = 20.0
"""Seconds."""


def eventually(look: Callable[[], T], what: str) -> T:
    """The first look that finds something. Fails after a while."""
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        found = look()
        if found:
            return found
        time.sleep(0.01)
    raise AssertionError(f"it never came true that {what}")
