"""What the commands need from the outside, so that they need not know which store or target there is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from overnight.config import Configuration
from overnight.service.context import Context


class Announcer(Protocol):
    """The home's lock."""

    def announce(self, url: str, /) -> None:
        """Write where the server of this home answers."""


class Served(Protocol):
    """A running control plane in this process."""

    @property
    def context(self) -> Context:
        """What operations work with."""

    @property
    def lock(self) -> Announcer:
        """The home's lock, held."""

    def close(self) -> None:
        """End the loop and give everything back; runs go on."""


class Visited(Protocol):
    """The record of a home that no server of ours works on."""

    @property
    def context(self) -> Context:
        """What operations work with."""

    def close(self) -> None:
        """Give everything back."""


class Doors(Protocol):
    """The ways into a home."""

    def holder(self, configuration: Configuration, /) -> tuple[int, str] | None:
        """(pid, URL or "") of the live server of a home; None when there is none."""

    def token(self, configuration: Configuration, /) -> str:
        """The first admin token of a home, made if there is none."""

    def start(self, configuration: Configuration, /, broken: Callable[[str], None], url: str = "") -> Served:
        """Become the server of a home; Conflict when there is one. `broken` is called when it cannot go on; `url` is
        where it will answer, if that is known."""

    def visit(self, configuration: Configuration, /, *, changes: bool) -> Visited:
        """Open a home's record without carrying runs out.

        With `changes` it takes the home's lock (Conflict when a server has it); without, every change is refused, and
        a home that is not there is not made: it looks empty.
        """
