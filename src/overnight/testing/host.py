"""A host with a runner, as the real one behaves: what it accepts, knows, answers and forgets.

The rules are those of `overnight.runner`; the processes are pretended, time is the simulation's.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from overnight.targets.base import Absent, Alive, Dead, Ended, Handle, Launch, News, Offer, Seen
from overnight.testing.leases import SLOWEST, Tenancies, bounded, margin_of
from overnight.testing.machine import LINGERING_MIB, STRANGERS_MIB, Gpu, Machine, Process

BOOTED = -1_000.0
"""When the machine was started first, in true seconds."""
DIED = "Its executor has ended without a record and no process of it is left."


@dataclass(slots=True, eq=False)
class Entry:
    """One attempt in the runner's ledger."""

    launch: Launch
    spawn_at: float | None
    """When its process begins, while it has not; None afterwards."""
    process: Process | None = None
    record: dict[str, Any] | None = None
    proof: str | None = None
    order: tuple[str, float] | None = None
    asked: str = ""
    """Why its end was ordered first."""

    @property
    def final(self) -> bool:
        """Nothing of it runs any more."""
        return self.record is not None or self.proof is not None


@dataclass(slots=True, eq=False)
class Wire:
    """Start orders that were sent and not read yet."""

    due: float
    launches: Sequence[Launch]
    answered: Callable[[dict[str, str]], None] | None
    """Gets what was refused, while that connection stands."""
    beat: float | None = None
    """When the beat was sent that is answered before these orders, where they have leases."""


