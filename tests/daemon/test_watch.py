"""Watching attempts that live: on a real record with real files and a clock that the test moves, and on real jobs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from overnight.daemon.launches import Claimed
from overnight.daemon.placing import claimed_again
from overnight.daemon.watch import AT_ONCE, Found, Watch
from overnight.domain.nouns import Attempt
from overnight.domain.plan import CellPlan
from overnight.domain.reasons import Mark
from overnight.domain.states import ATTEMPT
from overnight.planner.fit import FreeDevice
from overnight.store import questions, runs
from overnight.store.base import SYSTEM
from overnight.store.moves import move
from overnight.store.verify import verify
from overnight.targets.base import Offer
from tests.daemon.stage import Stage

GPU = FreeDevice("here/GPU-0", "gpu", 0, 80_000, "H100")


class Watchtower(Stage):
    """A stage on which runs live in folders of their own, and somebody watches them."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.watch = Watch()
        self.claims: dict[str, Claimed] = {}
        self.world.reachable.add("here")

    def begin(self, name: str, **settings: Any) -> Attempt:
        """A run of a sweep with these settings starts, and its process is seen."""
        cell = settings.pop("cell", CellPlan(name, {}, "true"))
        self.submit(self.sweep(name, cell, **{"stale_after": None, **settings}), name=name)
        run = self.runs()[name]
        folder = self.folder(name)
        folder.mkdir(parents=True)
        (folder / "log").touch()
        claim = {"target": "here", "folder": str(folder), "devices": []}
        self.store.write(SYSTEM, lambda session: runs.claim(session, run.id, 1, **claim))
        attempt = self.attempt(name)
        self.store.write(SYSTEM, lambda s: move(s, ATTEMPT, attempt.id, "confirm", fence=attempt.fence, run=run.id))
        started = {"started_at": self.clock.wall(), "now": self.clock.wall(), "pid": 4711, "boot_id": "b"}
        self.store.write(SYSTEM, lambda s: s.rows("attempt_started", id=attempt.id, fence=attempt.fence, **started))
        self.claims[attempt.id] = self.store.read(lambda s: claimed_again(s, self.world, attempt))
        return self.attempt(name)

    def folder(self, name: str) -> Path:
        return self.work.parent / "runs" / name

    def attempt(self, name: str) -> Attempt:
        run = self.runs()[name].id
        return self.store.read(lambda session: runs.attempts(session, run))[-1]

    def look(self) -> list[Found]:
        """One look at those whose turn it is."""
        now = self.clock.boot()
        self.watch.send(self.world, self.claims, now)
        return self.watch.judge(self.world, [it for done in self.world.errands.take() for it in done.value], now)

    def turn(self) -> bool:
        """Look, and put on record what is found; returns whether an end was ordered."""
        found = self.look()
        return bool(found) and self.store.write(SYSTEM, lambda session: self.watch.take_in(session, found))

    def live(self, seconds: float) -> bool:
        """Time passes as it does for the loop: turn by turn. Returns whether an end was ordered."""
        end, ordered = self.clock.boot() + seconds, False
        while (now := self.clock.boot()) < end:
            due = self.watch.next(self.claims, now)
            self.clock.advance(min(max(due - now, 0.001), end - now))
            ordered = self.turn() or ordered
        return ordered

    def marks(self, name: str) -> dict[str, str]:
        run = self.runs()[name].id
        return {row[1]: row[2] for row in self.store.read(lambda s: s.rows("marks_of_run", run_id=run))}

    def alerts(self) -> list[tuple[str, str]]:
        return [(it["alert"], it["title"]) for it in self.events("alert.raise")]

    def assert_verified(self) -> None:
        report = verify(self.store)
        assert not report.violations, report.violations


@pytest.fixture
def tower(tmp_path: Path) -> Iterator[Watchtower]:
    made = Watchtower(tmp_path)
    yield made
    made.store.close()


