"""The loop: one turn looks at the world and at the rows, and takes the next step.

A turn is: what did the targets tell → accept ends and place runs in one transaction → carry the decisions out. A crash
anywhere is a turn that ended early; the next one, of the next server, finds the same rows. Whatever may wait for
another machine is an errand: it is sent in one turn, and what came of it is taken in by a later one.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

from overnight.daemon import asking, devices
from overnight.daemon.contacts import Contacts
from overnight.daemon.errands import Done, Key
from overnight.daemon.fetching import KIND as FETCH
from overnight.daemon.fetching import Fetches
from overnight.daemon.launches import Claimed
from overnight.daemon.leases import Leases, Tenants
from overnight.daemon.looks import Looks, Seen
from overnight.daemon.placing import claimed_again, place_runs
from overnight.daemon.settle import Fact, Settled, fact_of, ours, settle
from overnight.daemon.stalls import Stalls
from overnight.daemon.usage import Usages
from overnight.daemon.watch import Found, Watch
from overnight.daemon.world import World
from overnight.domain.errors import StoreUnavailable
from overnight.domain.nouns import Attempt
from overnight.service import consequences
from overnight.store import runs
from overnight.store.base import SYSTEM, Session
from overnight.targets.base import Dead, Ended, News, Offer, Unknown

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
    devices: dict[str, float] = field(default_factory=dict)
    """By target; those that are not in here are due."""


@dataclass(frozen=True, slots=True)
class Sight:
    """What a turn saw before its transaction."""

    facts: Sequence[Fact]
    offers: Mapping[str, list[Offer]]
    fresh: frozenset[str]
    """Targets whose offers were read after all the ends that are known there."""
    seen: Seen
    found: Sequence[Found]
    fetched: Sequence[Done]
    """What was copied here, or could not be."""


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
    contacts: Contacts = field(default_factory=Contacts)
    fetches: Fetches = field(default_factory=Fetches)
    leases: Leases = field(default_factory=Leases)
    usages: Usages = field(default_factory=Usages)
    _back: dict[Key, Done] = field(default_factory=dict)
    """Errands that came back and were not taken in yet."""
    _ends: set[str] = field(default_factory=set)
    """Targets where attempts ended since their devices were last asked for."""
    _unheard: set[str] = field(default_factory=set)
    """Attempts whose start was sent and of which nothing was heard yet."""
    _sent: dict[Key, frozenset[str]] = field(default_factory=dict)
    """Starts that are under way -> their attempts: nobody can say whether these are there."""
    _starts: int = 0
    _news: list[News] = field(default_factory=list)
    """What is known already: claims that could not be launched, for the next turn."""
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
            self.fetches.forget()
            self._steered = True
            return UNAVAILABLE_SECONDS

    def turn(self) -> float:
        """One turn; returns the seconds after which the next one is due if nobody wakes the loop."""
        now = self.world.clock.boot()
        self._take()
        facts = self._facts(self._listen(now))
        self.watch.send(self.world, self.claims, now)
        self.fetches.send(self.world, now)
        found = self.watch.judge(self.world, [it for done in self._came("watch") for it in done.value or ()], now)
        steered, self._steered = self._steered, False
        if facts or found or steered or self._is_due(now):
            sight = self._look(facts, found, now)
            decided = self.world.store.write(SYSTEM, lambda session: self._decide(session, sight, now, steered=steered))
            self.contacts.written()
            self._carry_out(*decided)
            self.world.written()
        if steered or now >= self.due.stop:
            self._order_stops()
            self.due.stop = now + STOP_SECONDS
        return self._pause()

    def _take(self) -> None:
        self._back |= {done.key: done for done in self.world.errands.take()}

    def _came(self, kind: str) -> Iterator[Done]:
        """The errands of a kind that have come back, near ones that were sent in this turn too; each once."""
        self._take()
        for key in sorted(key for key in self._back if key[0] == kind):
            yield self._back.pop(key)

    def _is_due(self, now: float) -> bool:
        asked = any(key[0] in ("offers", "files", "rooms", FETCH) for key in self._back)
        due = min(self.due.survey, self._devices_due(now), self.looks.next)
        return asked or bool(self.contacts.changed) or now >= due or self._next_wake <= self.world.clock.wall()

    # What targets tell

    def _listen(self, now: float) -> list[News]:
        """What targets told by themselves, and what they answer when they were reconnected or it is time to ask."""
        news, self._news = self._news, []
        news += self._hear_of_starts(now)
        news += self.leases.look(self.world, self._leased(), now)
        for name, place in list(self.world.places.items()):
            told = place.target.news()
            if any(isinstance(item.seen, Unknown) for item in told):
                self.due.observe = min(self.due.observe, now + UNREACHABLE_SECONDS)
            news += told
            if self.contacts.may_ask(name, now) and (
                place.target.generation != self.generations.get(name) or now >= self.due.observe
            ):
                self._observe(name, near=place.near)
        if now >= self.due.observe:
            self.due.observe = now + OBSERVE_SECONDS
        for done in self._came("observe"):
            news += self._observed(done, now)
        self._unheard.difference_update(item.attempt for item in news)
        return news

    def _observe(self, name: str, *, near: bool) -> None:
        """Ask a target about every attempt that may be alive there, but for those that are being sent just now."""
        live = self.world.store.read(lambda session: self._load_claims(session, name))
        starting = self._starting()
        asked = [attempt for attempt in live if attempt.id not in starting]
        call = partial(asking.observe, self.world, name, asked)
        self.world.errands.send(f"{name} orders", ("observe", name), call, near=near)

    def _starting(self) -> set[str]:
        """The attempts that are being sent just now."""
        return {attempt for attempts in self._sent.values() for attempt in attempts}

    def _leased(self) -> Tenants:
        """The attempts of which time alone may have to tell: neither those that are not there yet, however long
        bringing their files takes, nor those that ended by their host's own word."""
        starting = self._starting()
        there = {it: made for it, made in self.claims.items() if it not in starting} if starting else self.claims
        keys = [*self._back, *self.world.errands.under_way("evidence")]
        return Tenants(there, frozenset(key[1] for key in keys if key[0] == "evidence"))

    def _load_claims(self, session: Session, name: str) -> list[Attempt]:
        live = runs.live_attempts(session, name)
        for attempt in live:
            if attempt.id not in self.claims:
                self.claims[attempt.id] = claimed_again(session, self.world, attempt)
        return live

    def _observed(self, done: Done, now: float) -> Sequence[News]:
        """A target that does not answer gets no new work."""
        name = done.key[1]
        if done.error is not None:
            self.world.reachable.discard(name)
            self.contacts.lost(name, str(done.error), now, near=self.world.places[name].near)
            self._unheard -= {it for it, made in self.claims.items() if made.target == name}
            return ()
        self.generations[name] = done.value.generation
        self.contacts.found(name)
        if name not in self.world.reachable:
            self.world.reachable.add(name)
            self.due.devices.pop(name, None)
            self._steered = True
        news: Sequence[News] = done.value.news
        return news

    def _hear_of_starts(self, now: float) -> list[News]:
        """Claims that could not be launched are news; a start that was not sent is made good after the next look."""
        news: list[News] = []
        for done in self._came("start"):
            attempts = self._sent.pop(done.key)
            if done.error is not None:
                self.due.observe = min(self.due.observe, now + UNREACHABLE_SECONDS)
                continue
            news += done.value
            self._unheard |= attempts & self.claims.keys()  # the answer may come after the end
        return news

    def _facts(self, news: Sequence[News]) -> list[Fact]:
        """The news that are ours; the files of what ended are looked at first."""
        facts: list[Fact] = []
        for item in ours(self.claims, news):
            claimed = self.claims[item.attempt]
            if isinstance(item.seen, Ended):
                call = partial(fact_of, self.world, claimed, item)
                near = self.world.places[claimed.target].near
                self.world.errands.send(f"{claimed.target} looks", ("evidence", item.attempt), call, near=near)
            else:
                facts.append(Fact(item))
        for done in self._came("evidence"):
            if done.error is not None:
                self.due.observe = min(self.due.observe, self.world.clock.boot() + UNREACHABLE_SECONDS)
            elif done.value.news.attempt in self.claims:
                facts.append(done.value)
        over = [fact.news.attempt for fact in facts if isinstance(fact.news.seen, (Ended, Dead))]
        self._ends.update(self.claims[attempt].target for attempt in over)
        return facts

    # What a turn sees and decides

    def _look(self, facts: Sequence[Fact], found: Sequence[Found], now: float) -> Sight:
        """Everything outside the record that decides, as far as it is time to look."""
        offers, fresh = self._look_at_devices(now)
        self.watch.note(offers, now)
        self.usages.note(offers)
        self.looks.send(self.world, now)
        seen = self.looks.taken({done.key: done for kind in ("files", "rooms") for done in self._came(kind)})
        return Sight(facts, offers, fresh, seen, found, tuple(self._came(FETCH)))

    def _devices_due(self, now: float) -> float:
        return min((self.due.devices.get(name, 0.0) for name in self.world.places), default=now)

    def _look_at_devices(self, now: float) -> tuple[dict[str, list[Offer]], frozenset[str]]:
        for name, place in list(self.world.places.items()):
            if now >= self.due.devices.get(name, 0.0):
                self.due.devices[name] = float("inf")
                if self.world.errands.send(f"{name} looks", ("offers", name), place.target.offers, near=place.near):
                    self._ends.discard(name)
        offers: dict[str, list[Offer]] = {}
        for done in self._came("offers"):
            name = done.key[1]
            self.due.devices[name] = now + devices.interval(self.world, name, done.value)
            if done.error is None:
                offers[name] = done.value
        return offers, frozenset(offers.keys() - self._ends)

    def _decide(self, session: Session, sight: Sight, now: float, *, steered: bool) -> tuple[Settled, list[Claimed]]:
        """Everything that one turn writes, in one transaction."""
        self.contacts.take_in(session)
        self.looks.take_in_files(session, sight.seen, now)
        self.usages.take_in(session, sight.facts, self.claims, now)
        settled = settle(session, sight.facts, self.world.collected)
        self.due.devices.update(dict.fromkeys(settled.gpus, now))
        if self.watch.take_in(session, sight.found):
            self.due.stop = now
        for name, offered in sight.offers.items():
            devices.note(session, name, offered, fresh=name in sight.fresh)
        if steered and devices.misdeclared(session):
            self.due.devices.clear()
        if any(name in self.world.collected for name in settled.forget):
            self.fetches.expect(now)
        consequences.follow(session, settled.ended + self.fetches.take_in(session, self.world, sight.fetched, now))
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

    # What is carried out

    def _carry_out(self, settled: Settled, claimed: Sequence[Claimed]) -> None:
        for name, attempts in settled.forget.items():
            self.world.places[name].target.forget(attempts)
            for attempt in attempts:
                self.claims.pop(attempt, None)
        self.claims.update({made.attempt: made for made in claimed})
        again = [self.claims[attempt] for attempt in settled.unsent]
        for name in list(self.world.places):
            made = [it for it in [*again, *claimed] if it.target == name]
            if made:
                self._send(name, made)

    def _send(self, name: str, made: Sequence[Claimed]) -> None:
        """A start that could not be sent stays `launching`: it is observed, found absent and sent again."""
        self._starts += 1
        key: Key = ("start", name, f"{self._starts:012d}")
        self._sent[key] = frozenset(it.attempt for it in made)
        near = self.world.places[name].near
        self.world.errands.send(f"{name} starts", key, partial(asking.start, self.world, name, made), near=near)
        if near:
            self._news += self._hear_of_starts(self.world.clock.boot())
            if self._news:
                self._woken.set()

    def _order_stops(self) -> None:
        starting = self._starting()
        for name in sorted(self.world.reachable):
            found = self.world.store.read(partial(asking.orders_of, name=name, claims=self.claims))
            orders = [order for attempt, order in found if attempt.id not in starting]
            if orders:
                near = self.world.places[name].near
                call = partial(asking.stop, self.world, name, orders)
                self.world.errands.send(f"{name} orders", ("stop", name), call, near=near)
            if any(attempt.pid is None for attempt, _ in found):
                self.due.observe = min(self.due.observe, self.world.clock.boot() + UNREACHABLE_SECONDS)
        for _ in self._came("stop"):
            continue

    def _pause(self) -> float:
        now = self.world.clock.boot()
        pause = min(self.due.observe, self.due.stop, self.due.survey, self._devices_due(now), self.looks.next) - now
        pause = min(pause, self.watch.next(self.claims, now) - now, self._next_wake - self.world.clock.wall())
        pause = min(pause, self.leases.next(self.world, self._leased(), now) - now, self.fetches.next - now)
        if self._unheard:
            pause = min(pause, LISTEN_SECONDS)
        if len(self.world.reachable) < len(self.world.places):
            pause = min(pause, max(UNREACHABLE_SECONDS, self.contacts.next - now))
        return max(0.0, pause)
