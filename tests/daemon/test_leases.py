"""Leases as the loop has them: by the clock of this server, from the last beat that it answered."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from overnight.daemon.launches import Claimed
from overnight.daemon.leases import Leases, Tenants
from overnight.daemon.placing import claimed_again
from overnight.daemon.settle import Fact, settle
from overnight.domain.nouns import Attempt
from overnight.domain.plan import CellPlan
from overnight.domain.reasons import Reason
from overnight.planner.lease import GRACE_SECONDS
from overnight.store import runs
from overnight.store.base import SYSTEM
from overnight.store.verify import verify
from overnight.targets.base import Dead, News
from tests.daemon.stage import Stage

TERM = 900.0 + GRACE_SECONDS


class Post(Stage):
    """A stage with runs on a host that may not be heard."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.leases = Leases()
        self.claims: dict[str, Claimed] = {}
        self.host: Any = SimpleNamespace(renewed=None)
        self.world.places["here"] = replace(self.world.places["here"], target=self.host)

    def begin(self, policy: str, lease: float | None = 900.0) -> Attempt:
        name = f"{policy} {lease}"
        self.submit(self.sweep(name, CellPlan(name, {}, "true"), on_disconnect=policy), name=name)
        run = self.runs()[name]
        claim = {"target": "here", "folder": f"/f/{run.id}", "devices": [], "lease": lease}
        self.store.write(SYSTEM, lambda session: runs.claim(session, run.id, run.attempts + 1, **claim))
        attempt = self.store.read(lambda session: runs.attempts(session, run.id))[-1]
        self.claims[attempt.id] = self.store.read(lambda session: claimed_again(session, self.world, attempt))
        return attempt

    def dead(self) -> list[News]:
        return self.leases.look(self.world, Tenants(self.claims), self.clock.boot())

    def wait(self, seconds: float) -> None:
        self.clock.advance(seconds)


@pytest.fixture
def post(tmp_path: Path) -> Iterator[Post]:
    made = Post(tmp_path)
    yield made
    assert verify(made.store).ok
    made.store.close()


def test_a_run_is_dead_one_term_after_the_last_beat_and_queued_again(post: Post) -> None:
    attempt = post.begin("requeue")
    assert post.dead() == []
    post.wait(500.0)
    post.host.renewed = post.clock.boot()
    post.wait(TERM - 1.0)
    assert post.dead() == []
    assert post.leases.next(post.world, Tenants(post.claims), post.clock.boot()) == pytest.approx(
        post.clock.boot() + 1.0
    )
    post.wait(1.0)
    news = post.dead()
    assert [(it.attempt, it.fence) for it in news] == [(attempt.id, attempt.fence)]
    post.store.write(SYSTEM, lambda session: settle(session, [Fact(it) for it in news]))
    run = post.runs()["requeue 900.0"]
    assert (run.state, run.reason) == ("queued", Reason.LEASE_LOST)
    lost = [it for it in post.events("attempt.lose") if "lease" in it]
    assert lost[0]["lease"]["lease"] == 900.0


def test_a_run_that_is_not_to_be_tried_again_fails(post: Post) -> None:
    post.begin("kill")
    post.dead()
    post.wait(TERM)
    news = post.dead()
    post.store.write(SYSTEM, lambda session: settle(session, [Fact(it) for it in news]))
    run = post.runs()["kill 900.0"]
    assert (run.state, run.reason) == ("failed", Reason.LEASE_LOST)


def test_a_held_run_is_never_called_dead(post: Post) -> None:
    post.begin("hold", None)
    post.dead()
    post.wait(1e9)
    assert post.dead() == []
    assert post.leases.next(post.world, Tenants(post.claims), post.clock.boot()) == float("inf")


def test_a_new_server_waits_for_a_whole_term(post: Post) -> None:
    post.begin("requeue")
    post.dead()
    post.wait(TERM)
    post.leases = Leases()
    assert post.dead() == []
    post.wait(TERM)
    assert len(post.dead()) == 1


def test_a_target_that_is_configured_no_more_is_not_heard(post: Post) -> None:
    post.begin("requeue")
    del post.world.places["here"]
    post.dead()
    post.wait(TERM)
    assert isinstance(post.dead()[0].seen, Dead)
