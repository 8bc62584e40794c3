"""What every target promises: five verbs, three errors, nothing durable of its own.

| verb | second call | unknown id | lost answer |
|---|---|---|---|
| `offers` | reads again | – | Unavailable |
| `start` | the same attempt is started once | – | silence: observe before trying again |
| `observe` | reads again | Absent (proof that it was never started) | Unknown |
| `stop` | repeats the order | silent | Unavailable; order it again |
| `owned` | reads again | – | Unavailable |
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, Union


@dataclass(frozen=True)
class Offer:
    """A device that a target has, as it is now."""

    id: str
    kind: str
    position: int
    uuid: str | None
    name: str
    memory_mib: int
    busy: str | None
    """Why it may not be given although we do not use it (somebody else's memory); None = free."""
    fault: str | None
    """Why it must be quarantined; None = well."""
    used_mib: int | None = None
    """Memory in use; None = the driver does not say."""
    strangers: bool = False
    """Whether processes that are not ours use it."""
    ours: Mapping[str, int] = field(default_factory=dict)
    """Attempt -> MiB that its processes use here; 0 = they are here, but the driver does not tell how much they use."""
    utilisation: int | None = None
    """Percent; None = the driver does not say."""


@dataclass(frozen=True)
class Launch:
    """Everything that a host needs to carry out one attempt."""

    attempt: str
    run: str
    number: int
    fence: int
    argv: tuple[str, ...]
    env: Mapping[str, str | None] = field(repr=False)
    """On top of the runner's own environment; None removes a name. May hold secrets."""
    cwd: str
    folder: str
    time_limit: float | None
    grace: float
    log_cap: int | None
    check: tuple[str, ...] | None = None
    """A command that must end well before `argv` is started; what it says otherwise is why nothing was."""
    devices: tuple[str, ...] = ()
    """UUIDs of its GPUs: locked on the host while it lives, against other homes and users there."""
    shared: bool = False
    """Whether other runs of this home may hold these GPUs too."""
    lease: float | None = None
    """Seconds without a word of the server after which the host ends it by itself; None = never."""
    code: str | None = None
    """Folder of the frozen copy that it works in, which is compared with its list of files first."""


@dataclass(frozen=True)
class Handle:
    """What is needed to ask about an attempt: its id, its token, its folder, and the boot it was started in."""

    attempt: str
    fence: int
    folder: str
    boot_id: str | None


@dataclass(frozen=True)
class Use:
    """What all processes of a live attempt use now, as far as its host can tell."""

    cpu_seconds: float
    """Processor time so far."""
    rss_bytes: int
    """Resident memory, summed over its processes."""
    peak_rss_bytes: int
    """The most of that in any look at it."""
    processes: int


@dataclass(frozen=True)
class Alive:
    """Its process lives. `pid`, start and boot are known once the job itself was started."""

    pid: int | None = None
    started_at: float | None = None
    boot_id: str | None = None
    use: Use | None = None


@dataclass(frozen=True)
class Ended:
    """Its exit record, as the runner wrote it."""

    record: Mapping[str, Any]


@dataclass(frozen=True)
class Dead:
    """It is gone and left no record; `proof` says how that is known."""

    proof: str
    lease: Mapping[str, float] | None = None
    """Where only the time proves it: the numbers of its lease, see `planner.lease.evidence`."""


@dataclass(frozen=True)
class Absent:
    """It was never started there, and no start of it is under way any more."""


@dataclass(frozen=True)
class Unknown:
    """Nobody could say. Never a reason to kill, free, delete or requeue."""

    why: str


@dataclass(frozen=True)
class Refused:
    """Nothing was started and never will be, for the reason given."""

    why: str


Seen = Union[Alive, Ended, Dead, Absent, Refused, Unknown]


@dataclass(frozen=True)
class News:
    """Something that a target tells by itself."""

    attempt: str
    fence: int
    seen: Seen


@dataclass(frozen=True)
class Room:
    """What is left where something writes; None = nobody could say."""

    path: str
    free_bytes: int | None
    free_inodes: int | None
    total_bytes: int | None = None
    total_inodes: int | None = None


@dataclass(frozen=True)
class Evidence:
    """What the files of an ended attempt say.

    Its final numbers; which declared outputs are not there, fresh and whole; and, after a failed exit only, what its
    log says (`clues`: class -> the line), the signature of its failure, why its environment could not be activated, and
    the room that is left where it writes.
    """

    metrics: Mapping[str, float]
    missing: tuple[str, ...]
    clues: Mapping[str, str] = field(default_factory=dict)
    signature: str | None = None
    environment: str | None = None
    rooms: tuple[Room, ...] = ()
    stale: tuple[str, ...] = ()
    """Some files of the frozen copy that it worked in which are not as they were submitted; empty = all are."""


@dataclass(frozen=True)
class Progress:
    """When something of a live attempt last moved, in wall seconds of its host; None = nothing there yet."""

    log_size: int
    log_at: float | None
    files_at: float | None
    """Newest change of a declared output or of anything below its folder, the log apart."""
    whole: bool = True
    """Whether all of that could be looked at; if not, nobody can say that nothing moved."""


@dataclass(frozen=True)
class Artifact:
    """Something that a run left."""

    name: str
    """As people would call it: relative to where it lies."""
    path: str
    kind: str
    """`wandb` (a folder that wandb made) or `other`."""


class Target(Protocol):
    """A configured place that can execute attempts. All calls return within a bounded time."""

    @property
    def name(self) -> str:
        """Its name in the configuration."""

    @property
    def generation(self) -> int:
        """Grows with every new connection to the host: what was told before it may be incomplete, so observe again."""

    @property
    def renewed(self) -> float | None:
        """When the newest beat of its host came that was answered, on our boot clock: no lease there began later."""

    def offers(self) -> list[Offer]:
        """The devices that it has now. Raises Unavailable."""

    def start(self, launches: Sequence[Launch]) -> None:
        """Send the order to start attempts, without waiting: what became of each is told by `news`, or by `observe`.

        Idempotent by attempt and fence. Raises Unavailable when certainly nothing was sent.
        """

    def observe(self, handles: Sequence[Handle]) -> dict[str, Seen]:
        """What is known of each; Unknown instead of an error."""

    def stop(self, handle: Handle, grace: float, reason: str) -> None:
        """Order the end of an attempt; immediate, repeatable, silent on unknown ones. Raises Unavailable."""

    def owned(self) -> list[Handle]:
        """Every attempt there that carries our tag and was not forgotten. Raises Unavailable."""

    def forget(self, attempts: Sequence[str]) -> None:
        """Their ends are on record: the host may drop what it remembers of them. Never raises; repeated later if
        lost."""

    def news(self) -> list[News]:
        """What it told since the last call, oldest first."""


class Files(Protocol):
    """The power to look into an attempt's files."""

    def evidence(self, folder: str, workdir: str, outputs: Sequence[str], record: Mapping[str, Any]) -> Evidence:
        """Final numbers and missing outputs of an ended attempt."""

    def missing(self, workdir: str, paths: Sequence[str]) -> list[str]:
        """Those of the paths and globs (relative to `workdir`) that name nothing that is there."""

    def done(self, workdir: str, outputs: Sequence[str]) -> bool:
        """Whether every output is there already: a regular file that is not empty."""

    def room(self, path: str) -> Room:
        """What is left at `path`, or at the nearest folder above it that is there."""

    def progress(self, folder: str, workdir: str, outputs: Sequence[str]) -> Progress:
        """What a live attempt last moved."""

    def log(self, folder: str, offset: int, limit: int) -> tuple[bytes, int]:
        """Bytes of the log from `offset` (negative: from its end), at most `limit`, and where the next call
        continues."""

    def part(self, folder: str, name: str, offset: int, limit: int) -> tuple[bytes, int]:
        """As `log`, of another regular file that lies in an attempt's folder itself; empty when there is none."""

    def left(self, folder: str, workdir: str, outputs: Sequence[str], during: tuple[float, float]) -> list[Artifact]:
        """What an attempt left: declared outputs that are there, its own files in its folder, and wandb's folders that
        were changed in the time given (wall seconds). At most a thousand things, none behind a link that leads out."""

    def put(self, folder: str, name: str, text: str) -> None:
        """Write a small file (`FILE` or `SUBFOLDER/FILE`) into an attempt's folder: whole, durably, and nowhere else.

        Replaces what was there. Raises Rejected when it never can be written, Unavailable when it cannot be now.
        """