@dataclass(slots=True)
class FakeHost:
    """The runner's ledger over a machine. `hear` is the connected client, or None."""

    machine: Machine
    hear: Callable[[News], None] | None = None
    runner_up: bool = True
    unreached_until: float = 0.0
    """Until then no connection to it can be made, whichever server tries."""
    session: int = 0
    highest_fence: int = 0
    entries: dict[str, Entry] = field(default_factory=dict)
    fences: dict[str, int] = field(default_factory=dict)
    newest: dict[str, str] = field(default_factory=dict)
    folders: set[str] = field(default_factory=set)
    records: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Folder -> exit record in it."""
    left: dict[str, dict[str, bytes]] = field(default_factory=dict)
    """Folder -> the files in it, of which nothing is ever deleted."""
    tenancies: Tenancies = field(default_factory=lambda: Tenancies(BOOTED))
    wires: list[Wire] = field(default_factory=list)
    started: Callable[[Process], None] = lambda _: None
    """Told of every process that begins."""
    stopping: Callable[[Entry], None] = lambda _: None
    """Told of every stop order that reaches an attempt that has not ended."""

    def __post_init__(self) -> None:
        self.machine.ended = self._process_ended

    def next_due(self) -> float:
        """When something happens here next."""
        wires = (wire.due for wire in self.wires)
        spawns = (entry.spawn_at for entry in self.entries.values() if entry.spawn_at is not None)
        leases = (self.tenancies.ends(process) for process in self.machine.live)
        return min(self.machine.next_due(), self.tenancies.next_due(), *wires, *spawns, *leases, float("inf"))

    def step(self) -> None:
        """Let happen what is due now."""
        now = self.machine.clock.true
        for wire in [wire for wire in self.wires if wire.due <= now]:
            self.read(wire)
        for entry in [e for e in self.entries.values() if e.spawn_at is not None and e.spawn_at <= now]:
            self._spawn(entry)
        self.tenancies.take_late(now, there=self.runner_up)
        self._end_leases(now)
        self.machine.step()

    def _end_leases(self, now: float) -> None:
        """Executors end what they carry out by themselves; what lost its executor is left to the runner."""
        for process in [it for it in self.machine.live if self.tenancies.ends(it) <= now]:
            process.lease_over = True
            if process.executor or self.runner_up:
                self.machine.order(process, "lease_lost", bounded(process))
            else:
                process.unbound = True

    # Requests

    def hello(self, session: int) -> bool:
        """Let a server in whose session is above all before; False when it is stale."""
        if session <= self.session:
            return False
        self.session = session
        return True

    def read(self, wire: Wire) -> None:
        """The runner reads start orders from its socket."""
        self.wires.remove(wire)
        if wire.beat is not None:
            self.tenancies.answered(wire.beat, self.machine.clock.true)
        refused = self._accept(wire.launches)
        if wire.answered is not None and refused:
            wire.answered(refused)

    def read_all(self) -> None:
        """Whatever was sent before is read before anything that is sent now."""
        for wire in list(self.wires):
            self.read(wire)

    def _accept(self, launches: Sequence[Launch]) -> dict[str, str]:
        chance = self.machine.chance
        refused: dict[str, str] = {}
        runs: set[str] = set()
        full = chance.hits("disk_full")
        for launch in launches:
            why = self._refusal(launch, runs)
            if why is None and not self.tenancies.admits(launch.lease, launch.grace, self.machine.clock.true):
                chance.meet("came_after_its_lease")
                why = "lease_over"
            if why == "known":
                chance.meet("repeated_start_ignored")
                continue
            if why is None and full:
                why = "journal: the disk is full"
            if why is not None:
                refused[launch.attempt] = why
                continue
            runs.add(launch.run)
            self._take(launch)
        return refused

    def _refusal(self, launch: Launch, runs: set[str]) -> str | None:
        chance = self.machine.chance
        known = self.entries.get(launch.attempt)
        if known is not None and known.launch.fence == launch.fence:
            return "known"
        if self.fences.get(launch.run, 0) >= launch.fence:
            chance.meet("other_token_refused")
            return "stale_fence"
        if known is not None:
            chance.meet("other_token_refused")
            return "conflict"
        before = self.entries.get(self.newest.get(launch.run, ""))
        if (before is not None and not before.final) or launch.run in runs:
            return "still_live"
        return "already_started" if launch.folder in self.folders else None

    def _take(self, launch: Launch) -> None:
        delay = self.machine.chance.rng.choice((0.0, 0.0, 0.05, 2.0))
        entry = Entry(launch, self.machine.clock.true + delay)
        self.entries[launch.attempt] = entry
        self.newest[launch.run] = launch.attempt
        self.fences[launch.run] = launch.fence
        self.highest_fence = max(self.highest_fence, launch.fence)
        if not delay:
            self._spawn(entry)

    def _spawn(self, entry: Entry) -> None:
        machine, launch = self.machine, entry.launch
        entry.spawn_at = None
        if machine.chance.hits("start_failed"):
            self._keep(entry, self._record(launch, None, "start_failed", "no space left on device"))
            return
        if self._held(launch):
            self._keep(entry, self._record(launch, None, "device_held", "held by attempt x of another home"))
            return
        self.folders.add(launch.folder)
        self._leave(launch, "log", "begun")
        behaviour, now = machine.behaviour(), machine.clock.true
        limit = None if launch.time_limit is None else now + launch.time_limit
        process = entry.process = Process(
            attempt=launch.attempt,
            run=launch.run,
            fence=launch.fence,
            boot_id=machine.boot_id,
            pid=machine.next_pid(),
            gpus=self._visible(launch),
            behaviour=behaviour,
            started=now,
            started_at=machine.clock.wall(),
            ends=now + behaviour.seconds,
            limit_at=limit,
            grace=launch.grace,
            folder=launch.folder,
            mib=demand_of(launch),
            lease=launch.lease,
            slow=self._slow(launch.lease),
        )
        machine.spawn(process)
        self.started(process)
        self._tell(entry, Alive(process.pid, process.started_at, process.boot_id))
        if entry.order is not None:
            machine.order(process, "stop", entry.order[1])

    def _held(self, launch: Launch) -> bool:
        """Whether another home has the lock of one of its cards: it may be quicker at the last moment."""
        cards = [card for card in self.machine.gpus if card.uuid in self._visible(launch)]
        for card in cards:
            if not self.machine.on(card) and self.machine.chance.hits("device_locked_meanwhile"):
                self.lock(card)
        return any(card.locked_until > self.machine.clock.true for card in cards)

    def lock(self, card: Gpu) -> None:
        """Another home takes a card that none of ours has."""
        if not self.machine.on(card):
            card.locked_until = self.machine.clock.true + self.machine.chance.rng.choice((5.0, 100.0, 2_000.0))

    def _slow(self, lease: float | None) -> float:
        if lease is None or not self.machine.chance.hits("lease_ends_late"):
            return 0.0
        return self.machine.chance.rng.uniform(0.0, margin_of(lease) + SLOWEST)

    def _leave(self, launch: Launch, name: str, text: str) -> None:
        """A file in an attempt's folder."""
        whole = f"{name} of {launch.attempt} {launch.fence}: {text}"
        self.left.setdefault(launch.folder, {})[name] = whole.encode()

    def _visible(self, launch: Launch) -> tuple[str, ...]:
        positions = [int(word) for word in (launch.env.get("CUDA_VISIBLE_DEVICES") or "").split(",") if word]
        return tuple(self.machine.gpus[position].uuid for position in positions)

    def observe(self, handle: Handle) -> Seen:
        """What the runner knows of an attempt, or finds out from its folder and processes."""
        entry = self.entries.get(handle.attempt)
        if entry is not None and entry.launch.fence == handle.fence:
            return self._seen(entry)
        record = self.records.get(handle.folder)
        if record is not None and (record["attempt"], record["fence"]) == (handle.attempt, handle.fence):
            return Ended(record)
        if handle.boot_id is not None and handle.boot_id != self.machine.boot_id:
            return Dead(f"The machine was started anew: boot {handle.boot_id} is now {self.machine.boot_id}.")
        found = [process for process in self.machine.live if process.attempt == handle.attempt]
        if found:
            return Alive(found[0].pid, None, self.machine.boot_id)
        if handle.folder in self.folders:
            return Dead("Its folder holds no record and no process of it is left.")
        return Absent()

    def _seen(self, entry: Entry) -> Seen:
        if entry.record is not None:
            return Ended(entry.record)
        if entry.proof is not None:
            return Dead(entry.proof)
        return Alive(entry.process.pid if entry.process else None, None, self.machine.boot_id)

    def stop(self, attempt: str, grace: float, reason: str) -> None:
        """Order the end of an attempt, by its name."""
        entry = self.entries.get(attempt)
        if entry is None or entry.final:
            return
        self.stopping(entry)
        entry.order, entry.asked = entry.order or ("stop", grace), entry.asked or reason
        if entry.process is None:
            return
        if entry.process.ended is None:
            self.machine.order(entry.process, "stop", grace)
        elif self.machine.has(entry.process):
            self.machine.kill(entry.process.pid)

    def owned(self) -> list[Handle]:
        """Everything in the ledger."""
        launches = [entry.launch for entry in self.entries.values()]
        return [Handle(it.attempt, it.fence, it.folder, self.machine.boot_id) for it in launches]

    def forget(self, attempts: Sequence[str]) -> None:
        """Drop those that have ended."""
        for attempt in attempts:
            entry = self.entries.get(attempt)
            if entry is not None and entry.final:
                del self.entries[attempt]
                if self.newest.get(entry.launch.run) == attempt:
                    del self.newest[entry.launch.run]

    def offers(self) -> list[Offer]:
        """The cards that the driver lists, and the slots."""
        listed = [self._offer(gpu, place) for place, gpu in enumerate(self.machine.gpus) if not self._lost(gpu)]
        name = self.machine.name
        slots = [
            Offer(f"{name}/slot{place}", "slot", place, None, f"CPU slot {place}", 0, None, None)
            for place in range(self.machine.slots)
        ]
        return listed + slots

    def _lost(self, gpu: Gpu) -> bool:
        return gpu.lost_until > self.machine.clock.true

    def _offer(self, gpu: Gpu, place: int) -> Offer:
        """As `targets.devices.offers` has it: who uses a card, where the driver says so."""
        now, name = self.machine.clock.true, f"card of {gpu.memory_mib} MiB"
        offer = Offer(f"{self.machine.name}/{gpu.uuid}", "gpu", place, gpu.uuid, name, gpu.memory_mib, None, None)
        gpu.hidden = gpu.silent_until > now
        if gpu.fault_until > now:
            return replace(offer, fault="Xid 79")
        if gpu.hidden and gpu.locked_until > now:
            return replace(offer, busy="held by another home")
        return offer if gpu.hidden else replace(offer, **self._use(gpu, now))

    def _use(self, gpu: Gpu, now: float) -> dict[str, Any]:
        ours = {process.attempt: process.mib for process in self.machine.on(gpu)}
        strangers, lingers = gpu.stranger_until > now, gpu.dirty_until > now
        used = sum(ours.values()) + STRANGERS_MIB * strangers + LINGERING_MIB * lingers
        if gpu.locked_until > now:
            return {"busy": "held by another home", "used_mib": used, "strangers": True, "ours": ours}
        busy = "a stranger" if strangers else "memory that is not back" if lingers and not ours else None
        return {"busy": busy, "used_mib": used, "strangers": strangers, "ours": ours}

    # What happens by itself

    def _process_ended(self, process: Process) -> None:
        entry = self.entries.get(process.attempt)
        if entry is None or entry.process is not process:
            return
        self._leave(entry.launch, "log", f"ended by {process.cause}")
        if process.succeeded:
            self._leave(entry.launch, "model", "weights")
        if process.executor:
            self._keep(entry, self._record(entry.launch, process, *_reason(process, entry.asked)))
        elif self.runner_up and process.cause != "reboot":
            self._die(entry, DIED)

    def _record(self, launch: Launch, process: Process | None, reason: str, detail: str) -> dict[str, Any]:
        wall, itself = self.machine.clock.wall(), process is not None and process.cause == "itself"
        signal = None if process is None else process.behaviour.signal if itself else process.signal
        code = process.behaviour.code if process is not None and itself else None
        return {
            "attempt": launch.attempt,
            "run": launch.run,
            "number": launch.number,
            "fence": launch.fence,
            "boot_id": self.machine.boot_id,
            "pid": process.pid if process else None,
            "code": code,
            "signal": signal,
            "reason": reason,
            "detail": detail,
            "started_at": process.started_at if process else wall,
            "ended_at": wall,
            "usage": {"oom_kills": process.behaviour.oom_kills if process and itself else 0},
        }

    def _keep(self, entry: Entry, record: dict[str, Any]) -> None:
        """The exit record is written; a runner that is up takes note and tells."""
        self.folders.add(entry.launch.folder)
        self.records[entry.launch.folder] = record
        self._leave(entry.launch, "exit.json", record["reason"])
        if self.runner_up:
            entry.record = record
            self._tell(entry, Ended(record))

    def _die(self, entry: Entry, proof: str) -> None:
        self.machine.chance.meet("dead_without_record")
        entry.proof = proof
        self._tell(entry, Dead(proof))

    def _tell(self, entry: Entry, seen: Seen) -> None:
        if self.hear is None:
            self.machine.chance.meet("ended_while_nobody_listened")
        else:
            self.hear(News(entry.launch.attempt, entry.launch.fence, seen))

    # Misfortunes

    def kill_runner(self) -> None:
        """SIGKILL of the supervisor. Launches that no executor had yet may be lost; everything else goes on."""
        self.runner_up, self.hear = False, None
        for entry in self.entries.values():
            if entry.spawn_at is not None and self.machine.chance.hits("launch_lost_with_runner"):
                entry.spawn_at = None

    def start_runner(self) -> None:
        """A new supervisor finds out what has become of every attempt in its journal."""
        self.runner_up = True
        for entry in self.entries.values():
            if not entry.final and entry.spawn_at is None:
                self._settle(entry)
        for process in self.machine.live:
            process.lease_over = process.lease_over and not process.unbound
        self._end_leases(self.machine.clock.true)

    def _settle(self, entry: Entry) -> None:
        launch, process = entry.launch, entry.process
        record = self.records.get(launch.folder)
        if record is not None and (record["attempt"], record["fence"]) == (launch.attempt, launch.fence):
            entry.record = record
            self._tell(entry, Ended(record))
        elif process is None or not self.machine.has(process):
            self._die(entry, DIED)

    def kill_executor(self, process: Process) -> None:
        """SIGKILL of who would write the record. The job dies with it, or goes on as an orphan."""
        process.executor = False
        if not self.machine.chance.hits("orphaned"):
            process.signal = 9
            self.machine.end(process, "executor")

    def reboot(self) -> None:
        """Power loss. What was not synced may be gone: late lines of the journal, late exit records."""
        self.kill_runner()
        self.wires.clear()
        self.machine.reboot()
        self.tenancies.boot(self.machine.clock.true)
        for entry in list(self.entries.values()):
            entry.spawn_at = None
            if self._is_last(entry):
                self._lose_line(entry)
            elif self._is_fresh(entry) and self.machine.chance.hits("record_lost_in_reboot"):
                del self.records[entry.launch.folder]
                entry.record = None

    def _is_last(self, entry: Entry) -> bool:
        """It was just accepted, or still ran: its line may be among those that no disk has."""
        if entry.process is None:
            return entry.record is None and entry.launch.folder not in self.folders
        return entry.process.ended == self.machine.clock.true

    def _lose_line(self, entry: Entry) -> None:
        if self.machine.chance.hits("journal_lost_in_reboot"):
            launch = self.entries.pop(entry.launch.attempt).launch
            self.fences[launch.run] = min(self.fences[launch.run], launch.fence - 1)

    def _is_fresh(self, entry: Entry) -> bool:
        """Its record was written just now and a server listened, so that nobody synced it."""
        ended = entry.process.ended if entry.process else None
        return ended is not None and self.machine.clock.true - ended < 5.0 and entry.launch.folder in self.records


def _reason(process: Process, asked: str) -> tuple[str, str]:
    if process.cause == "stop":
        return "stopped", asked
    if process.cause == "time_limit":
        return "time_limit", "The time limit was reached."
    if process.cause == "lease_lost":
        return "lease_lost", "No server was heard for its lease."
    signalled = process.behaviour.signal if process.cause == "itself" else process.signal
    return ("signalled" if signalled else "exited"), ""


def demand_of(launch: Launch) -> int:
    """The device memory that a job uses, in MiB: what its command says, for it is equal for all runs of a sweep."""
    return int(launch.argv[1]) if len(launch.argv) > 1 else 1_000
