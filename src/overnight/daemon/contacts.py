"""Which targets answer: asked again ever more seldom while they do not, and on record when that changes."""

from __future__ import annotations

from dataclasses import dataclass, field

from overnight.store import targets
from overnight.store.base import Session

FIRST_PAUSE, LONGEST_PAUSE = 1.0, 4.0
"""Seconds between two questions to a target that does not answer."""


@dataclass(slots=True)
class _Silence:
    """A target that does not answer."""

    again: float
    """When it is asked next, on the boot clock."""
    pause: float = FIRST_PAUSE


@dataclass(slots=True)
class Contacts:
    """What this server knows of the way to each target."""

    changed: dict[str, str | None] = field(default_factory=dict)
    """Target -> why it was lost, or None when it was found; not on record yet."""
    _silent: dict[str, _Silence] = field(default_factory=dict)
    _known: dict[str, bool] = field(default_factory=dict)

    @property
    def next(self) -> float:
        """When the first silent target is asked again."""
        return min((it.again for it in self._silent.values()), default=0.0)

    def may_ask(self, name: str, now: float) -> bool:
        """Whether it is time to ask a target."""
        return name not in self._silent or now >= self._silent[name].again

    def found(self, name: str) -> None:
        """It has answered."""
        self._silent.pop(name, None)
        self._note(name, None, reachable=True)

    def lost(self, name: str, why: str, now: float, *, near: bool) -> None:
        """It has not answered. This machine is asked again as soon as something happens: nothing is in between."""
        before = self._silent.get(name)
        pause = FIRST_PAUSE if before is None else min(LONGEST_PAUSE, 2 * before.pause)
        if not near:
            self._silent[name] = _Silence(now + pause, pause)
        self._note(name, why, reachable=False)

    def _note(self, name: str, why: str | None, *, reachable: bool) -> None:
        if self._known.get(name) is not reachable:
            self._known[name] = reachable
            self.changed[name] = why

    def take_in(self, session: Session) -> None:
        """Put on record what changed."""
        for name, why in self.changed.items():
            targets.note(session, name, why)

    def written(self) -> None:
        """It is on record."""
        self.changed.clear()
