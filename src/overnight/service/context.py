"""What every operation works with."""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from overnight.config import Configuration
from overnight.domain import access
from overnight.domain.access import Principal
from overnight.service.code import Heads
from overnight.service.keyring import Keyring
from overnight.service.traffic import Traffic
from overnight.store.base import Change, Store
from overnight.targets.base import Files, Target

ADMIN = Change("admin")
"""Whoever holds the home's first token, or runs commands on the home itself."""


@dataclass(frozen=True, slots=True)
class Spot:
    """A target as the service needs it: to ask what it has, and to read logs there."""

    target: Target
    files: Files


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
    traffic: Traffic = field(default_factory=Traffic)

    @property
    def runs_folder(self) -> Path:
        """Where the attempts' folders lie on this machine."""
        return self.configuration.home / "runs"
