"""What truly happens on a simulated host: its processes, its GPUs, and who ended what. Nobody lies here."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from overnight.domain.reasons import Reason
from overnight.testing.chance import Chance
from overnight.testing.clock import FakeClock

SIGTERM, SIGKILL = 15, 9
LINGERING_MIB, STRANGERS_MIB = 9_000, 40_000
"""Memory that is not back yet, and what strangers use of a card."""
SAYINGS = (
    None,
    *4 * (Reason.VRAM_OOM, Reason.VRAM_OOM, Reason.CODE_ERROR),
    Reason.PREEMPTED,
    Reason.HARDWARE,
    Reason.DISK_FULL,
)
"""What the log of a job that failed may say."""
LONGEST_JOB = 4 * 3600.0
"""Seconds; every job of a simulation ends by itself within this time."""


@dataclass(frozen=True, slots=True)
class Behaviour:
    """What one execution of a job does when nobody disturbs it."""

    seconds: float
    code: int | None
    signal: int | None
    oom_kills: int
    output: bool
    """Whether its declared outputs are there at its end."""
    obeys: bool
    """Whether SIGTERM ends it."""
    hangs: bool = False
    """Whether nothing of it is seen to move."""
    says: Reason | None = None
    """What its log convinces of, when it fails by itself."""


@dataclass(slots=True, eq=False)
class Process:
    """One execution: the ground truth that every record and answer is compared with."""

    attempt: str
    run: str
    fence: int
    boot_id: str
    pid: int
    gpus: tuple[str, ...]
    behaviour: Behaviour
    started: float
    started_at: float
    """Wall seconds; all other times are true ones."""
    ends: float
    limit_at: float | None
    grace: float
    folder: str
    mib: int
    """What it uses of the memory of each of its cards, from its first moment on."""
    lease: float | None = None
    """Seconds without a word of its server after which its host ends it."""
    slow: float = 0.0
    """Seconds by which that happens late: its host's clock is slow, or the kernel does not let it go."""
    lease_over: bool = False
    """Whether its lease ended, and all was done about it that could be."""
    unbound: bool = False
    """Whether nobody was left to end it then: its executor had been killed, and the runner too."""
    executor: bool = True
    """Whether somebody is left who will write its exit record."""
    stopped_for: str | None = None
    """The first order that it got: the time limit, or a stop from outside."""
    kill_at: float | None = None
    ended: float | None = None
    cause: str | None = None
    """`itself`, `stop`, `time_limit`, `lease_lost`, `others`, `executor`, `reboot`."""
    signal: int | None = None

    @property
    def due(self) -> float:
        """When something happens to it next."""
        moments = [self.ends]
        if self.kill_at is not None:
            moments.append(self.kill_at)
        if self.limit_at is not None and self.stopped_for is None:
            moments.append(self.limit_at)
        return min(moments)

    @property
    def succeeded(self) -> bool:
        """It ended by itself with code 0 and its outputs are there."""
        return self.cause == "itself" and self.behaviour.code == 0 and self.behaviour.output


@dataclass(slots=True)
class Gpu:
    """A card as it is. `dirty_until`: memory of ended processes is not back before."""

    uuid: str
    memory_mib: int
    stranger_until: float = 0.0
    fault_until: float = 0.0
    lost_until: float = 0.0
    silent_until: float = 0.0
    """Until then the driver tells neither processes nor memory."""
    dirty_until: float = 0.0
    locked_until: float = 0.0
    """Until then another home of this host has its lock."""
    hidden: bool = False
    """Whether the last probe could not see who uses it."""


