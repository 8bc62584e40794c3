"""What a plan would run on, as preflight sees it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from overnight.domain.room import Reserve
from overnight.planner.fit import Card
from overnight.service.views import View
from overnight.targets.base import Files


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why something cannot start: a stable code and a sentence."""

    code: str
    detail: str

    @property
    def view(self) -> View:
        """As JSON."""
        return {"code": self.code, "detail": self.detail}


@dataclass(frozen=True, slots=True)
class Spot:
    """A target as preflight sees it."""

    files: Files
    cards: Sequence[Card]
    """All its devices; empty = not known."""
    taken: frozenset[str] = frozenset()
    """GPUs (ids) that runs of ours hold, or that are sick."""
    near: bool = True
    """Whether it is this machine: others are asked through `files` alone."""
    folder: str | None = None
    """Where attempts lie there; None = where those of this machine do, or not known."""
    home: str | None = None
    """The home folder there; None = not known."""
    away: Trouble | None = None
    """Why it is not reached."""


@dataclass(frozen=True, slots=True)
class Ground:
    """What a plan would run on."""

    spots: Mapping[str, Spot]
    runs_folder: str
    reserve: Reserve
    variables: Mapping[str, str]
    """Environment of the server."""
