"""The simulator: the real loop, operations and store against lying hosts, on a fake clock, from one seed.

`Simulation(seed, record).run()` goes through trouble, then heals everything and waits until nothing goes on.
Replay a seed with `python -m overnight.testing.replay --seed N --trace`.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from overnight.daemon.loop import Loop
from overnight.daemon.sessions import next_session, open_epoch
from overnight.daemon.world import Place, World
from overnight.domain.errors import OvernightError, StoreUnavailable
from overnight.domain.room import Reserve
from overnight.planner.lease import GRACE_SECONDS
from overnight.service.context import Context, Spot
from overnight.testing import peace
from overnight.testing.actors import Actors
from overnight.testing.chance import Chance, rates_for
from overnight.testing.chancy_store import ChancyStore, Crash
from overnight.testing.clients import Clients
from overnight.testing.clock import TICK, FakeClock
from overnight.testing.copies import FakeCopies
from overnight.testing.errands import FakeErrands
from overnight.testing.host import FakeHost
from overnight.testing.inspector import Broken, Inspector
from overnight.testing.machine import Gpu, Machine
from overnight.testing.record import Record
from overnight.testing.target import FakeTarget

CLIENTS = 0.25
"""Share of the schedules in which clients of the Wild V2 protocol act too."""
FOLDERS: Mapping[str, Path] = {"here": Path("/runs"), "box": Path("/box/runs"), "hut": Path("/hut/runs")}
"""The machines, and where their attempts' folders lie. All but `here` are reached from afar."""
WIDTHS = (0.7, 0.22, 0.08)
"""Share of the schedules with one, two and three machines."""
MONTHS = 180 * 86_400.0
"""How far the wall clock is ever wrong, in seconds: tokens of servers whose clocks were more than a year apart are not
believed (`daemon.sessions.AHEAD_MINUTES`)."""


class Failed(AssertionError):
    """A simulation broke an invariant; says the seed and how to replay it."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one simulation was like."""

    seed: int
    hash: str
    """Of the last event of the log."""
    events: int
    runs: int
    turns: int
    executions: int
    faults: Counter[str]
    reached: Counter[str]


@dataclass(slots=True)
class Server:
    """What dies in a crash."""

    loop: Loop
    context: Context
    store: ChancyStore
    targets: dict[str, FakeTarget]
    errands: FakeErrands