@dataclass(slots=True)
class Machine:
    """Processes and GPUs of one host. `ended` is told of every end, in the order of time."""

    name: str
    clock: FakeClock
    chance: Chance
    gpus: list[Gpu]
    """In the order of the driver's positions."""
    slots: int
    ended: Callable[[Process], None] = lambda _: None
    boots: int = 1
    live: list[Process] = field(default_factory=list)
    history: list[Process] = field(default_factory=list)
    """Every process that ever ran here, in order of start: the host's own journal."""
    pids: int = 100
    strangers: dict[int, str] = field(default_factory=dict)
    """Number -> a process of somebody else, which has it since the machine was started anew."""
    killed: Callable[[str], None] = lambda _: None
    """Told of strangers that one of ours ended."""

    def on(self, gpu: Gpu) -> list[Process]:
        """The living processes that see a card."""
        return [process for process in self.live if gpu.uuid in process.gpus]

    def has(self, process: Process) -> bool:
        """Whether a process lives, by its identity: number and start may be somebody else's in another boot."""
        there = process in self.live or process.pid in self.strangers
        return there and same_boot(process.boot_id, self.boot_id)

    def kill(self, pid: int) -> None:
        """SIGKILL to whoever has that number now; whoever sends it has compared the identity."""
        if pid in self.strangers:
            self.killed(self.strangers.pop(pid))

    @property
    def boot_id(self) -> str:
        """Which boot this is."""
        return f"{self.name}-boot-{self.boots}"

    def next_due(self) -> float:
        """When something happens here next; infinity when nothing will."""
        return min((process.due for process in self.live), default=float("inf"))

    def behaviour(self) -> Behaviour:
        """Draw what a job does."""
        rng = self.chance.rng
        seconds = rng.choice((0.002, 0.05, 1.0, 8.0, 45.0, 300.0, LONGEST_JOB)) * rng.uniform(0.2, 1.0)
        luck = rng.random()
        code, signal, kills, output = 0, None, 0, True
        if luck < 0.15:
            code = rng.choice((1, 2, 137))
        elif luck < 0.2:
            code, signal, kills = 0, SIGKILL, rng.choice((0, 1))
        elif luck < 0.26:
            output = False
        obeys = not self.chance.hits("job_ignores_sigterm")
        hangs = self.chance.hits("job_hangs")
        says = rng.choice(SAYINGS) if code in {1, 2} else None
        return Behaviour(seconds, None if signal else code, signal, kills, output, obeys, hangs, says)

    def spawn(self, process: Process) -> None:
        """A process begins."""
        self.live.append(process)
        self.history.append(process)

    def next_pid(self) -> int:
        """A process number; few of them, so that they come again as on real hosts."""
        self.pids = self.pids + 1 if self.pids < 120 else 100
        self.strangers.pop(self.pids, None)
        return self.pids

    def step(self) -> None:
        """Let happen what is due now."""
        now = self.clock.true
        for process in [process for process in self.live if process.due <= now]:
            if process.ends <= now:
                self.end(process, process.stopped_for if process.signal == SIGTERM else "itself")
            elif process.kill_at is not None and process.kill_at <= now:
                process.signal = SIGKILL
                self.end(process, process.stopped_for)
            else:
                self.order(process, "time_limit", process.grace)

    def order(self, process: Process, why: str, grace: float) -> None:
        """SIGTERM now, SIGKILL after the grace; a later order may only shorten it."""
        now = self.clock.true
        if process.stopped_for is None:
            process.stopped_for = why
            if grace > 0 and process.behaviour.obeys:
                self._terminate(process, now)
        end = now + grace
        process.kill_at = end if process.kill_at is None else min(process.kill_at, end)

    def _terminate(self, process: Process, now: float) -> None:
        if self.chance.hits("job_ends_as_stop_arrives"):
            process.ends = now
            return
        reaction = self.chance.rng.choice((0.0, 0.01, 0.5))
        if now + reaction < process.ends:
            process.ends, process.signal = now + reaction, SIGTERM

    def end(self, process: Process, cause: str | None) -> None:
        """A process is gone, with all its children."""
        process.ended, process.cause = self.clock.true, cause
        self.live.remove(process)
        lingers = process.gpus and self.chance.hits("gpu_memory_lingers")
        for gpu in self.used_by(process):
            gpu.dirty_until = self.clock.true + (self.chance.rng.uniform(0.1, 30.0) if lingers else 0.0)
        self.ended(process)

    def used_by(self, process: Process) -> Iterator[Gpu]:
        """The cards that a process was given."""
        return (gpu for gpu in self.gpus if gpu.uuid in process.gpus)

    def reboot(self) -> None:
        """Power off and on: every process is gone, nobody wrote anything, memory of cards is empty."""
        self.strangers.clear()
        for process in list(self.live):
            process.executor = False
            self.end(process, "reboot")
            if self.chance.hits("pid_reused"):
                self.strangers[process.pid] = f"who has the number {process.pid} of {process.attempt}"
        for gpu in self.gpus:
            gpu.dirty_until = gpu.stranger_until = gpu.fault_until = gpu.locked_until = 0.0
        self.boots += 1
        self.pids = 100

    def heal(self) -> None:
        """Strangers leave, cards are well again."""
        for gpu in self.gpus:
            gpu.stranger_until = gpu.fault_until = gpu.lost_until = gpu.silent_until = gpu.locked_until = 0.0


def same_boot(one: str, other: str) -> bool:
    """Whether two boots are the same one."""
    return one == other
