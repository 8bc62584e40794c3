"""The loop: one turn looks at the world and at the rows, and takes the next step.

A turn is: what did the targets tell → accept ends and place runs in one transaction → carry the decisions out. A crash
anywhere is a turn that ended early; the next one, of the next server, finds the same rows.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from overnight.daemon import devices, orphans
from overnight.daemon.launches import Claimed, launch_of
from overnight.daemon.looks import Looks, Seen
from overnight.daemon.placing import claimed_again, place_runs
from overnight.daemon.settle import Fact, Settled, gather, settle
from overnight.daemon.stalls import Stalls
from overnight.daemon.watch import Found, Watch
from overnight.daemon.world import World
from overnight.domain.errors import Refused as RefusedError
from overnight.domain.errors import StoreUnavailable, Unavailable
from overnight.domain.nouns import Attempt
from overnight.service import consequences
from overnight.store import runs
from overnight.store.base import SYSTEM, Session
from overnight.targets.base import Handle, Launch, News, Offer, Refused, Target, Unknown
from overnight.targets.secrets import read_secrets

OBSERVE_SECONDS = 20.0
"""How often every live attempt is asked about although nobody told anything: a safety net, not the way news travels."""
STOP_SECONDS = 5.0
"""How often a standing stop order is repeated until its attempt is proven to have ended."""
LISTEN_SECONDS = 0.05
"""How soon the loop looks for the first word of attempts that it has just sent: such news wakes nobody by itself."""
UNREACHABLE_SECONDS = 1.0
"""How soon a target that could not be reached is tried again."""
UNAVAILABLE_SECONDS = 1.0
"""Pause after a turn that could not be written (disk full, database held by another process)."""
SURVEY_SECONDS = 60.0
"""How often the rows are surveyed for steps that a crash left undone."""


@dataclass(slots=True)
class Due:
    """When the periodic passes are due, on the boot clock. All are due at once when a server starts."""

    observe: float = 0.0
    stop: float = 0.0
    survey: float = 0.0
    devices: float = 0.0


@dataclass(frozen=True, slots=True)
class Sight:
    """What a turn saw before its transaction."""

    facts: Sequence[Fact]
    offers: Mapping[str, list[Offer]]
    seen: Seen
    found: Sequence[Found]


@dataclass(slots=True)
class Loop:
    """Repeats turns. `turn` is all there is to a pass; `run` only adds waiting."""

    world: World
    due: Due = field(default_factory=Due)
    generations: dict[str, int] = field(default_factory=dict)
    """Target -> connection generation whose attempts were last observed."""
    claims: dict[str, Claimed] = field(default_factory=dict)
    """What every attempt that may be alive runs, by its id: what the record says, kept at hand."""
    watch: Watch = field(default_factory=Watch)
    stalls: Stalls = field(default_factory=Stalls)
    looks: Looks = field(default_factory=Looks)
    _unheard: set[str] = field(default_factory=set)
    """Attempts whose start was sent and of which nothing was heard yet."""
    _refused: list[News] = field(default_factory=list)
    """Claims whose command could not be made: settled by the next turn."""
    _woken: threading.Event = field(default_factory=threading.Event)
    _steered: bool = True
    _next_wake: float = 0.0
    """When the first back-off ends, in wall seconds."""

    def wake(self, *, steered: bool = False) -> None:
        """Look again now. `steered`: an actor changed something (submit, cancel, pause …)."""
        self._steered = self._steered or steered
        self._woken.set()

    def run(self, stop: threading.Event) -> None:
        """Turn until `stop` is set. Raises StoreUnavailable once the store is broken for good."""
        while not stop.is_set():
            self._woken.wait(self.careful_turn())
            self._woken.clear()

    def careful_turn(self) -> float:
        """A turn; when the store cannot be written now, everything is looked at anew after a while.

        What targets had told is lost with the failed turn, so that all of it must be asked again.
        """
        try:
            return self.turn()
        except StoreUnavailable:
            if self.world.store.broken:
                raise
            self.due = Due()
            self.watch.forget()
            self.looks.forget()
            self._steered = True
            return UNAVAILABLE_SECONDS

    def turn(self) -> float:
        """One turn; returns the seconds after which the next one is due if nobody wakes the loop."""
        now = self.world.clock.boot()
        facts = gather(self.world, self.claims, self._listen(now))
        found = self.watch.look(self.world, self.claims, now)
        steered, self._steered = self._steered, False
        if facts or found or steered or self._is_due(now):
            sight = self._look(facts, found, now)
            decided = self.world.store.write(SYSTEM, lambda session: self._decide(session, sight, now, steered=steered))
            self._carry_out(*decided)
            self.world.written()
        if steered or now >= self.due.stop:
            self._order_stops()
            self.due.stop = now + STOP_SECONDS
        return self._pause()

    def _is_due(self, now: float) -> bool:
        due = min(self.due.survey, self.due.devices, self.looks.next)
        return now >= due or self._next_wake <= self.world.clock.wall()

    def _listen(self, now: float) -> list[News]:
        """What targets told by themselves, and what they answer when they were reconnected or it is time to ask."""
        news, self._refused = self._refused, []
        for name, place in self.world.places.items():
            told = place.target.news()
            if any(isinstance(item.seen, Unknown) for item in told):
                self.due.observe = min(self.due.observe, now + UNREACHABLE_SECONDS)
            news += told
            if place.target.generation != self.generations.get(name) or now >= self.due.observe:
                news += self._observe(name)
        if now >= self.due.observe:
            self.due.observe = now + OBSERVE_SECONDS
        self._unheard.difference_update(item.attempt for item in news)
        return news

    def _observe(self, name: str) -> list[News]:
        """Ask a target about every attempt that may be alive there; one that does not answer gets no new work."""
        target = self.world.places[name].target
        try:
            orphans.tidy(self.world, name)
            generation = target.generation
            live = self.world.store.read(lambda session: self._load_claims(session, name))
            seen = target.observe([handle_of(attempt) for attempt in live])
        except Unavailable:
            self.world.reachable.discard(name)
            return []
        self.generations[name] = generation
        if name not in self.world.reachable:
            self.world.reachable.add(name)
            self._steered = True
        return [News(attempt.id, attempt.fence, seen[attempt.id]) for attempt in live if attempt.id in seen]

    def _load_claims(self, session: Session, name: str) -> list[Attempt]:
        live = runs.live_attempts(session, name)
        for attempt in live:
            if attempt.id not in self.claims:
                self.claims[attempt.id] = claimed_again(session, self.world, attempt)
        return live

    def _look(self, facts: Sequence[Fact], found: Sequence[Found], now: float) -> Sight:
        """Everything outside the record that decides, as far as it is time to look."""
        offers = self._look_at_devices(now)
        self.watch.note(offers, now)
        return Sight(facts, offers, self.looks.look(self.world, now), found)

    def _look_at_devices(self, now: float) -> dict[str, list[Offer]]:
        if now < self.due.devices:
            return {}
        offers = devices.look(self.world)
        self.due.devices = now + devices.interval(self.world, offers)
        return offers

    def _decide(self, session: Session, sight: Sight, now: float, *, steered: bool) -> tuple[Settled, list[Claimed]]:
        """Everything that one turn writes, in one transaction."""
        self.looks.take_in_files(session, sight.seen, now)
        settled = settle(session, sight.facts)
        if settled.gpus:
            self.due.devices = now
        if self.watch.take_in(session, sight.found):
            self.due.stop = now
        for name, offered in sight.offers.items():
            devices.note(session, name, offered)
        if steered and devices.misdeclared(session):
            self.due.devices = now
        consequences.follow(session, settled.ended)
        surveyed = now >= self.due.survey
        if surveyed:
            consequences.survey(session)
            self.stalls.look(session, now)
            self.due.survey = now + SURVEY_SECONDS
        if self._next_wake <= session.now:
            consequences.wake_due(session)
        self.looks.take_in_rooms(session, sight.seen, now)
        claimed = place_runs(session, self.world)
        self.looks.plan(session, now, ended=bool(settled.ended), steered=steered or surveyed)
        self._next_wake = session.value("runs_next_due") or float("inf")
        return settled, claimed

    def _carry_out(self, settled: Settled, claimed: Sequence[Claimed]) -> None:
        for name, attempts in settled.forget.items():
            self.world.places[name].target.forget(attempts)
            for attempt in attempts:
                self.claims.pop(attempt, None)
        self.claims.update({made.attempt: made for made in claimed})
        again = [self.claims[attempt] for attempt in settled.unsent]
        for name, place in self.world.places.items():
            launches = [launch for made in [*again, *claimed] if made.target == name for launch in self._launch(made)]
            if launches:
                self._send(place.target, launches)

    def _launch(self, claimed: Claimed) -> list[Launch]:
        """The launch of a claim; one that cannot be made (a missing secret, an unquotable path) is refused instead."""
        try:
            secrets = read_secrets(claimed.settings.secrets, claimed.settings.workdir, os.environ)
            return [launch_of(claimed, {**secrets, **self.world.variables(claimed.attempt)})]
        except RefusedError as error:
            self._refused.append(News(claimed.attempt, claimed.fence, Refused(str(error))))
            self._woken.set()
            return []

    def _send(self, target: Target, launches: Sequence[Launch]) -> None:
        """A start that could not be sent stays `launching`: it is observed, found absent and sent again."""
        try:
            target.start(launches)
            self._unheard.update(launch.attempt for launch in launches)
        except Unavailable:
            self.due.observe = min(self.due.observe, self.world.clock.boot() + UNREACHABLE_SECONDS)

    def _order_stops(self) -> None:
        for name in sorted(self.world.reachable):
            stopping = self.world.store.read(lambda session, name=name: _stopping(session, name))  # type: ignore[misc]
            for attempt in stopping:
                claimed = self.claims.get(attempt.id)
                grace = claimed.settings.grace if claimed else orphans.GRACE_SECONDS
                try:
                    self.world.places[name].target.stop(handle_of(attempt), grace, attempt.detail or "cancelled")
                except Unavailable:
                    break
            if any(attempt.pid is None for attempt in stopping):
                self.due.observe = min(self.due.observe, self.world.clock.boot() + UNREACHABLE_SECONDS)

    def _pause(self) -> float:
        now = self.world.clock.boot()
        pause = min(self.due.observe, self.due.stop, self.due.survey, self.due.devices, self.looks.next) - now
        pause = min(pause, self.watch.next(self.claims, now) - now, self._next_wake - self.world.clock.wall())
        if self._unheard:
            pause = min(pause, LISTEN_SECONDS)
        if len(self.world.reachable) < len(self.world.places):
            pause = min(pause, UNREACHABLE_SECONDS)
        return max(0.0, pause)


def handle_of(attempt: Attempt) -> Handle:
    """What a target needs to know of an attempt."""
    return Handle(attempt.id, attempt.fence, attempt.folder, attempt.boot_id)


def _stopping(session: Session, name: str) -> list[Attempt]:
    return [attempt for attempt in runs.live_attempts(session, name) if attempt.state == "stopping"]
