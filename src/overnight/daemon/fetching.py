"""Brings home what ended attempts left on other machines. A run that ended well there succeeds when all of it is here.

The rows say what is missing; each copy is an errand on a line of its own, which goes on where it was cut. A host that
is not reached, or a full disk here, keeps it waiting; only what can never be copied whole makes its run fail.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import cast

from overnight.daemon.copying import Box
from overnight.daemon.errands import Done, Key
from overnight.daemon.judging import tell_stuck
from overnight.daemon.launches import launch_names, outputs_of
from overnight.daemon.placing import claimed_again
from overnight.daemon.world import World
from overnight.domain.alerts import AlertKind
from overnight.domain.errors import TargetError
from overnight.domain.fetch import Fetch, Fetched, Job, SyncFailed
from overnight.domain.reasons import Reason
from overnight.domain.states import RUN
from overnight.service.consequences import EndedRun
from overnight.store import fetches, marks, runs
from overnight.store.base import Session
from overnight.store.moves import move

KIND = "fetch"
"""Kind of the errands: (KIND, target, attempt)."""
AT_ONCE = 3
"""Attempts of one target that are copied at the same time."""
LOOK_SECONDS = 5.0
"""How often what waits is looked for while there is something, though nothing happens."""
FIRST_PAUSE, LONGEST_PAUSE = 30.0, 900.0
"""Seconds before the next try, doubled with each one that failed."""
LATE_SECONDS = 900.0
"""After this long people are told that something has not come."""
NEVER = float("inf")
"""Seconds of the boot clock that never come."""


@dataclass(frozen=True, slots=True)
class Result:
    """What came of one try: all of it is here, or a problem."""

    attempt: str
    fetched: Fetched | None
    problem: str = ""
    hopeless: bool = False
    """Whether it can never be copied whole."""


def due(session: Session, world: World, target: str, *, under_way: Collection[str] = ()) -> list[Job]:
    """What is to be copied from a target now, oldest first, beside what is `under_way`: a few at once."""
    found = fetches.due(session, target, max(0, AT_ONCE - len(under_way)), left_out=under_way)
    return [_job(session, world, it) for it in found]


def _job(session: Session, world: World, it: Fetch) -> Job:
    attempt = runs.get_attempt(session, it.id)
    if attempt is None:
        raise KeyError(it.id)
    claimed = claimed_again(session, world, attempt)
    outputs = tuple(outputs_of(claimed.config, launch_names(claimed)))
    return Job(it.id, it.run_id, attempt.number, attempt.fence, it.target, claimed.folder, claimed.workdir, outputs)


def bring(world: World, job: Job) -> Result:
    """Copy what one attempt left: the errand."""
    if world.copies is None:
        raise ValueError("nothing is copied in this world")
    place = world.places[job.target]
    box, home = cast(Box, place.files), world.copies / job.run / str(job.number)
    try:
        there = replace(job, workdir=place.whole(job.workdir))
        return Result(job.attempt, world.copy(box, there, home, world.reserve.bytes))
    except SyncFailed as error:
        return Result(job.attempt, None, str(error), hopeless=True)
    except TargetError as error:
        return Result(job.attempt, None, str(error))


def take_in(session: Session, result: Result) -> list[EndedRun]:
    """Put on record what came of a try; returns the run that ended by it."""
    it = fetches.get(session, result.attempt)
    if it is None or it.state != "pending":
        return []
    if result.fetched is not None:
        fetches.complete(session, it.id, result.fetched)
        return _end(session, it, "succeed", Reason.OK, "")
    if result.hopeless:
        fetches.fail(session, it.id, result.problem)
        return _end(session, it, "fail", Reason.SYNC_FAILED, f"what it left on {it.target}: {result.problem}")
    pause = min(LONGEST_PAUSE, FIRST_PAUSE * 2.0 ** min(it.tries, 10))
    fetches.postpone(session, it.id, session.now + pause, result.problem)
    return []


def _end(session: Session, it: Fetch, transition: str, reason: Reason, detail: str) -> list[EndedRun]:
    """End the run, if it waits for what this attempt of it left. Those that failed, or were cancelled meanwhile, do
    not."""
    attempt, run = runs.get_attempt(session, it.id), runs.get(session, it.run_id)
    if attempt is None or run.state != "collecting" or run.fence != attempt.fence:
        return []
    move(session, RUN, run.id, transition, fence=attempt.fence, reason=reason, attempt=it.id)
    session.rows("run_collected", id=run.id, reason=reason, detail=detail, now=session.now)
    if transition == "fail":
        tell_stuck(session, it.id, run.campaign_id, run.name, reason, detail)
    return [EndedRun(run.id, run.sweep_id, run.campaign_id, RUN.arrow(transition).target)]


def tell_late(session: Session, targets: Iterable[str]) -> None:
    """Have people hear, once, of what has been on its way from a target for long: only of the oldest."""
    for target in targets:
        it = fetches.oldest(session, target)
        if it is None or session.now - it.created_at < LATE_SECONDS:
            continue
        run = runs.get(session, it.run_id)
        minutes = (session.now - it.created_at) / 60
        detail = f"it has been on its way for {minutes:.0f} min: {it.problem or f'{target} has not been asked yet'}"
        title = f"what {run.name} left on {target} has not come"
        marks.alert(session, AlertKind.SYNC, it.id, campaign_id=run.campaign_id, title=title, detail=detail)


@dataclass(slots=True)
class Fetches:
    """When to look for what is to be copied, on the boot clock. All is due when a server starts."""

    next: float = 0.0
    """When to look again although nothing happens."""
    _reached: dict[str, int] = field(default_factory=dict)
    """Targets that are reached -> by which of their connections."""
    _back: set[str] = field(default_factory=set)
    """Targets that are reached again: what waits for a next try of them need not wait any longer."""
    _told: float = 0.0
    """When people were last told of what is late."""

    def expect(self, now: float) -> None:
        """There is more to copy."""
        self.next = min(self.next, now)

    def forget(self) -> None:
        """Nothing of what was last done is on record."""
        self.next = 0.0
        self._reached.clear()

    def send(self, world: World, now: float) -> None:
        """Begin what is due. Only targets that are reached are asked."""
        reached = {name: world.places[name].target.generation for name in world.collected & world.reachable}
        if reached != self._reached:
            self._back |= {name for name in reached if reached[name] != self._reached.get(name)}
            self._reached = reached
            self.next = now
        if now < self.next:
            return
        waiting = [self._send(world, name) for name in sorted(reached)]
        self.next = now + LOOK_SECONDS if any(waiting) else NEVER

    def _send(self, world: World, name: str) -> bool:
        """Returns whether anything of a target is still to come."""
        out = {key[2] for key in world.errands.under_way(KIND) if key[1] == name}
        jobs = world.store.read(lambda session: due(session, world, name, under_way=out))
        for job in jobs:
            key: Key = (KIND, name, job.attempt)
            world.errands.send(f"{name} copy {job.attempt}", key, partial(bring, world, job))
        return bool(jobs or out) or world.store.read(lambda session: fetches.oldest(session, name)) is not None

    def take_in(self, session: Session, world: World, came: Iterable[Done], now: float) -> list[EndedRun]:
        """Put on record what came back; returns the runs that ended by it."""
        ended: list[EndedRun] = []
        for name in sorted(self._back):
            fetches.hurry(session, name)
            self.next = now
        for done in came:
            ended += take_in(session, _result(done))
            self.next = now
        self._back.clear()
        if now >= self._told + LOOK_SECONDS and world.collected:
            tell_late(session, sorted(world.collected))
            self._told = now
        return ended


def _result(done: Done) -> Result:
    """What came of an errand, also of one that met something that nobody foresaw."""
    if isinstance(done.value, Result):
        return done.value
    return Result(done.key[2], None, str(done.error))
