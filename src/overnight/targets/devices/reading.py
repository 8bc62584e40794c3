"""What a probe saw, as values, and their form on the wire between the probe and the server.

Memory is in MiB (rounded down), utilisation in percent, temperature in degrees Celsius. None = the driver does not say.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

Kind = Literal["nvml", "nvidia-smi", "none"]
KINDS: tuple[Kind, ...] = ("nvml", "nvidia-smi", "none")
"""Who answered: the library, the program, or nobody."""

MIB = 1 << 20
"""Bytes in a MiB."""


@dataclass(frozen=True)
class Process:
    """A compute process on a GPU, with the pid as the driver sees it."""

    pid: int
    memory_mib: int | None


@dataclass(frozen=True)
class Gpu:
    """One GPU as it was at the probe. Its identity is `uuid`; `index` may change at any reboot."""

    index: int
    uuid: str
    name: str
    memory_total_mib: int | None = None
    memory_used_mib: int | None = None
    utilisation: int | None = None
    temperature: int | None = None
    processes: tuple[Process, ...] | None = ()
    """None = the driver does not say who uses it."""
    fault: str | None = None
    """Why nothing should run on it; None = well."""


@dataclass(frozen=True)
class Nameless:
    """A GPU that would not even tell its UUID, at its place in the driver's order where that is known."""

    index: int | None
    fault: str


@dataclass(frozen=True)
class Answer:
    """What the child said to one request."""

    kind: Kind
    why: str | None = None
    """Why nobody answered, or why the library did not."""
    gpus: tuple[Gpu, ...] = ()
    nameless: tuple[Nameless, ...] = ()
    notes: tuple[str, ...] = ()
    """What the driver would not say; one sentence each."""


@dataclass(frozen=True)
class Reading:
    """What the server knows of this machine's GPUs now, in the driver's order, and what was odd about it."""

    kind: Kind
    gpus: tuple[Gpu, ...]
    diagnosis: tuple[str, ...]

    @property
    def pids(self) -> list[int]:
        """Every process on any of them."""
        return [process.pid for gpu in self.gpus for process in gpu.processes or ()]

    def gpu(self, uuid: str) -> Gpu | None:
        """The GPU with this UUID, if it was ever seen."""
        return next((gpu for gpu in self.gpus if gpu.uuid == uuid), None)


def encode(number: int, answer: Answer) -> str:
    """One line for request `number`, without its newline."""
    return json.dumps({"id": number, **asdict(answer)}, separators=(",", ":"))


def decode(line: str) -> tuple[int, Answer]:
    """The request's number and its answer. Raises ValueError for anything that `encode` did not write."""
    try:
        document = json.loads(line)
        kind = document["kind"]
        if kind not in KINDS:
            raise ValueError(f"unknown kind {kind!r}")
        return int(document["id"]), Answer(
            kind=kind,
            why=document["why"],
            gpus=tuple(_gpu(fields) for fields in document["gpus"]),
            nameless=tuple(Nameless(**fields) for fields in document["nameless"]),
            notes=_texts(document["notes"]),
        )
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise ValueError(f"the probe's answer cannot be read: {error!r}") from error


def _gpu(fields: Mapping[str, Any]) -> Gpu:
    processes = fields["processes"]
    listed = None if processes is None else tuple(Process(**process) for process in processes)
    return Gpu(**{**fields, "processes": listed})


def _texts(values: Iterable[Any]) -> tuple[str, ...]:
    return tuple(str(value) for value in values)