def test_a_run_beyond_twice_its_estimate_is_called_slow_once_and_lives(tower: Watchtower) -> None:
    tower.begin("a", estimate=60.0)
    tower.live(119)
    assert tower.marks("a") == {}
    tower.live(600)
    assert list(tower.marks("a")) == [Mark.SLOW]
    assert tower.alerts() == [("slow", "a is slow")]
    assert (tower.states()["a"], tower.attempt("a").state) == ("running", "running")
    tower.assert_verified()


def test_a_cell_may_have_an_estimate_of_its_own(tower: Watchtower) -> None:
    tower.begin("a", estimate=6000.0, cell=CellPlan("a", {}, "true", estimate=10.0))
    tower.live(60)
    assert list(tower.marks("a")) == [Mark.SLOW]


def test_a_run_that_was_slow_before_the_server_started_is_called_slow_at_once(tower: Watchtower) -> None:
    tower.begin("a", estimate=60.0)
    tower.clock.advance(3600)
    tower.live(21)
    assert list(tower.marks("a")) == [Mark.SLOW]


def test_a_run_whose_log_and_files_are_still_is_called_silent_once_and_lives(tower: Watchtower) -> None:
    tower.begin("a", stale_after=100.0)
    tower.live(100)
    assert tower.marks("a") == {}
    tower.live(1000)
    assert list(tower.marks("a")) == [Mark.SILENT]
    assert tower.alerts() == [("silent", "a is silent")]
    asked = tower.store.read(lambda session: questions.latest(session, 10))
    assert [(it.rule, it.choices, it.attempt) for it in asked] == [("silent", ("Ignore", "Stop run"), 1)]
    assert tower.attempt("a").state == "running"


def test_a_restarted_server_says_nothing_twice(tower: Watchtower) -> None:
    tower.begin("a", stale_after=100.0)
    tower.live(1000)
    tower.watch = Watch()
    tower.live(1000)
    assert tower.alerts() == [("silent", "a is silent")]
    asked = tower.store.read(lambda session: questions.latest(session, 10))
    assert [(it.rule, it.choices, it.attempt) for it in asked] == [("silent", ("Ignore", "Stop run"), 1)]


def test_what_may_not_have_reached_the_record_is_said_again(tower: Watchtower) -> None:
    tower.begin("a", stale_after=100.0)
    tower.live(1000)
    tower.watch.forget()
    tower.clock.advance(50)
    assert tower.look()


@pytest.mark.parametrize("moving", ["log", "checkpoint", "below/checkpoint", "../../work/out/model"])
def test_a_frozen_log_with_an_advancing_checkpoint_is_no_stall(tower: Watchtower, moving: str) -> None:
    cell = CellPlan("a", {}, "true", outputs=("out/*",))
    tower.begin("a", stale_after=100.0, hang=100.0, cell=cell)
    path = tower.folder("a") / moving
    path.parent.mkdir(exist_ok=True, parents=True)
    for step in range(20):
        path.write_text("x" * step, encoding="ascii")
        assert not tower.live(60)
    assert tower.alerts() == []
    assert tower.live(200)


def test_a_hang_is_ended_where_it_was_declared_and_its_run_goes_on(tower: Watchtower) -> None:
    attempt = tower.begin("a", hang=100.0)
    tower.begin("b")
    assert not tower.live(100)
    assert tower.live(100)
    assert (tower.states()["a"], tower.states()["b"]) == ("running", "running")
    ended = tower.attempt("a")
    assert ended.state == "stopping"
    assert ended.detail == "hang: no output and no progress for 100 s"
    (order,) = tower.events("attempt.order_stop")
    assert (order["reason"], order["run"]) == ("hang", attempt.run_id)
    assert tower.alerts() == [("hang", "a hangs and is stopped")]
    assert not tower.live(1000)
    tower.assert_verified()


