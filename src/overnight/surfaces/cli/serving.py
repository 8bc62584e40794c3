"""Being the server of a home for as long as one command takes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from overnight.config import Configuration
from overnight.domain.errors import StoreUnavailable
from overnight.surfaces.caller import Caller
from overnight.surfaces.cli.local import LocalCaller

if TYPE_CHECKING:
    from overnight.surfaces.cli.doors import Doors


@dataclass(slots=True)
class Trouble:
    """What broke the loop, if anything did."""

    sentence: str | None = None
    told: list[str] = field(default_factory=list)

    def note(self, sentence: str) -> None:
        """Called from the loop's thread when it cannot go on."""
        self.told.append(sentence)

    def check(self) -> None:
        """Raise when the loop has broken: nothing is carried out any more."""
        if self.told:
            raise StoreUnavailable(
                f"the record cannot be kept any more: {self.told[0]}",
                next_step="Runs that had started go on. Correct the cause, then run the same command again.",
            )


@contextmanager
def serving(doors: Doors, configuration: Configuration) -> Iterator[tuple[Caller, Trouble]]:
    """Carry runs out in this process; Conflict when another one does."""
    trouble = Trouble()
    plane = doors.start(configuration, trouble.note)
    try:
        yield LocalCaller(plane.context), trouble
    finally:
        plane.close()
