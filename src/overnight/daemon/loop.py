"""The loop: one turn looks at the world and at the rows, and takes the next step.

A turn is: what did the targets tell → accept ends and place runs in one transaction → carry the decisions out. A crash
anywhere is a turn that ended early; the next one, of the next server, finds the same rows.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from overnight.daemon import devices, orphans
from overnight.daemon.launches import Claimed, launch_of
from overnight.daemon.placing import claimed_again, place_runs
from overnight.daemon.settle import Fact, Settled, gather, refuse, settle
from overnight.daemon.world import World
from overnight.domain.errors import Rejected, TargetError, Unavailable
from overnight.domain.nouns import Attempt
from overnight.domain.states import LIVE_ATTEMPT
from overnight.planner.place import FreeDevice
from overnight.service import consequences
from overnight.store import campaigns, runs
from overnight.store.base import SYSTEM, Session
from overnight.targets.base import Handle, News, Offer

OBSERVE_SECONDS = 20.0
"""How often every live attempt is asked about although nobody told anything: a safety net, not the way news travels."""
STOP_SECONDS = 5.0
"""How often a standing stop order is repeated until its attempt is proven to have ended."""
SURVEY_SECONDS = 60.0
"""How often the rows are surveyed for steps that a crash left undone."""


@dataclass(slots=True)
class Due:
    """When the periodic passes are due, on the boot clock. All are due at once when a server starts."""

    observe: float = 0.0
    stop: float = 0.0
    survey: float = 0.0
    devices: float = 0.0


@dataclass(slots=True)
class Loop:
    """Repeats turns. `turn` is all there is to a pass; `run` only adds waiting."""

    world: World
    due: Due = field(default_factory=Due)
    generations: dict[str, int] = field(default_factory=dict)
    """Target -> connection generation whose attempts were last observed."""
    _woken: threading.Event = field(default_factory=threading.Event)
    _steered: bool = True
    _report: Callable[[str], None] = lambda _: None

    def wake(self, *, steered: bool = False) -> None:
        """Look again now. `steered`: an actor changed something (submit, cancel, pause …)."""
        self._steered = self._steered or steered
        self._woken.set()

    def run(self, stop: threading.Event) -> None:
        """Turn until `stop` is set."""
        while not stop.is_set():
            pause = self.turn()
            self._woken.wait(pause)
            self._woken.clear()

    def turn(self) -> float:
        """One turn; returns the seconds after which the next one is due if nobody wakes the loop."""
        now = self.world.clock.boot()
        news = self._listen(now)
        facts = gather(self.world, news)
        steered, self._steered = self._steered, False
        if facts or steered or self._periodic(now):
            offers = self._look_at_devices(now)
            settled, claimed = self.world.store.write(SYSTEM, lambda session: self._decide(session, facts, offers, now))
            self._carry_out(settled, claimed)
        if steered or now >= self.due.stop:
            self._order_stops()
            self.due.stop = now + STOP_SECONDS
        return self._pause()

    def _periodic(self, now: float) -> bool:
        return now >= self.due.survey or now >= self.due.devices or self._next_wake() <= self.world.clock.wall()

    def _listen(self, now: float) -> list[News]:
        """What targets told by themselves, and what they answer when they were reconnected or it is time to ask."""
        news: list[News] = []
        for name, place in self.world.places.items():
            news += place.target.news()
            generation = place.target.generation
            if generation != self.generations.get(name) or now >= self.due.observe:
                news += self._observe(name, generation)
        if now >= self.due.observe:
            self.due.observe = now + OBSERVE_SECONDS
        return news

    def _observe(self, name: str, generation: int) -> list[News]:
        target = self.world.places[name].target
        try:
            orphans.tidy(self.world, name)
        except Unavailable:
            self.world.reachable.discard(name)
            return []
        live = self.world.store.read(lambda session: runs.live_attempts(session, name))
        seen = target.observe([handle_of(attempt) for attempt in live])
        self.generations[name] = generation
        self.world.reachable.add(name)
        self._steered = True
        return [News(attempt.id, attempt.fence, seen[attempt.id]) for attempt in live if attempt.id in seen]

    def _look_at_devices(self, now: float) -> dict[str, list[Offer]]:
        if now < self.due.devices:
            return {}
        offers = devices.look(self.world)
        self.due.devices = now + devices.interval(self.world, offers)
        return offers

    def _decide(
        self, session: Session, facts: Sequence[Fact], offers: Mapping[str, list[Offer]], now: float
    ) -> tuple[Settled, list[Claimed]]:
        """Everything that one turn writes, in one transaction."""
        settled = settle(session, facts)
        if settled.gpus:
            self.due.devices = now
        for name, offered in offers.items():
            devices.note(session, name, offered)
        consequences.follow(session, settled.ended)
        if now >= self.due.survey:
            consequences.survey(session)
            self.due.survey = now + SURVEY_SECONDS
        consequences.wake_due(session)
        again = [_resend(session, self.world, attempt) for attempt in settled.unsent]
        return settled, [*again, *place_runs(session, self.world)]

    def _carry_out(self, settled: Settled, claimed: Sequence[Claimed]) -> None:
        for name, attempts in settled.forget.items():
            self.world.places[name].target.forget(attempts)
        for name, place in self.world.places.items():
            launches = [launch_of(made) for made in claimed if made.target == name]
            if launches:
                answers = place.target.start(launches)
                self._hear(name, {launch.attempt: launch.fence for launch in launches}, answers)

    def _hear(self, name: str, fences: dict[str, int], answers: dict[str, str | TargetError]) -> None:
        """Rejected ends an attempt; everything else is left as it is and observed once the target answers again."""
        rejected = {attempt: str(error) for attempt, error in answers.items() if isinstance(error, Rejected)}
        if any(isinstance(answer, TargetError) and not isinstance(answer, Rejected) for answer in answers.values()):
            self.due.observe = min(self.due.observe, self.world.clock.boot() + 1.0)
        if rejected:
            done = self.world.store.write(SYSTEM, lambda session: _refuse_all(session, rejected, fences))
            self.world.places[name].target.forget(done.forget.get(name, []))
            self.wake(steered=True)

    def _order_stops(self) -> None:
        for name in sorted(self.world.reachable):
            stopping = self.world.store.read(lambda session, name=name: _stopping(session, name))  # type: ignore[misc]
            for attempt, grace in stopping:
                try:
                    self.world.places[name].target.stop(handle_of(attempt), grace, "cancelled")
                except Unavailable:
                    break
            if any(attempt.pid is None for attempt, _ in stopping):
                self.due.observe = min(self.due.observe, self.world.clock.boot() + 1.0)

    def _next_wake(self) -> float:
        return self.world.store.read(lambda session: session.value("runs_next_due")) or float("inf")

    def _pause(self) -> float:
        now = self.world.clock.boot()
        nearest = min(self.due.observe, self.due.stop, self.due.survey, self.due.devices) - now
        return max(0.0, min(nearest, self._next_wake() - self.world.clock.wall()))


def handle_of(attempt: Attempt) -> Handle:
    """What a target needs to know of an attempt."""
    return Handle(attempt.id, attempt.fence, attempt.folder, attempt.boot_id)


def _stopping(session: Session, name: str) -> list[tuple[Attempt, float]]:
    live = [attempt for attempt in runs.live_attempts(session, name) if attempt.state == "stopping"]
    return [(attempt, _grace(session, attempt)) for attempt in live]


def _grace(session: Session, attempt: Attempt) -> float:
    return campaigns.get_sweep(session, session.rows("run_standing", id=attempt.run_id)[0][1]).settings.grace


def _resend(session: Session, world: World, attempt: Attempt) -> Claimed:
    given = []
    for device in attempt.devices:
        row = session.row("device_get", id=device)
        if row:
            given.append(FreeDevice(row[0], row[2], row[3], row[6], row[5]))
    return claimed_again(session, world, attempt.run_id, attempt.number, attempt.fence, attempt.target, attempt.folder, given)


def _refuse_all(session: Session, rejected: dict[str, str], fences: dict[str, int]) -> Settled:
    done = Settled()
    for attempt_id, detail in rejected.items():
        attempt = runs.get_attempt(session, attempt_id)
        if attempt and attempt.fence == fences[attempt_id] and attempt.state in LIVE_ATTEMPT:
            refuse(session, attempt, detail, done)
    consequences.follow(session, done.ended)
    return done
