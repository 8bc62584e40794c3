"""Real work on a real store, from several threads, which write down what was acknowledged when."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from overnight.clock import SystemClock
from overnight.store.base import Change, Session, Store
from overnight.store.sqlite import SqliteStore
from tests.power.recorder import Step, recording
from tests.verify.record import DEVICES, Record, campaign_plan

T = TypeVar("T")
RUNS_OF_A_THREAD = 12
"""Enough for the images that the tests ask for, with some to spare."""
CHECKPOINT_PAGES = 24
"""Small, so that many cuts fall into the copying of the write-ahead log."""


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """The store had told the disk `steps` things when it acknowledged a request whose last event was this one."""

    steps: int
    seq: int
    hash: str


@dataclass(slots=True)
class Witness:
    """A store that notes every acknowledgement: the work's last event, and how long the disk's record was by then."""

    store: Store
    steps: list[Step]
    acknowledged: list[Acknowledged] = field(default_factory=list)

    @property
    def clock(self) -> SystemClock:
        return SystemClock()

    def write(self, change: Change, work: Callable[[Session], T], /) -> T:
        def and_note(session: Session) -> tuple[T, int, str]:
            answer = work(session)
            assert session.pen is not None
            return answer, session.pen.seq, session.pen.hash

        answer, seq, digest = self.store.write(change, and_note)
        self.acknowledged.append(Acknowledged(len(self.steps), seq, digest))
        return answer

    def read(self, work: Callable[[Session], T], /) -> T:
        return self.store.read(work)

    def wait(self, seen: int, timeout: float) -> int:
        return self.store.wait(seen, timeout)

    def close(self) -> None:
        self.store.close()


def recorded(path: Path) -> tuple[list[Step], list[Acknowledged]]:
    """What a disk was told while a store was made and used, and what was acknowledged by when."""
    with recording("power", checkpoint_pages=CHECKPOINT_PAGES) as steps:
        witness = Witness(SqliteStore(str(path), SystemClock(), vfs="power"), steps)
        Record(witness).devices()
        threads = [threading.Thread(target=_work, args=(witness, number)) for number in range(len(DEVICES))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        until_now = list(steps)
        witness.close()
    return until_now, sorted(witness.acknowledged, key=lambda each: each.steps)


def _work(witness: Witness, number: int) -> None:
    """A client that submits, and a daemon that carries out, on a device of their own."""
    record, device = Record(witness, seed=number), DEVICES[number]
    _, names = record.submit(campaign_plan(f"campaign-{number}"))
    record.carry_out(names["teacher-1"], device)
    for run in record.singles(RUNS_OF_A_THREAD):
        record.carry_out(run, device, how="lose", then="requeue")
        record.carry_out(run, device)
        record.note("x" * 300)
