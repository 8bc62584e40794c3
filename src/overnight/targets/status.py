"""Whether a target is reached, and if not, why."""

from __future__ import annotations

from dataclasses import dataclass

from overnight.domain.errors import Unavailable


@dataclass(frozen=True, slots=True)
class Why:
    """Why a target is not reached: a word for programs, a sentence, and what to do."""

    code: str
    sentence: str
    next_step: str


class Unreached(Unavailable):
    """A target is not reached, and why."""

    def __init__(self, why: Why, *, pause: float | None = None) -> None:
        """`pause`: seconds after which it may be tried again; None = as after any failure."""
        super().__init__(why.sentence, next_step=why.next_step or None)
        self.why = why
        self.pause = pause


@dataclass(frozen=True, slots=True)
class Status:
    """What is known of the way to a target, as it is now. Times are those of the boot clock here, in seconds."""

    state: str
    """`reachable` or `unknown`."""
    since: float
    """When that began."""
    seen_at: float | None
    """When the last byte came from there; None = never yet."""
    why: Why | None = None
    """Why it is not reached, as far as that is known."""
    latency: float | None = None
    """Seconds that the last small request took there and back."""