def test_a_restarted_server_counts_stillness_anew(tower: Watchtower) -> None:
    tower.begin("a", hang=100.0)
    for _ in range(10):
        assert not tower.live(90)
        tower.watch = Watch()


@pytest.mark.parametrize("jump", [1e8, -1e8])
def test_a_clock_that_is_set_ends_nothing(tower: Watchtower, jump: float) -> None:
    tower.begin("a", hang=100.0, stale_after=100.0, estimate=1000.0)
    tower.live(50)
    tower.clock.jump(jump)
    assert not tower.live(40)
    assert tower.alerts() == []


def test_a_machine_that_slept_ends_nothing(tower: Watchtower) -> None:
    tower.begin("a", hang=1000.0)
    tower.live(50)
    tower.clock.advance(30_000)
    assert not tower.live(800)


def test_nothing_is_said_of_an_attempt_that_has_ended_meanwhile(tower: Watchtower) -> None:
    attempt = tower.begin("a", hang=100.0, stale_after=100.0)
    tower.live(110)
    tower.clock.advance(30)
    found = tower.look()
    assert len(found) == 2
    outcome = {"reason": "ok", "code": 0}
    tower.store.write(SYSTEM, lambda session: runs.end_attempt(session, attempt, "exit", outcome))
    assert not tower.store.write(SYSTEM, lambda session: tower.watch.take_in(session, found))
    assert tower.alerts() == []


def test_nothing_is_said_of_attempts_on_a_target_that_does_not_answer(tower: Watchtower) -> None:
    tower.begin("a", hang=100.0, estimate=1.0)
    tower.world.reachable.clear()
    assert not tower.live(1000)
    assert tower.alerts() == []


def test_of_many_attempts_each_is_looked_at(tower: Watchtower) -> None:
    for number in range(AT_ONCE + 5):
        tower.begin(f"r{number}", stale_after=100.0)
    tower.live(300)
    assert sorted(title for _, title in tower.alerts()) == sorted(
        f"r{number} is silent" for number in range(AT_ONCE + 5)
    )


def test_nobody_is_watched_any_more_after_the_end(tower: Watchtower) -> None:
    tower.begin("a", stale_after=100.0)
    tower.live(50)
    tower.claims.clear()
    assert tower.watch.next(tower.claims, tower.clock.boot()) == float("inf")
    assert tower.watch.due == {}


@pytest.mark.parametrize(
    ("utilisation", "marks"), [(0, [Mark.IDLE]), (4, [Mark.IDLE]), (5, []), (None, [])], ids=["0", "4", "5", "unknown"]
)
def test_a_run_whose_gpus_idle_is_said_to_be_idle(
    tower: Watchtower, utilisation: int | None, marks: list[Mark]
) -> None:
    attempt = tower.begin("a", stale_after=100.0)
    claimed = tower.claims[attempt.id]
    tower.claims[attempt.id] = replace(claimed, devices=[GPU])
    offer = Offer(GPU.id, "gpu", 0, "u", "H100", 80_000, None, None, utilisation=utilisation)
    for step in range(20):
        (tower.folder("a") / "log").write_text("x" * step, encoding="ascii")
        tower.watch.note({"here": [offer]}, tower.clock.boot())
        tower.live(15)
    assert list(tower.marks("a")) == marks


def test_what_was_read_of_a_gpu_long_ago_says_nothing_about_now(tower: Watchtower) -> None:
    attempt = tower.begin("a", stale_after=1000.0)
    claimed = tower.claims[attempt.id]
    tower.claims[attempt.id] = replace(claimed, devices=[GPU])
    idle = Offer(GPU.id, "gpu", 0, "u", "H100", 80_000, None, None, utilisation=0)
    tower.watch.note({"here": [idle]}, tower.clock.boot())
    for step in range(200):
        (tower.folder("a") / "log").write_text("x" * step, encoding="ascii")
        tower.live(15)
    assert tower.marks("a") == {}
