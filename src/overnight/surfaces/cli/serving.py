"""Being the server of a home for as long as one command takes."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from overnight.config import Configuration
from overnight.domain.errors import StoreUnavailable
from overnight.surfaces.caller import Caller
from overnight.surfaces.cli.local import LocalCaller

if TYPE_CHECKING:
    from overnight.surfaces.cli.doors import Doors, Served


@dataclass(slots=True)
class Trouble:
    """What broke the loop, if anything did."""

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
def serving(doors: Doors, configuration: Configuration, port: int | None) -> Iterator[tuple[Caller, Trouble]]:
    """Carry runs out in this process, with a `port` answering there too; Conflict when another process does.

    A record that broke is not closed in order: the next server recovers from what the disk kept.
    """
    trouble = Trouble()
    plane = doors.start(configuration, trouble.note)
    try:
        with _open_port(plane, port, trouble):
            yield LocalCaller(replace(plane.context, origin="cli")), trouble
    finally:
        if not trouble.told:
            plane.close()


@contextmanager
def _open_port(plane: Served, port: int | None, trouble: Trouble) -> Iterator[None]:
    if port is None:
        yield
        return
    from overnight.surfaces.http.server import served

    with served(plane, "127.0.0.1", port, broken=trouble.note) as url:
        print(f"ready {url}", file=sys.stderr, flush=True)
        yield
