"""Lets nothing new start where the disk is (nearly) full, says so once, and goes on when there is room again.

No run fails for it: what is queued waits, what runs goes on. Room that nobody can tell is not taken for full.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from overnight.daemon.world import Place, World
from overnight.domain.errors import Unavailable
from overnight.domain.room import Reserve, is_back, is_low, sentence
from overnight.service.lanes import folder_subject
from overnight.store import marks, rows
from overnight.store.base import Session
from overnight.targets.base import Room

FRESH_SECONDS = 1.0
"""How old a look at the disks may be when runs are placed."""
HELD_SECONDS = 5.0
"""How often it is repeated while something is held and nothing else happens."""
CODE = "disk_full"
"""Code of the holds that this pass puts and takes away; others are left alone."""


Kept = tuple[Room, Reserve]
"""What is left somewhere, and what must stay free there."""


@dataclass(frozen=True, slots=True)
class Look:
    """What is left where queued runs would write: subject of a hold (target or sweep id) -> rooms, each with what must
    stay free there."""

    rooms: Mapping[str, Sequence[Kept]] = field(default_factory=dict)


def look(world: World) -> Look:
    """Look at the folders of all targets, and at the working directories of all sweeps that have queued runs."""
    eyes = _Eyes(world)
    home = [(world.home(), world.reserve)] if world.home else []
    places = list(world.places.items())
    rooms = {name: [(eyes.runs(name, it), it.reserve or world.reserve), *home] for name, it in places}
    for subject, (target, workdir) in world.store.read(_workdirs).items():
        if target in world.places:
            rooms[subject] = [(eyes.room(target, workdir), world.places[target].reserve or world.reserve)]
    return Look(rooms)


def _workdirs(session: Session) -> dict[str, tuple[str, str]]:
    """Subject of a hold -> target and working directory, of the sweeps that have queued runs. Frozen copies lie beside
    the attempts' folders, which are looked at anyway."""
    found = {sweep: rows.sweep_settings(text) for sweep, text in session.rows("sweeps_with_queued")}
    return {
        folder_subject(sweep, it.targets, target): (target, it.workdir)
        for sweep, it in found.items()
        if it.code is None
        for target in it.targets
    }


@dataclass(slots=True)
class _Eyes:
    """One look: many sweeps work in one folder, which is looked at once; who does not answer is asked once."""

    world: World
    seen: dict[tuple[str, str], Room] = field(default_factory=dict)
    silent: set[str] = field(default_factory=set)

    def runs(self, target: str, place: Place) -> Room:
        """What is left where the attempts of a target write."""
        try:
            return self.room(target, str(place.runs))
        except Unavailable:
            return Room(str(place.folder), None, None)

    def room(self, target: str, path: str) -> Room:
        """What is left at a path of a target."""
        if (target, path) not in self.seen:
            self.seen[target, path] = self._ask(target, path)
        return self.seen[target, path]

    def _ask(self, target: str, path: str) -> Room:
        if target not in self.silent:
            try:
                place = self.world.places[target]
                return place.files.room(place.whole(path))
            except Unavailable:
                self.silent.add(target)
        return Room(path, None, None)


def take_in(session: Session, seen: Look) -> bool:
    """Put and take away holds; returns whether something is held."""
    holds = marks.holds(session)
    held = {subject for subject, (code, _) in holds.items() if code == CODE}
    others = holds.keys() - held
    for subject in sorted(held - seen.rooms.keys()):
        marks.release(session, subject)
    low: dict[str, Kept] = {}
    for subject, found in seen.rooms.items():
        if subject in held and all(is_back(*kept) for kept in found):
            marks.release(session, subject)
        elif subject not in held | others and (full := [kept for kept in found if is_low(*kept)]):
            low[subject] = full[0]
    _hold(session, low, {room.path for subject in held & seen.rooms.keys() for room, _ in seen.rooms[subject]})
    return bool(low or held)


def _hold(session: Session, low: Mapping[str, Kept], known: set[str]) -> None:
    """Hold what has no room; one alert for all that is new, whatever the number of sweeps that work there."""
    for subject, kept in low.items():
        marks.hold(session, subject, CODE, sentence(*kept))
    new = {room.path: (room, reserve) for room, reserve in low.values() if room.path not in known}
    if new:
        subject = next(subject for subject, (room, _) in low.items() if room.path in new)
        detail = "; ".join(sentence(*kept) for kept in new.values())
        title = "The disk is full: nothing new starts until there is room"
        marks.alert(session, CODE, f"{subject}@{session.now:.0f}", campaign_id=None, title=title, detail=detail)
