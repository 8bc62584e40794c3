"""What the passes work on: the store, the targets, time and chance."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from overnight.clock import Clock
from overnight.daemon import copying
from overnight.daemon.errands import Errands, ThreadedErrands
from overnight.daemon.launches import Claimed, workdir_of
from overnight.domain.fetch import Fetched, Job
from overnight.domain.homes import below_home
from overnight.domain.nouns import SweepSettings
from overnight.domain.room import NO_RESERVE, Reserve
from overnight.store.base import Store
from overnight.targets.base import Files, Room, Target

Copy = Callable[[copying.Box, Job, Path, int], Fetched]
"""See `copying.fetch`."""
NOTHING: Mapping[str, str] = MappingProxyType({})
"""No variables: for worlds without a server that could be asked."""


def as_it_is(claimed: Claimed) -> Claimed:
    """Everything is where it is looked for."""
    return claimed


@dataclass(frozen=True, slots=True)
class Place:
    """A target with the power to look into its attempts' files, and whether its devices must be probed."""

    target: Target
    files: Files
    folder: Path
    """Where the attempts' folders lie, on the target; below `root` where there is one."""
    log_cap: int | None
    """Bytes of one attempt's log."""
    doing: Callable[[int], str] | None = None
    """What a process and those below it do, in one line; None = nobody can look there."""
    root: Callable[[], str] | None = None
    """Where everything of ours lies there, as its host says once it is reached; Unavailable before."""
    home: Callable[[], str] | None = None
    """The home folder of its user there, which `~` stands for; Unavailable before it is reached."""
    stage: Callable[[Claimed], Claimed] = as_it_is
    """Brings what a run needs to this target; returns the claim with the folders as they are there. Raises Unavailable,
    or Rejected when it can never be brought."""
    reserve: Reserve | None = None
    """Room that must be left there; None = as on this machine."""
    near: bool = True
    """Whether its verbs answer at once: it is this machine. Others are asked by errands."""

    def workdir(self, settings: SweepSettings) -> str:
        """Where the runs of a sweep work, on this target. Raises Unavailable as `runs` does."""
        if settings.code:
            return workdir_of(settings, str(self.runs / "RUN" / "N"))
        return self.whole(settings.workdir)

    def whole(self, path: str) -> str:
        """A path there, with the home folder in the place of `~`. Raises Unavailable as `runs` does."""
        return path if self.home is None else below_home(path, self.home)

    @property
    def runs(self) -> Path:
        """Where the attempts' folders lie. Raises Unavailable where only a host could say and was not reached yet."""
        return self.folder if self.root is None else Path(self.root()) / self.folder


@dataclass(slots=True)
class World:
    """Passed to every pass; the simulator makes one out of fakes."""

    store: Store
    places: Mapping[str, Place]
    """By name; more may come while the server runs."""
    clock: Clock
    rng: random.Random
    reachable: set[str] = field(default_factory=set)
    """Targets whose attempts have been observed since they were last connected: only those get new work."""
    home: Callable[[], Room] | None = None
    """What is left where the record lies; None = not on a disk of this machine."""
    written: Callable[[], None] = lambda: None
    """Called when a turn has written something: others may have to act on it."""
    variables: Callable[[str], Mapping[str, str]] = lambda _: NOTHING
    """What a job finds in its environment to ask this server, by the id of its attempt. Secret: written nowhere."""
    errands: Errands = field(default_factory=ThreadedErrands)
    """Who carries out what targets are asked."""
    reserve: Reserve = NO_RESERVE
    """Room that must be left wherever something writes."""
    copies: Path | None = None
    """Where copies of what attempts left on other machines lie, as RUN/N; None = nothing is copied."""
    copy: Copy = copying.fetch
    """How they are copied."""

    @property
    def collected(self) -> frozenset[str]:
        """Targets from which what attempts left is brought here."""
        if self.copies is None:
            return frozenset()
        return frozenset(name for name, place in self.places.items() if not place.near)