@dataclass(slots=True)
class Simulation:
    """One seed. The record is emptied first."""

    seed: int
    record: Record
    tracing: bool = False
    rng: random.Random = field(init=False)
    clock: FakeClock = field(init=False)
    chance: Chance = field(init=False)
    hosts: dict[str, FakeHost] = field(init=False)
    copies: FakeCopies = field(init=False)
    inspector: Inspector = field(init=False)
    actors: Actors = field(init=False)
    clients: Clients | None = field(init=False)
    """Only some schedules have them."""
    server: Server = field(init=False)
    turns: int = 0
    _backed_up: set[str] = field(default_factory=set)
    """Runs that had been acknowledged when the record was copied."""
    _serving: bool = False
    _interfering: bool = False

    def __post_init__(self) -> None:
        self.record.empty()
        self.rng = random.Random(self.seed)
        self.clock = self.record.clock
        self.chance = Chance(self.rng, rates_for(self.rng), trace=[] if self.tracing else None)
        names = tuple(FOLDERS)[: self.rng.choices((1, 2, 3), WIDTHS)[0]]
        self.hosts = {name: self._host(name) for name in names}
        self.copies = FakeCopies(self.chance)
        self.inspector = Inspector(self.record.store, self.chance, self.hosts, self.copies)
        self.actors = Actors(self.rng, self.inspector, largest=40 if self.rng.random() < 0.02 else 6)
        own = random.Random(f"clients {self.seed}")
        self.clients = Clients(own, self.inspector) if own.random() < CLIENTS else None
        for host in self.hosts.values():
            host.started = self.inspector.started
            host.stopping = self.inspector.stopping
            host.machine.killed = self.inspector.killed

    def _host(self, name: str) -> FakeHost:
        rng = self.rng
        gpus = [
            Gpu(f"GPU-{name}-{place}", rng.choice((16_000, 80_000))) for place in range(rng.choice((0, 0, 1, 2, 4)))
        ]
        return FakeHost(Machine(name, self.clock, self.chance, gpus, slots=rng.randint(1, 4)))

    def run(self) -> Outcome:
        """Trouble, then peace. Raises Failed with the seed when an invariant does not hold."""
        try:
            self._start()
            for _ in range(self.rng.randint(8, 28)):
                self._trouble()
            peace.heal(self)
            peace.wait_until_quiet(self)
            peace.judge(self)
            return self._outcome()
        except (Broken, OvernightError, AssertionError, ArithmeticError, LookupError, ValueError, TypeError) as error:
            replay = f"python -m overnight.testing.replay --seed {self.seed} --trace"
            raise Failed(f"seed {self.seed}: {type(error).__name__}: {error}\nReplay it with: {replay}") from error

    # The server's life

    def _start(self) -> None:
        """A server starts over the record as it is; it may die while it does."""
        while True:
            try:
                self._open()
                return
            except (Crash, StoreUnavailable):
                self.chance.say("the server dies while it starts")
                self.advance(1.0)

    def _open(self) -> None:
        store = ChancyStore(self.record.store, self.chance, self._point)
        open_epoch(store, self.clock, "simulated")
        targets = {
            name: FakeTarget(
                host, self.chance, lambda floor: next_session(store, floor), self._point, self.inspector.heard
            )
            for name, host in self.hosts.items()
        }
        places = {name: Place(it, it, FOLDERS[name], None, near=it.near) for name, it in targets.items()}
        errands = FakeErrands(self.clock, self.chance)
        world = World(store, places, self.clock, self.rng, errands=errands, reserve=Reserve(1, 1))
        world.copies, world.copy = FOLDERS["here"], self.copies.fetch
        loop = Loop(world)
        spots = {name: Spot(it, it) for name, it in targets.items()}
        context = Context(store, spots, self.record.configuration, self.rng, lambda: loop.wake(steered=True))
        self.server = Server(loop, context, store, targets, errands)
        self._serving = True

    def _point(self, name: str) -> None:
        """Between two steps of the server: it may die, time passes, others act."""
        if self.chance.calm:
            return
        if self.chance.hits("server_crash"):
            self.chance.say(f"  at {name}")
            raise Crash
        if self._interfering or self.rng.random() >= 0.15:
            return
        self._interfering = True
        try:
            self.advance(self.rng.choice((0.0, 0.001, 0.3, 12.0)))
            if self._serving and self.rng.random() < 0.3:
                self._act()
        finally:
            self._interfering = False

    def _die(self) -> None:
        """The server is gone; the hosts go on alone for a while."""
        self.chance.say(f"{self.clock.true:.3f} the server died")
        for target in self.server.targets.values():
            target.lose()
        self._interfering = self._serving = False
        before = sum(len(host.machine.live) for host in self.hosts.values())
        self.advance(self.rng.choice((0.0, 1.0, 30.0, 3_000.0)))
        if sum(len(host.machine.live) for host in self.hosts.values()) < before:
            self.chance.meet("ended_while_server_was_down")
        self.inspector.look()
        if self.record.has_backup and self.chance.hits("store_restored"):
            self._restore()
        elif self.rng.random() < 0.1:
            self.record.reopen()
            self.inspector.store = self.record.store
        self._start()

    # The record's copies

    def _back_up(self) -> None:
        self.record.back_up()
        self._backed_up = set(self.inspector.acknowledged)

    def _restore(self) -> None:
        """The file is lost; the copy is put back, perhaps on a machine whose clock is behind."""
        if self.rng.random() < 0.5:
            self._set_clock(-2 * MONTHS)
        self.record.restore()
        self.actors.forget_answers()
        self.inspector.restored(self.record.store, set(self._backed_up))

    # Time

    def advance(self, seconds: float) -> None:
        """Let time pass; what is due on the hosts happens at its moment."""
        end = self.clock.true + seconds
        while True:
            due = min(host.next_due() for host in self.hosts.values())
            if due > end:
                break
            self.clock.advance(max(0.0, due - self.clock.true))
            for host in self.hosts.values():
                host.step()
        self.clock.advance(end - self.clock.true)

    def _set_clock(self, seconds: float) -> None:
        """Set the wall clock forward or back, never further than it may be wrong."""
        wrong = self.clock.jumped
        self.clock.jump(min(MONTHS, max(-MONTHS, wrong + seconds)) - wrong)

    def next_event(self) -> float:
        """Seconds until something happens on a host, or late news arrive."""
        dues = [host.next_due() for host in self.hosts.values()]
        dues += [target.next_due() for target in self.server.targets.values()]
        dues.append(self.server.errands.next_due())
        return max(0.0, min(dues) - self.clock.true) + TICK

    def turn(self) -> float:
        """One turn of the loop, looked at; returns the pause that it asks for."""
        self.turns += 1
        self.chance.say(f"{self.clock.true:.3f} turn {self.turns}")
        pause = self.server.loop.careful_turn()
        self.inspector.look(tables=self.turns % 8 == 0)
        return pause

    # Trouble

    def _trouble(self) -> None:
        self._misfortune()
        if self.rng.random() < 0.5:
            try:
                self._act()
            except Crash:
                self._die()
        try:
            pause = self.turn()
        except Crash:
            self._die()
            return
        self._pass_time(pause)

    def _act(self) -> None:
        before, self._interfering = self._interfering, True
        try:
            if self.clients and self.clients.rng.random() < 0.4:
                self.clients.act(self.server.context)
            else:
                self.actors.act(self.server.context)
        except StoreUnavailable:
            self.chance.say("an actor was told that the store is unavailable")
        finally:
            self._interfering = before

    def _pass_time(self, pause: float) -> None:
        rng, event = self.rng, self.next_event()
        woken = any(target.woken for target in self.server.targets.values())
        lease = self._until_a_lease_ends()
        if lease is not None and rng.random() < 0.5:
            self.advance(lease + rng.choice((0.0, 10.0)))
            return
        kind = rng.random()
        if kind < 0.4:
            self.advance(0.0 if woken else min(pause, event))
        elif kind < 0.6:
            self.advance(rng.choice((0.0, 0.01, 0.3)))
        elif kind < 0.9 and event < float("inf"):
            self.advance(event + rng.choice((0.0, 0.0, 0.02, 2.0)))
        else:
            self.advance(rng.choice((15.0, 70.0, 1_800.0)))

    def _until_a_lease_ends(self) -> float | None:
        """Seconds until the server may call something dead that lives where nobody can be reached, or a little less;
        None where nothing does. Turns until then find nobody, and are left out."""
        now, heard = self.clock.true, []
        for name, host in self.hosts.items():
            beat = self.server.targets[name].beat_at or host.tenancies.heard
            if host.unreached_until > now:
                heard += [beat + it.lease for it in host.machine.live if it.lease is not None]
        coming = [end + self.rng.choice((0.0, GRACE_SECONDS, GRACE_SECONDS)) - now for end in heard]
        return min((seconds for seconds in coming if seconds > 0), default=None)

    def _misfortune(self) -> None:
        """What may go wrong between two turns."""
        hits, rng = self.chance.hits, self.rng
        if hits("clock_forward"):
            self._set_clock(rng.choice((1.0, 60.0, 3_600.0, 2 * MONTHS)))
        if hits("clock_back"):
            self._set_clock(-rng.choice((1.0, 60.0, 3_600.0, 2 * MONTHS)))
            if any(life.state == "delayed" for life in self.inspector.projection.runs.values()):
                self.chance.meet("clock_back_while_delayed")
        if hits("suspend"):
            self._suspend(rng.choice((60.0, 30_000.0)))
        for name, host in self.hosts.items():
            self._misfortune_of(host, self.server.targets[name])
        if self._until_a_lease_ends() is not None and hits("server_killed_while_leases_run"):
            self._die()
        if rng.random() < 0.15:
            self._back_up()

    def _suspend(self, seconds: float) -> None:
        """Everything sleeps; the boot clock and the wall go on."""
        for host in self.hosts.values():
            for process in host.machine.live:
                process.ends += seconds
        self.advance(seconds)

    def _misfortune_of(self, host: FakeHost, target: FakeTarget) -> None:
        hits, rng, machine = self.chance.hits, self.rng, host.machine
        if hits("link_broken"):
            target.lose()
        if hits("partition"):
            target.lose()
            target.host.unreached_until = self.clock.true + rng.choice((5.0, 90.0, 4_000.0))
        if not target.near:
            self._misfortune_of_link(target)
        if host.runner_up and hits("runner_killed"):
            target.lose()
            host.kill_runner()
        if machine.live and hits("executor_killed"):
            host.kill_executor(rng.choice(machine.live))
        if machine.live and hits("job_killed_by_others"):
            victim = rng.choice(machine.live)
            victim.signal = 9
            machine.end(victim, "others")
        if hits("host_reboot"):
            self._reboot(host, target)
        if machine.gpus:
            self._trouble_cards(host, rng.choice(machine.gpus))

    def _misfortune_of_link(self, target: FakeTarget) -> None:
        """What happens to connections to other machines only: they go silent, or away for longer than leases last."""
        if self.chance.hits("half_open"):
            target.fall_silent()
            target.host.unreached_until = self.clock.true + self.rng.choice((0.0, 90.0, 1_000.0))
        if self.chance.hits("far_away"):
            target.lose()
            target.host.unreached_until = self.clock.true + self.rng.choice((100.0, 400.0, 2_000.0))

    def _reboot(self, host: FakeHost, target: FakeTarget) -> None:
        target.lose()
        host.reboot()
        if host.machine.name == "here":
            self.clock.reboot()
            self._die()

    def _trouble_cards(self, host: FakeHost, gpu: Gpu) -> None:
        until = self.clock.true + self.rng.choice((5.0, 100.0, 2_000.0))
        if self.chance.hits("gpu_used_by_strangers"):
            gpu.stranger_until = until
        if self.chance.hits("device_locked"):
            host.lock(gpu)
        if self.chance.hits("gpu_lost"):
            gpu.lost_until = until
        if self.chance.hits("gpu_fault"):
            gpu.fault_until = until
        if self.chance.hits("gpu_says_nothing"):
            gpu.silent_until = until

    def _outcome(self) -> Outcome:
        seq, digest = self.record.store.read(lambda session: session.row("event_head")) or (0, "")
        executions = sum(len(host.machine.history) for host in self.hosts.values())
        runs = len(self.inspector.projection.runs)
        return Outcome(self.seed, digest, seq, runs, self.turns, executions, self.chance.faults, self.chance.reached)
