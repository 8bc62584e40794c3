"""When the files and disks that runs need are looked at: as seldom as nothing happens, at once when something did."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

from overnight.daemon import conditions, room
from overnight.daemon.errands import Done, Key
from overnight.daemon.world import World
from overnight.store.base import Session

NEVER = float("inf")
"""Seconds of the boot clock that never come."""
FILES: Key = ("files",)
ROOMS: Key = ("rooms",)
"""The errands that look."""


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
    _files_out: bool = False
    _rooms_out: bool = False
    """Whether somebody is looking just now."""
    _held: bool = False
    """Whether a disk is full: then it is looked at again although nothing happens."""

    @property
    def next(self) -> float:
        """When something must be looked at although nothing happens; what is being looked at comes back by itself."""
        files = NEVER if self._files_out else self.files_due
        return min(files, self.rooms_due if self._held and not self._rooms_out else NEVER)

    def forget(self) -> None:
        """Nothing of what was seen last is on record, nor what is being looked at."""
        self.files_due = self.rooms_due = 0.0

    def send(self, world: World, now: float) -> None:
        """Have looked at what is due. The disks are looked at with every turn that may place runs, once a second at
        most. Where all targets are near, the answers are there at once."""
        near = all(place.near for place in world.places.values())
        if now >= self.files_due and not self._files_out:
            world.errands.send("files", FILES, partial(conditions.look, world, self._after), near=near)
            self._files_out, self.files_due = True, NEVER
        if now >= self.rooms_due and not self._rooms_out:
            world.errands.send("rooms", ROOMS, partial(room.look, world), near=near)
            self._rooms_out, self.rooms_due = True, NEVER

    def taken(self, done: Mapping[Key, Done]) -> Seen:
        """What came back of it; a look that failed is repeated."""
        files, rooms = done.get(FILES), done.get(ROOMS)
        self._files_out = self._files_out and files is None
        self._rooms_out = self._rooms_out and rooms is None
        if files is not None and files.value is None:
            self.files_due = 0.0
        if rooms is not None and rooms.value is None:
            self.rooms_due = 0.0
        return Seen(files.value if files else None, rooms.value if rooms else None)

    def take_in_files(self, session: Session, seen: Seen, now: float) -> None:
        """When something came of it, or not all was looked at, the next look is due at once."""
        if seen.files is not None:
            changed = conditions.take_in(session, seen.files)
            self._after = seen.files.last
            due = now if changed or self._after else now + conditions.SECONDS
            self.files_due = min(self.files_due, due)

    def take_in_rooms(self, session: Session, seen: Seen, now: float) -> None:
        """Put and take away holds, before runs are placed."""
        if seen.rooms is not None:
            self._held = room.take_in(session, seen.rooms)
            self.rooms_due = now + (room.HELD_SECONDS if self._held else room.FRESH_SECONDS)

    def plan(self, session: Session, now: float, *, ended: bool, steered: bool) -> None:
        """`ended`: a run has; `steered`: an actor may have done something. Nothing is due while no run waits for files,
        and none begins to unless an actor wants it."""
        if steered or (ended and (self.files_due != NEVER or self._files_out)):
            self.files_due = now
        if self.files_due != NEVER and not session.rows("conditions_any"):
            self.files_due = NEVER
