"""What every operation works with."""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from overnight.config import Configuration
from overnight.domain import access
from overnight.domain.access import Principal
from overnight.domain.room import Reserve
from overnight.service.code import Heads
from overnight.service.keyring import Keyring
from overnight.service.traffic import Traffic
from overnight.store.base import Change, Session, Store
from overnight.targets.base import Files, Target
from overnight.targets.status import Status


class Fleet(Protocol):
    """Who opens targets while the server runs."""

    def alias(self, name: str) -> bool:
        """Whether the user's own SSH configuration names it."""

    def open(self, name: str) -> None:
        """Begin to reach it; it is in the context's spots afterwards. Repeatable."""

    def keep(self, session: Session, name: str) -> None:
        """Put one that was opened on record, so that later servers reach it too."""


ADMIN = Change("admin")
"""Whoever holds the home's first token, or runs commands on the home itself."""


Examination = Mapping[str, Any]
"""What a host says of itself, see `docs/notes/host.md`."""


@dataclass(frozen=True, slots=True)
class Spot:
    """A target as the service needs it: to ask what it has, and to read logs there."""

    target: Target
    files: Files
    status: Callable[[], Status] | None = None
    """Whether it is reached, just now; None = it is not asked over any way."""
    now: Callable[[], float] = lambda: 0.0
    """The clock of those times: seconds of the boot clock here."""
    home: Callable[[], str] | None = None
    """The home folder of the user on another machine. Raises Unavailable; None = it is this machine."""
    folder: Callable[[], str] | None = None
    """Where everything of this home lies there. Raises Unavailable."""
    examine: Callable[[str | None], Examination] | None = None
    """Asks a host about itself, at once, whatever was tried before; with the interpreter in which CUDA is called.
    None = it is this machine. Raises Unavailable."""
    reserve: Reserve | None = None
    """Room that must be left there; None = as on this machine."""


@dataclass(frozen=True, slots=True)
class Context:
    """The parts of a running server, and who is asking."""

    store: Store
    spots: Mapping[str, Spot]
    configuration: Configuration
    rng: random.Random
    wake: Callable[[], None]
    """Tells the loop that an actor changed something."""
    change: Change = ADMIN
    principal: Principal = access.ADMIN
    origin: str = "native"
    """The surface by which it is asked: `native`, `wild`, `mcp`, `cli`; kept with what is created."""
    folder: str = field(default_factory=os.getcwd)
    """Where the server was started: the working folder of runs that name none."""
    heads: Heads = field(default_factory=Heads)
    """At which commits working folders stand."""
    keyring: Keyring = field(default_factory=Keyring)
    """Whose secrets count."""
    fleet: Fleet | None = None
    """Who opens further targets; None = nobody does."""
    traffic: Traffic = field(default_factory=Traffic)

    @property
    def runs_folder(self) -> Path:
        """Where the attempts' folders lie on this machine."""
        return self.configuration.home / "runs"
