"""Brings to a target what a run needs there: the frozen copy of its code, and the folders of what it waited for."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

from overnight.daemon.launches import CODE, TREE, Claimed
from overnight.domain.homes import below_home, environment_below_home
from overnight.mirror.freeze import staged


class Host(Protocol):
    """As much of a target as is asked here."""

    @property
    def generation(self) -> int:
        """See `Target.generation`."""

    def folder(self) -> str:
        """Where everything of our home lies there. Raises Unavailable before the host was first reached."""

    def user_home(self) -> str:
        """The home folder of the user there. Raises Unavailable as `folder`."""


@dataclass(slots=True)
class Stager:
    """One target's. `ship(identity)` brings one frozen copy there: repeatable, and quick where it is there already.

    Raises Unavailable, or Rejected when it can never be brought.
    """

    host: Host
    store: Path
    """Where frozen copies lie here."""
    ship: Callable[[str], object]
    _there: set[str] = field(default_factory=set)
    """Identities that were found there by the connection of `_generation`."""
    _generation: int = -1

    def stage(self, claimed: Claimed) -> Claimed:
        """See `Place.stage`."""
        if claimed.settings.code is not None:
            self._bring(claimed.settings.code)
        lent = {sweep: self._lend(claimed.upstream[sweep]) for sweep in sorted(claimed.borrowed)}
        home = self.host.user_home
        settings = replace(claimed.settings, environment=environment_below_home(claimed.settings.environment, home))
        workdir = below_home(claimed.workdir, home)
        return replace(claimed, workdir=workdir, settings=settings, upstream={**claimed.upstream, **lent})

    def _lend(self, folder: str) -> str:
        """Bring a folder of this machine; returns where it is there."""
        identity = staged(folder, self.store)
        self._bring(identity)
        return os.path.join(self.host.folder(), CODE, identity, TREE)

    def _bring(self, identity: str) -> None:
        if self.host.generation != self._generation:
            self._there.clear()
            self._generation = self.host.generation
        if identity not in self._there:
            self.ship(identity)
            self._there.add(identity)
