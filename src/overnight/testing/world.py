"""The simulator: the real loop, operations and store against lying hosts, on a fake clock, from one seed.

`Simulation(seed, folder).run()` goes through trouble, then heals everything and waits until nothing goes on.
Replay a seed with `python -m overnight.testing.world --seed N --trace`.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import tempfile
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from overnight.app import open_store
from overnight.config import Configuration
from overnight.daemon.loop import Loop
from overnight.daemon.sessions import next_session, open_epoch
from overnight.daemon.world import Place, World
from overnight.domain.errors import OvernightError, StoreUnavailable
from overnight.domain.states import OPEN_RUN
from overnight.service.context import Context, Spot
from overnight.service.look import explain_thing
from overnight.service.requests import One
from overnight.store.base import Store
from overnight.testing.actors import Actors
from overnight.testing.chance import Chance, rates_for
from overnight.testing.chancy_store import ChancyStore, Crash
from overnight.testing.clock import FakeClock
from overnight.testing.host import FakeHost
from overnight.testing.inspector import Broken, Inspector
from overnight.testing.machine import Gpu, Machine
from overnight.testing.target import FakeTarget

YEARS = 2 * 365 * 86_400.0
"""How far the wall clock jumps at most, in seconds."""
TICK = 1e-6
"""Seconds that every pause lasts longer than planned, so that rounding never ends it just before its event."""
QUIET_TURNS = 2_000
"""Turns within which everything must have ended once nothing disturbs any more."""
LEGITIMATE_WAITS = frozenset({"never_fits"})
"""Why a run may stay where it is for ever, by the code of its explanation."""
LONGEST_WAIT = 5.5 * 3600.0
"""Seconds of peace within which something moves: the longest job and the latest news together."""


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
class Backup:
    """A copy of the database file, and what had been acknowledged when it was made."""

    acknowledged: set[str]


@dataclass(slots=True)
class Server:
    """What dies in a crash."""

    loop: Loop
    context: Context
    store: ChancyStore
    targets: dict[str, FakeTarget]


@dataclass(slots=True)
class Simulation:
    """One seed. `folder` is empty, on a fast file system; `template` a migrated, empty database."""

    seed: int
    folder: Path
    template: Path
    tracing: bool = False
    rng: random.Random = field(init=False)
    clock: FakeClock = field(init=False)
    chance: Chance = field(init=False)
    hosts: dict[str, FakeHost] = field(init=False)
    inspector: Inspector = field(init=False)
    actors: Actors = field(init=False)
    server: Server = field(init=False)
    configuration: Configuration = field(init=False)
    turns: int = 0
    _store: Store | None = None
    _serving: bool = False
    _interfering: bool = False
    _backup: Backup | None = None

    def __post_init__(self) -> None:
        self.folder.mkdir(exist_ok=True)
        self.rng = random.Random(self.seed)
        self.clock = FakeClock()
        self.chance = Chance(self.rng, rates_for(self.rng), trace=[] if self.tracing else None)
        names = ("here", "box") if self.rng.random() < 0.3 else ("here",)
        self.hosts = {name: self._host(name) for name in names}
        path = self.folder / "record.db"
        shutil.copyfile(self.template, path)
        self.configuration = Configuration(self.folder, f"sqlite:///{path}", None, None)
        self._store = open_store(self.configuration, self.clock, alone=True)
        self.inspector = Inspector(self._store, self.chance, self.hosts)
        self.actors = Actors(self.rng, self.inspector, largest=40 if self.rng.random() < 0.03 else 6)
        for host in self.hosts.values():
            host.started = self.inspector.started
            host.stopping = self.inspector.stopping

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
            for _ in range(self.rng.randint(15, 50)):
                self._trouble()
            self._heal()
            self._wait_until_quiet()
            self._judge()
            return self._outcome()
        except (Broken, OvernightError, AssertionError, KeyError, ValueError, TypeError) as error:
            replay = f"python -m overnight.testing.world --seed {self.seed} --trace"
            raise Failed(f"seed {self.seed}: {type(error).__name__}: {error}\nReplay it with: {replay}") from error
        finally:
            if self._store is not None:
                self._store.close()

    # The server's life

    def _start(self) -> None:
        """A server starts over the record as it is; it may die while it does."""
        while True:
            try:
                self._open()
                return
            except (Crash, StoreUnavailable):
                self.chance.say("the server dies while it starts")
                self._advance(1.0)

    def _open(self) -> None:
        assert self._store is not None
        store = ChancyStore(self._store, self.chance, self._point)
        open_epoch(store, self.clock, "simulated")
        targets = {
            name: FakeTarget(
                host, self.chance, lambda floor: next_session(store, floor), self._point, self.inspector.heard
            )
            for name, host in self.hosts.items()
        }
        places = {name: Place(it, it, Path("/runs"), None) for name, it in targets.items()}
        loop = Loop(World(store, places, self.clock, self.rng))
        spots = {name: Spot(it, it) for name, it in targets.items()}
        context = Context(store, spots, self.configuration, self.rng, lambda: loop.wake(steered=True))
        self.server = Server(loop, context, store, targets)
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
            self._advance(self.rng.choice((0.0, 0.001, 0.3, 12.0)))
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
        self._advance(self.rng.choice((0.0, 1.0, 30.0, 3_000.0)))
        if sum(len(host.machine.live) for host in self.hosts.values()) < before:
            self.chance.meet("ended_while_server_was_down")
        self.inspector.look()
        if self._backup is not None and self.chance.hits("store_restored"):
            self._restore(self._backup)
        elif self.rng.random() < 0.3:
            self._reopen()
        self._start()

    def _reopen(self) -> None:
        assert self._store is not None
        self._store.close()
        self._store = open_store(self.configuration, self.clock, alone=True)
        self.inspector.store = self._store

    # The record's copies

    def _back_up(self) -> None:
        for suffix in ("", "-wal"):
            source = self.folder / f"record.db{suffix}"
            if source.exists():
                shutil.copyfile(source, self.folder / f"backup.db{suffix}")
        self._backup = Backup(set(self.inspector.acknowledged))

    def _restore(self, backup: Backup) -> None:
        """The file is lost; the copy is put back, perhaps on a machine whose clock is behind."""
        if self.rng.random() < 0.3:
            self.clock.jump(-YEARS)
        assert self._store is not None
        self._store.close()
        for suffix in ("-shm", "-wal", ""):
            (self.folder / f"record.db{suffix}").unlink(missing_ok=True)
        for suffix in ("", "-wal"):
            source = self.folder / f"backup.db{suffix}"
            if source.exists():
                shutil.copyfile(source, self.folder / f"record.db{suffix}")
        self._store = open_store(self.configuration, self.clock, alone=True)
        self.actors.forget_answers()
        self.inspector.restored(self._store, set(backup.acknowledged), self.clock.true)

    # Time

    def _advance(self, seconds: float) -> None:
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

    def _next_event(self) -> float:
        """Seconds until something happens on a host, or late news arrive."""
        dues = [host.next_due() for host in self.hosts.values()]
        dues += [target.next_due() for target in self.server.targets.values()]
        return max(0.0, min(dues) - self.clock.true) + TICK

    def _turn(self) -> float:
        self.turns += 1
        self.chance.say(f"{self.clock.true:.3f} turn {self.turns}")
        pause = self.server.loop.careful_turn()
        self.inspector.look(tables=self.turns % 4 == 0)
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
            pause = self._turn()
        except Crash:
            self._die()
            return
        self._pass_time(pause)

    def _act(self) -> None:
        before, self._interfering = self._interfering, True
        try:
            self.actors.act(self.server.context)
        except StoreUnavailable:
            self.chance.say("an actor was told that the store is unavailable")
        finally:
            self._interfering = before

    def _pass_time(self, pause: float) -> None:
        rng, event = self.rng, self._next_event()
        woken = any(target.woken for target in self.server.targets.values())
        kind = rng.random()
        if kind < 0.4:
            self._advance(0.0 if woken else min(pause, event))
        elif kind < 0.6:
            self._advance(rng.choice((0.0, 0.01, 0.3)))
        elif kind < 0.9 and event < float("inf"):
            self._advance(event + rng.choice((0.0, 0.0, 0.02, 2.0)))
        else:
            self._advance(rng.choice((15.0, 70.0, 1_800.0)))

    def _misfortune(self) -> None:
        """What may go wrong between two turns."""
        hits, rng = self.chance.hits, self.rng
        if hits("clock_forward"):
            self.clock.jump(rng.choice((1.0, 60.0, 3_600.0, YEARS)))
        if hits("clock_back"):
            self.clock.jump(-rng.choice((1.0, 60.0, 3_600.0, YEARS)))
            if any(life.state == "delayed" for life in self.inspector.projection.runs.values()):
                self.chance.meet("clock_back_while_delayed")
        if hits("suspend"):
            self._suspend(rng.choice((60.0, 30_000.0)))
        for name, host in self.hosts.items():
            self._misfortune_of(host, self.server.targets[name])
        if rng.random() < 0.1:
            self._back_up()

    def _suspend(self, seconds: float) -> None:
        """Everything sleeps; the boot clock and the wall go on."""
        for host in self.hosts.values():
            for process in host.machine.live:
                process.ends += seconds
        self._advance(seconds)

    def _misfortune_of(self, host: FakeHost, target: FakeTarget) -> None:
        hits, rng, machine = self.chance.hits, self.rng, host.machine
        if hits("link_broken"):
            target.lose()
        if hits("partition"):
            target.lose()
            target.partitioned_until = self.clock.true + rng.choice((5.0, 90.0, 4_000.0))
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
            self._trouble_cards(rng.choice(machine.gpus))

    def _reboot(self, host: FakeHost, target: FakeTarget) -> None:
        target.lose()
        host.reboot()
        if host.machine.name == "here":
            self.clock.reboot()
            self._die()

    def _trouble_cards(self, gpu: Gpu) -> None:
        until = self.clock.true + self.rng.choice((5.0, 100.0, 2_000.0))
        if self.chance.hits("gpu_used_by_strangers"):
            gpu.stranger_until = until
        if self.chance.hits("gpu_lost"):
            gpu.lost_until = until
        if self.chance.hits("gpu_fault"):
            gpu.fault_until = until
        if self.chance.hits("gpu_says_nothing"):
            gpu.silent_until = until

    # Peace

    def _heal(self) -> None:
        self.chance.calm = True
        for name, host in self.hosts.items():
            host.machine.heal()
            self.server.targets[name].partitioned_until = 0.0
        self.actors.resume_everything(self.server.context)

    def _wait_until_quiet(self) -> None:
        """Nothing goes wrong and nothing is asked any more: everything must come to its end."""
        moved, seq = self.clock.true, 0
        for _ in range(QUIET_TURNS):
            pause = self._turn()
            if self._is_quiet():
                return
            if self.inspector.audit.seq > seq:
                moved, seq = self.clock.true, self.inspector.audit.seq
            elif self.clock.true - moved > LONGEST_WAIT:
                break
            self._advance(self._idle(pause))
        still = self.clock.true - moved
        raise Broken(f"I36: nothing moves for {still:.0f} s of peace: {'; '.join(self._unfinished()[:6])}")

    def _idle(self, pause: float) -> float:
        """Nobody wakes the loop but by what happens; turns in which nothing could happen are left out."""
        if any(target.woken for target in self.server.targets.values()):
            return 0.0
        event = self._next_event()
        return TICK + (min(event, 600.0) if pause > 0.5 and event > pause else min(pause, event))

    def _is_quiet(self) -> bool:
        projection = self.inspector.projection
        moving = any(life.state in {"running", "cancelling", "delayed"} for life in projection.runs.values())
        alive = any(host.machine.live or host.wires for host in self.hosts.values())
        quiet = not (moving or alive or projection.holders) and not self._unfinished()
        if quiet and any(life.state == "queued" for life in projection.runs.values()):
            self.chance.meet("never_fits")
        return quiet

    def _unfinished(self) -> list[str]:
        """What still goes on, apart from runs that legitimately wait."""
        projection = self.inspector.projection
        open_runs = [run for run, life in projection.runs.items() if life.state in OPEN_RUN]
        going = [f"{run} is {self._why(run)}" for run in open_runs if self._why(run) not in LEGITIMATE_WAITS]
        held = [f"{device} is held by {attempt}" for device, attempt in projection.holders.items()]
        return going + held

    def _why(self, run: str) -> str:
        assert self._store is not None
        life = self.inspector.projection.runs[run]
        if life.state == "waiting":
            return self._why_waiting(run)
        return str(explain_thing(self.server.context, One(id=run))["code"])

    def _why_waiting(self, run: str) -> str:
        """A run may wait for ever for one that waits for ever."""
        assert self._store is not None
        needed: list[str] = self._store.read(lambda session: self.inspector.needed(session, run))
        states = {it: self.inspector.projection.runs[it].state for it in needed}
        stuck = [it for it, state in states.items() if state in OPEN_RUN and self._why(it) in LEGITIMATE_WAITS]
        return "never_fits" if stuck else f"waiting for {states}"

    def _judge(self) -> None:
        """Nothing is left over anywhere, and what was promised is there."""
        self.inspector.look(tables=True)
        projection = self.inspector.projection
        for host in self.hosts.values():
            left = [entry.launch.attempt for entry in host.entries.values() if not entry.final]
            if left:
                raise Broken(f"I40: {left} live on {host.machine.name} though nothing wants them")
        for thing, life in projection.campaigns.items():
            open_runs = [run for run in self.inspector.runs_of(thing) if projection.runs[run].state in OPEN_RUN]
            if life.state == "active" and not open_runs:
                raise Broken(f"I36: campaign {thing} is active though nothing of it goes on")
        for thing, life in projection.sweeps.items():
            tally = projection.tallies[thing]
            if life.state == "active" and not any(tally[state] for state in OPEN_RUN):
                raise Broken(f"I36: sweep {thing} is active though nothing of it goes on")

    def _outcome(self) -> Outcome:
        assert self._store is not None
        seq, digest = self._store.read(lambda session: session.row("event_head")) or (0, "")
        executions = sum(len(host.machine.history) for host in self.hosts.values())
        runs = len(self.inspector.projection.runs)
        return Outcome(self.seed, digest, seq, runs, self.turns, executions, self.chance.faults, self.chance.reached)


def replay(seed: int, *, tracing: bool) -> str:
    """Go through one seed again; returns its trace and how it ended."""
    with tempfile.TemporaryDirectory(prefix="overnight-", dir=fast_folder()) as name:
        folder = Path(name)
        simulation = Simulation(seed, folder / "home", make_template(folder), tracing)
        try:
            end = str(simulation.run())
        except Failed as failure:
            end = str(failure)
        return "\n".join([*(simulation.chance.trace or ()), end])


def fast_folder() -> str | None:
    """Where files cost least: simulations are not about disks."""
    return "/dev/shm" if os.access("/dev/shm", os.W_OK) else None


def make_template(folder: Path) -> Path:
    """A migrated, empty database."""
    path = folder / "template.db"
    open_store(Configuration(folder, f"sqlite:///{path}", None, None), FakeClock(), alone=True).close()
    return path


def main() -> None:
    """Replay one seed and print what happened."""
    parser = argparse.ArgumentParser(description="Replay one seed of the simulator.")
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--trace", action="store_true", help="print every fault, turn and event")
    asked = parser.parse_args()
    print(replay(asked.seed, tracing=asked.trace))


if __name__ == "__main__":
    main()
