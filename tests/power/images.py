"""What a power cut may leave on a disk: everything synced, and any part of what was not.

A write that was not synced is kept, dropped, or kept in some of its sectors only, whatever was written before or after
it. A deletion is settled by the next sync of any file, as a journalling file system does.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from tests.power.recorder import Step

SECTOR_BYTES = 512
"""The smallest piece that a disk writes as a whole."""

Files = dict[str, bytearray]


@dataclass(frozen=True, slots=True)
class Image:
    """The files after a cut behind the first `steps` steps."""

    steps: int
    kind: str
    """`least`: only what was synced; `most`: everything written; `torn`: a random part."""
    files: Files


@dataclass(slots=True)
class _Disk:
    durable: Files = field(default_factory=dict)
    pending: list[Step] = field(default_factory=list)

    def take(self, step: Step) -> None:
        if step.kind != "sync":
            self.pending.append(step)
            return
        settled = [each for each in self.pending if each.file == step.file or each.kind == "delete"]
        for each in settled:
            _apply(self.durable, each)
        self.pending = [each for each in self.pending if each.file != step.file and each.kind != "delete"]

    def after(self, kept: Sequence[Step]) -> Files:
        files = {name: bytearray(data) for name, data in self.durable.items()}
        for step in kept:
            _apply(files, step)
        return files


def _apply(files: Files, step: Step) -> None:
    if step.kind == "delete":
        files.pop(step.file, None)
        return
    data = files.setdefault(step.file, bytearray())
    if step.kind == "truncate":
        del data[step.offset :]
        return
    if len(data) < step.offset:
        data.extend(bytes(step.offset - len(data)))
    data[step.offset : step.offset + len(step.data)] = step.data


def _torn(pending: Sequence[Step], rng: random.Random) -> Iterator[Step]:
    """A random part of what was not synced."""
    for step in pending:
        fate = rng.random()
        if fate < 0.5:
            yield step
        elif fate < 0.75 and len(step.data) > SECTOR_BYTES:
            yield from _sectors(step, rng)


def _sectors(step: Step, rng: random.Random) -> Iterator[Step]:
    for start in range(0, len(step.data), SECTOR_BYTES):
        if rng.random() < 0.5:
            yield Step("write", step.file, step.offset + start, step.data[start : start + SECTOR_BYTES])


def images(steps: Sequence[Step], rng: random.Random, *, stride: int = 1) -> Iterator[Image]:
    """Every distinct `least` and `most` image, and a random one at each point where several things are not synced.

    With `stride` only each so many-th of them is built.
    """
    disk = _Disk()
    for number, (place, kind) in enumerate(_cuts(steps, disk), start=1):
        if number % stride == 0:
            yield Image(place, kind, disk.after(_kept(kind, disk.pending, rng)))


def _kept(kind: str, pending: Sequence[Step], rng: random.Random) -> Sequence[Step]:
    if kind == "torn":
        return tuple(_torn(pending, rng))
    return pending if kind == "most" else ()


def _cuts(steps: Sequence[Step], disk: _Disk) -> Iterator[tuple[int, str]]:
    """(steps so far, kind of image) for every cut, with the disk as it is then."""
    for place, step in enumerate(steps):
        if step.kind == "sync":
            yield place, "least"
        disk.take(step)
        if disk.pending:
            yield place + 1, "most"
        if len(disk.pending) > 1:
            yield place + 1, "torn"
    yield len(steps), "least"
