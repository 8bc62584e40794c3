"""What live attempts use, on record."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from overnight.daemon.placing import claimed_again
from overnight.daemon.settle import Fact
from overnight.daemon.usage import EVERY, Usages
from overnight.domain.nouns import Attempt
from overnight.domain.plan import CellPlan
from overnight.planner.fit import FreeDevice
from overnight.store import runs, usages
from overnight.store.base import SYSTEM
from overnight.targets.base import Alive, News, Offer, Unknown, Use
from tests.daemon.stage import Stage

GPU = "here/GPU-a"


class Meter(Stage):
    """A stage with one run whose use is told."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.usages = Usages()
        self.submit(self.sweep("s", CellPlan("r", {}, "true")))
        self.start("r")
        self.attempt = self.store.read(lambda session: runs.attempts(session, self.runs()["r"].id))[0]
        self.claims = {self.attempt.id: self.store.read(lambda s: claimed_again(s, self.world, self.attempt))}

    def tell(self, seen: Any, attempt: Attempt | None = None) -> dict[str, Any] | None:
        """The host says so; returns what is on record."""
        it = attempt or self.attempt
        facts = [Fact(News(it.id, it.fence, seen))]
        now = self.clock.boot()
        self.store.write(SYSTEM, lambda session: self.usages.take_in(session, facts, self.claims, now))
        return self.store.read(lambda session: usages.of_run(session, it.run_id)).get(it.id)


@pytest.fixture
def meter(tmp_path: Path) -> Iterator[Meter]:
    made = Meter(tmp_path)
    yield made
    made.store.close()


def use(seconds: float) -> Alive:
    return Alive(1, None, "b", Use(seconds, 100, 200, 3))


def test_the_newest_is_kept_but_not_more_often_than_it_is_looked_at(meter: Meter) -> None:
    kept = meter.tell(use(1.0))
    assert kept is not None
    assert (kept["cpu_seconds"], kept["rss_bytes"], kept["peak_rss_bytes"], kept["processes"]) == (1.0, 100, 200, 3)
    assert (kept["at"], kept["gpu_utilisation"], kept["gpu_memory_mib"]) == (meter.clock.wall(), None, None)
    meter.clock.advance(EVERY - 1)
    assert meter.tell(use(2.0)) == kept
    meter.clock.advance(1)
    newer = meter.tell(use(3.0))
    assert newer is not None
    assert newer["cpu_seconds"] == 3.0


@pytest.mark.parametrize("seen", [Unknown("no answer"), Alive(), Alive(1, None, "b")])
def test_what_says_nothing_of_its_use_changes_nothing(meter: Meter, seen: Any) -> None:
    assert meter.tell(seen) is None


def test_gpus_that_it_holds_are_told_with_it(meter: Meter) -> None:
    device = Offer(GPU, "gpu", 0, "GPU-a", "H100", 80_000, None, None, 5_000, False, {meter.attempt.id: 4_000}, 75)
    meter.usages.note({"here": [device, Offer("here/slot0", "slot", 0, None, "slot", 0, None, None)]})
    held = FreeDevice(GPU, "gpu", 0, 80_000, "H100")
    meter.claims[meter.attempt.id] = replace(meter.claims[meter.attempt.id], devices=[held])
    kept = meter.tell(use(1.0))
    assert kept is not None
    assert (kept["gpu_utilisation"], kept["gpu_memory_mib"]) == (75.0, 4_000)
