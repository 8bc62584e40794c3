"""Turns of the loop while errands to a machine take their time."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from overnight.daemon import asking
from overnight.daemon.asking import Observed
from overnight.daemon.errands import Done, Key
from overnight.daemon.launches import Claimed
from overnight.daemon.loop import Loop
from overnight.daemon.placing import claimed_again
from overnight.daemon.settle import Fact
from overnight.daemon.world import World
from overnight.domain.errors import Rejected, Unavailable
from overnight.domain.lease import HOLD
from overnight.domain.nouns import Attempt, Run
from overnight.domain.plan import CellPlan
from overnight.planner.lease import GRACE_SECONDS
from overnight.store import runs
from overnight.store.base import SYSTEM
from overnight.store.verify import verify
from overnight.targets.base import Alive, Ended, Evidence, Launch, News, Refused, Unknown
from tests.daemon.stage import Stage

LEASE = 900.0
TERM = LEASE + GRACE_SECONDS


@dataclass
class Slow:
    """Errands that come back when the test says so."""

    sent: list[Key] = field(default_factory=list)
    came: list[Done] = field(default_factory=list)

    def send(self, line: str, key: Key, call: Callable[[], Any], *, near: bool = False) -> bool:
        del line, call, near
        if key in self.sent:
            return False
        self.sent.append(key)
        return True

    def under_way(self, kind: str) -> frozenset[Key]:
        return frozenset(key for key in self.sent if key[0] == kind)

    def take(self) -> Sequence[Done]:
        came, self.came = self.came, []
        return came

    def back(self, kind: str, value: Any = None, error: Unavailable | None = None) -> None:
        """One of this kind comes back."""
        key = next(key for key in self.sent if key[0] == kind)
        self.sent.remove(key)
        self.came.append(Done(key, value, error))


class Far(Stage):
    """One attempt on a far machine, and the loop that has sent it."""

    def __init__(self, folder: Path, policy: str = "requeue") -> None:
        super().__init__(folder)
        self.errands = Slow()
        self.told: list[News] = []
        target: Any = SimpleNamespace(renewed=None, generation=1, offers=list, news=self._news, forget=lambda _: None)
        here = replace(self.world.places["here"], target=target, near=False)
        self.world = World(self.store, {"here": here}, self.clock, random.Random(1), errands=self.errands)
        self.submit(self.sweep("s", CellPlan("c", {}, "true"), on_disconnect=policy, lease=LEASE))
        run = self.run
        claim: dict[str, Any] = {"target": "here", "folder": "/f/R/1", "devices": []}
        lease = None if policy == HOLD else LEASE
        self.store.write(SYSTEM, lambda session: runs.claim(session, run.id, 1, lease=lease, **claim))
        self.loop = Loop(self.world)
        made = self.store.read(lambda session: claimed_again(session, self.world, self.attempt))
        self.loop.claims[made.attempt] = made
        self.made = made

    @property
    def run(self) -> Run:
        return self.runs()["c"]

    @property
    def attempt(self) -> Attempt:
        return self.store.read(lambda session: runs.attempts(session, self.run.id))[0]

    def _news(self) -> list[News]:
        told, self.told = self.told, []
        return told

    def ended(self) -> News:
        record = {"reason": "exited", "code": 0, "signal": None, "detail": "", "started_at": 1.0, "ended_at": 2.0}
        return News(self.made.attempt, self.made.fence, Ended(record))

    def wait(self, seconds: float) -> None:
        """Turns while time goes by."""
        for _ in range(10):
            self.clock.advance(seconds / 10)
            self.loop.turn()


@pytest.fixture
def far(tmp_path: Path) -> Iterator[Far]:
    made = Far(tmp_path)
    yield made
    assert verify(made.store).ok
    made.store.close()


def test_a_lease_does_not_end_while_files_are_on_their_way_and_nothing_is_started(far: Far) -> None:
    far.loop._send("here", [far.made])
    far.wait(5 * TERM)
    assert far.attempt.state == "launching"
    far.errands.back("start", [])
    far.wait(TERM - 1.0)
    assert far.attempt.state == "launching"
    far.wait(TERM)
    assert (far.attempt.state, far.run.state) == ("lost", "queued")


def test_an_end_that_was_told_counts_though_its_files_are_looked_at_after_the_lease(far: Far) -> None:
    far.loop.turn()
    far.clock.advance(TERM)
    far.told.append(far.ended())
    far.loop.turn()
    far.wait(TERM)
    far.errands.back("evidence", Fact(far.ended(), Evidence({}, ())))
    far.loop.turn()
    assert (far.attempt.state, far.run.state) == ("exited", "succeeded")


def test_when_the_files_of_an_end_cannot_be_looked_at_the_lease_ends(far: Far) -> None:
    far.loop.turn()
    far.clock.advance(TERM)
    far.told.append(far.ended())
    far.loop.turn()
    far.errands.back("evidence", error=Unavailable("cut"))
    far.wait(10.0)
    assert far.attempt.state == "lost"


def test_the_loop_does_not_listen_all_the_time_for_a_host_that_went_away(far: Far) -> None:
    far.loop._send("here", [far.made])
    far.errands.back("start", [])
    far.loop.turn()
    far.errands.back("observe", error=Unavailable("cut"))
    assert far.loop.turn() > 0.5


def test_news_of_the_only_attempt_is_waited_for(far: Far) -> None:
    far.loop._send("here", [far.made])
    far.errands.back("start", [])
    assert far.loop.turn() <= 0.05
    far.errands.back("observe", Observed(1, (News(far.made.attempt, far.made.fence, Alive(5, 1.0, "b")),)))
    far.loop.turn()
    assert far.attempt.state == "running"


def test_a_run_whose_files_cannot_be_brought_keeps_no_other_from_starting(far: Far) -> None:
    started: list[str] = []

    def stage(claimed: Claimed) -> Claimed:
        if claimed.number == 2:
            raise Unavailable("no room there")
        if claimed.number == 3:
            raise Rejected("its copy is gone")
        return claimed

    target: Any = SimpleNamespace(start=lambda launches: started.extend(it.attempt for it in launches))
    places = {"here": replace(far.world.places["here"], target=target, stage=stage)}
    world = replace(far.world, places=places)
    others = [replace(far.made, attempt=f"{far.made.run}.{number}", number=number) for number in (2, 3)]
    kept = asking.start(world, "here", [*others, far.made])
    assert started == [far.made.attempt]
    assert [type(it.seen) for it in kept] == [Unknown, Refused]


def test_a_job_is_given_its_token_on_the_machine_of_its_server_alone(far: Far) -> None:
    world = replace(far.world, variables=lambda _: {"OVERNIGHT_TOKEN": "canary", "OVERNIGHT_URL": "http://127.0.0.1:1"})
    here = replace(world, places={"here": replace(world.places["here"], near=True)})
    launches = [asking.launch(it, far.made) for it in (world, here)]
    found = [set(it.env) & {"OVERNIGHT_TOKEN", "OVERNIGHT_URL"} for it in launches if isinstance(it, Launch)]
    assert found == [set(), {"OVERNIGHT_TOKEN", "OVERNIGHT_URL"}]
