"""When the files and disks that runs need are looked at: as seldom as nothing happens, at once when something did."""

from __future__ import annotations

from dataclasses import dataclass

from overnight.daemon import conditions, room
from overnight.daemon.world import World
from overnight.store.base import Session

NEVER = float("inf")
"""Seconds of the boot clock that never come."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What was looked at before a turn's transaction; None = it was not time to."""

    files: conditions.Look | None
    rooms: room.Look | None


@dataclass(slots=True)
class Looks:
    """Keeps the times on the boot clock. All is due when a server starts, and after a turn that failed."""

    files_due: float = 0.0
    rooms_due: float = 0.0
    _after: int = 0
    """The last run whose files were looked at, while more wait than one turn looks at."""
    _held: bool = False
    """Whether a disk is full: then it is looked at again although nothing happens."""

    @property
    def next(self) -> float:
        """When something must be looked at although nothing happens."""
        return min(self.files_due, self.rooms_due if self._held else NEVER)

    def forget(self) -> None:
        """Nothing of what was seen last is on record."""
        self.files_due = self.rooms_due = 0.0

    def look(self, world: World, now: float) -> Seen:
        """Look at what is due. The disks are looked at with every turn that may place runs, once a second at most."""
        files = conditions.look(world, self._after) if now >= self.files_due else None
        return Seen(files, room.look(world) if now >= self.rooms_due else None)

    def take_in_files(self, session: Session, seen: Seen, now: float) -> None:
        """When something came of it, or not all was looked at, the next look is due at once."""
        if seen.files is not None:
            changed = conditions.take_in(session, seen.files)
            self._after = seen.files.last
            self.files_due = now if changed or self._after else now + conditions.SECONDS

    def take_in_rooms(self, session: Session, seen: Seen, now: float) -> None:
        """Put and take away holds, before runs are placed."""
        if seen.rooms is not None:
            self._held = room.take_in(session, seen.rooms)
            self.rooms_due = now + (room.HELD_SECONDS if self._held else room.FRESH_SECONDS)

    def plan(self, session: Session, now: float, *, ended: bool, steered: bool) -> None:
        """`ended`: a run has; `steered`: an actor may have done something. Nothing is due while no run waits for files,
        and none begins to unless an actor wants it."""
        if steered or (ended and self.files_due != NEVER):
            self.files_due = now
        if self.files_due != NEVER and not session.rows("conditions_any"):
            self.files_due = NEVER
