"""The first words with a runner."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from overnight.domain.errors import Unavailable
from overnight.targets.believed import text
from overnight.targets.link import RunnerRefused

HELLO_SECONDS = 10.0
"""Longest wait for the runner's answer."""


class Asked(Protocol):
    """As much of a link as a greeting needs."""

    def ask(self, op: str, timeout: float, /, **fields: Any) -> Mapping[str, Any]:
        """See `Link.ask`."""


def greet(link: Asked, session: Callable[[int], int]) -> str:
    """Say hello with a session above every one that the runner has seen; returns the boot id of its host.

    Every token that it has seen is left behind: after an old copy of the record was restored they must not come again
    (R35). `session(floor)` gives a number above all given before and above `floor`. Raises Unavailable, Uncertain.
    """
    number = session(0)
    try:
        hello = link.ask("hello", HELLO_SECONDS, session=number)
    except RunnerRefused as refusal:
        if refusal.refusal != "stale_session":
            raise
        number = session(_number(refusal.fields.get("session", 0)))
        hello = link.ask("hello", HELLO_SECONDS, session=number)
    highest = _number(hello.get("highest_fence", 0))
    if highest > number:
        session(highest)
    if not isinstance(hello.get("boot_id"), str):
        raise Unavailable("the runner does not say which boot of its host this is")
    return text(hello["boot_id"])


def _number(value: Any) -> int:
    """A number as fences are, whole and exact in JSON: what a host says must not overtake every one that can be."""
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 2**53:
        raise Unavailable("what the runner answered is no number of a session or a fence")
    return value
