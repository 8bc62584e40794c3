"""A run that ended well on another machine succeeds when what it left is here, whatever happens in between."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from overnight.daemon.errands import Done, Key, carried_out
from overnight.daemon.fetching import AT_ONCE, FIRST_PAUSE, KIND, LATE_SECONDS, LONGEST_PAUSE, Fetches
from overnight.daemon.settle import Fact, settle
from overnight.daemon.world import Place, World
from overnight.domain.fetch import MANIFEST, Fetch
from overnight.domain.nouns import Attempt, Run
from overnight.domain.plan import CellPlan, SweepNeed
from overnight.domain.reasons import Reason
from overnight.domain.states import ATTEMPT
from overnight.service import consequences
from overnight.service.steer import cancel_idle
from overnight.store import fetches, runs, targets
from overnight.store.base import SYSTEM, Session
from overnight.store.moves import move
from overnight.store.verify import verify
from overnight.targets.base import Absent, Dead, Ended, Evidence, News, Seen
from tests.daemon.box import FolderBox
from tests.daemon.stage import PERSON, Stage

WELL = {"reason": "exited", "code": 0, "started_at": 1.0, "ended_at": 2.0}
FAILED = {**WELL, "code": 1}


class Reached:
    """A target whose connection is a number."""

    generation = 1


@dataclass(slots=True)
class Errands:
    """Carried out when a test says so."""

    sent: dict[Key, Callable[[], Any]] = field(default_factory=dict)

    def send(self, line: str, key: Key, call: Callable[[], Any], *, near: bool = False) -> bool:
        assert not near
        assert key[2] in line, "each copy has a line of its own"
        self.sent[key] = call
        return True

    def under_way(self, kind: str) -> frozenset[Key]:
        return frozenset(key for key in self.sent if key[0] == kind)

    def take(self) -> Sequence[Done]:
        done = [carried_out(key, call) for key, call in self.sent.items()]
        self.sent.clear()
        return done


class Scene(Stage):
    """A campaign of runs on `box`, a machine that is a folder of this one."""

    def __init__(self, folder: Path) -> None:
        self.box = FolderBox()
        super().__init__(folder, self.box)
        self.folder, self.copies = folder, folder / "home" / "runs"
        self.target, self.errands, self.fetches = Reached(), Errands(), Fetches()
        place = Place(self.target, self.box, folder / "box", None, near=False)  # type: ignore[arg-type]
        places = {"here": self.world.places["here"], "box": place}
        self.world = World(
            self.store, places, self.clock, random.Random(1), {"here", "box"}, errands=self.errands, copies=self.copies
        )
        self.store.write(PERSON, lambda s: targets.add(s, "box", {"ssh": "box"}, "file"))

    def begin(self, name: str, target: str = "box") -> Attempt:
        run = self.runs()[name]
        folder = self.folder / "box" / run.id / str(run.attempts + 1)
        folder.mkdir(parents=True)
        (folder / "log").write_text(f"{name} said this")
        placed = {"target": target, "folder": str(folder), "devices": []}
        self.store.write(SYSTEM, lambda s: runs.claim(s, run.id, run.attempts + 1, **placed))
        return self.store.read(lambda s: runs.attempts(s, run.id))[-1]

    def over(self, attempt: Attempt, seen: Seen) -> None:
        fact = Fact(News(attempt.id, attempt.fence, seen), Evidence({"loss": 0.5}, ()))
        self.write(lambda s: settle(s, [fact], self.world.collected).ended)
        self.fetches.expect(self.clock.boot())

    def end(self, name: str, seen: Seen | None = None, target: str = "box") -> Attempt:
        attempt = self.begin(name, target)
        self.over(attempt, seen or Ended(WELL))
        return attempt

    def write(self, work: Callable[[Session], list[consequences.EndedRun]]) -> None:
        self.store.write(SYSTEM, lambda s: consequences.follow(s, work(s)))

    def turn(self) -> None:
        """Copies are begun, come to their ends, and are taken in."""
        self.fetches.send(self.world, self.clock.boot())
        came = self.errands.take()
        self.write(lambda s: self.fetches.take_in(s, self.world, came, self.clock.boot()))

    def fetch(self, attempt: Attempt) -> Fetch | None:
        return self.store.read(lambda s: fetches.get(s, attempt.id))

    def expected(self, attempt: Attempt) -> Fetch:
        found = self.fetch(attempt)
        assert found is not None
        return found

    def copy(self, attempt: Attempt) -> Path:
        return self.copies / attempt.run_id / str(attempt.number)

    def run(self, name: str) -> Run:
        return self.runs()[name]


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    scene = Scene(tmp_path)
    yield scene
    report = verify(scene.store)
    assert report.ok, report.violations


def cells(*names: str) -> list[CellPlan]:
    return [CellPlan(name, {}, "true") for name in names]


def test_a_run_succeeds_when_what_it_left_is_here(scene: Scene) -> None:
    study = scene.submit(
        scene.sweep("first", *cells("a")), scene.sweep("second", *cells("b"), needs=(SweepNeed("first"),))
    )
    attempt = scene.end("a")
    run = scene.run("a")
    assert (run.state, run.ended_at) == ("collecting", None)
    assert scene.store.read(lambda s: runs.results(s, run.id)) == {"loss": 0.5}
    assert scene.states()["b"] == "waiting"
    assert scene.state(study) == "active"
    scene.turn()
    assert scene.states() == {"a": "succeeded", "b": "queued"}
    assert scene.run("a").ended_at == scene.clock.wall()
    assert (scene.copy(attempt) / "log").read_text() == "a said this"
    assert (scene.copy(attempt) / MANIFEST).is_file()
    done = scene.expected(attempt)
    assert (done.state, done.files, done.bytes) == ("done", 1, len("a said this"))


def test_what_a_failed_attempt_left_comes_too_and_holds_nothing_back(scene: Scene) -> None:
    scene.submit(scene.sweep("s", *cells("a", "b")))
    failed, lost = scene.end("a", Ended(FAILED)), scene.end("b", Dead("rebooted"))
    assert scene.states() == {"a": "failed", "b": "queued"}
    scene.turn()
    assert {scene.expected(it).state for it in (failed, lost)} == {"done"}
    assert (scene.copy(failed) / "log").read_text() == "a said this"


def test_nothing_is_expected_of_an_attempt_that_was_kept_off_its_device(scene: Scene) -> None:
    scene.submit(scene.sweep("s", *cells("a")))
    attempt = scene.end("a", Ended({**FAILED, "reason": "device_held", "detail": "by ada"}))
    assert scene.states() == {"a": "queued"}
    assert scene.fetch(attempt) is None


def test_nothing_is_expected_of_an_attempt_of_which_its_host_knows_nothing(scene: Scene) -> None:
    scene.submit(scene.sweep("s", *cells("a")))
    attempt = scene.begin("a")
    scene.store.write(SYSTEM, lambda s: move(s, ATTEMPT, attempt.id, "confirm", fence=attempt.fence))
    scene.over(attempt, Absent())
    assert scene.states() == {"a": "queued"}
    assert scene.fetch(attempt) is None


def test_a_run_of_this_machine_succeeds_at_once(scene: Scene) -> None:
    scene.submit(scene.sweep("s", *cells("a")))
    attempt = scene.end("a", target="here")
    assert scene.states() == {"a": "succeeded"}
    assert scene.fetch(attempt) is None


def test_a_host_that_is_not_reached_is_not_asked(scene: Scene) -> None:
    scene.submit(scene.sweep("s", *cells("a")))
    attempt = scene.end("a")
    scene.world.reachable.discard("box")
    scene.turn()
    assert scene.box.listed == 0
    assert scene.expected(attempt).tries == 0
    scene.world.reachable.add("box")
    scene.turn()
    assert scene.states() == {"a": "succeeded"}


def test_a_copy_that_fails_for_now_is_tried_again_ever_more_seldom(scene: Scene) -> None:
    scene.submit(scene.sweep("s", *cells("a")))
    attempt = scene.end("a")
    scene.box.cut = lambda: True
    pauses = []
    for _ in range(8):
        scene.turn()
        found = scene.expected(attempt)
        assert found.not_before is not None
        pauses.append(found.not_before - scene.clock.wall())
        assert (found.state, found.problem) == ("pending", "the link is cut")
        listed = scene.box.listed
        scene.turn()
        assert scene.box.listed == listed
        scene.clock.advance(pauses[-1])
    assert pauses[:3] == [FIRST_PAUSE, 2 * FIRST_PAUSE, 4 * FIRST_PAUSE]
    assert pauses[-1] == LONGEST_PAUSE
    assert scene.states() == {"a": "collecting"}
    scene.box.cut = lambda: False
    scene.turn()
    assert scene.states() == {"a": "succeeded"}


def test_a_host_that_is_reached_anew_is_asked_without_waiting(scene: Scene) -> None:
    scene.submit(scene.sweep("s", *cells("a")))
    scene.end("a")
    scene.box.cut = lambda: True
    scene.turn()
    scene.box.cut = lambda: False
    scene.target.generation += 1
    scene.turn()
    scene.turn()
    assert scene.states() == {"a": "succeeded"}


def test_people_are_told_once_of_what_does_not_come(scene: Scene) -> None:
    scene.submit(scene.sweep("s", *cells("a", "b")))
    oldest = scene.end("a")
    scene.clock.advance(1)
    scene.end("b")
    scene.box.cut = lambda: True
    for _ in range(30):
        scene.turn()
        scene.clock.advance(LATE_SECONDS / 10)
    alerts = [it for it in scene.events("alert.raise") if it["alert"] == "sync"]
    assert [it["title"] for it in alerts] == ["what a left on box has not come"]
    row = scene.store.read(lambda s: s.connection.execute("SELECT subject, detail FROM alerts WHERE kind = 'sync'"))
    assert row[0][0] == oldest.id
    assert "the link is cut" in row[0][1]


def test_people_are_told_of_what_a_lost_machine_keeps(scene: Scene) -> None:
    scene.submit(scene.sweep("s", *cells("a")))
    scene.end("a")
    scene.world.reachable.discard("box")
    scene.clock.advance(LATE_SECONDS + 1)
    scene.turn()
    assert [it["title"] for it in scene.events("alert.raise")] == ["what a left on box has not come"]


def test_a_run_whose_files_cannot_come_whole_fails(scene: Scene) -> None:
    scene.submit(scene.sweep("first", *cells("a")), scene.sweep("second", *cells("b"), needs=(SweepNeed("first"),)))
    attempt = scene.end("a")
    scene.box.lie = lambda _, data: data.upper()
    scene.turn()
    run = scene.run("a")
    assert (run.state, run.reason) == ("failed", Reason.SYNC_FAILED)
    assert run.detail is not None
    assert run.detail.startswith("what it left on box: log was another one")
    assert scene.states()["b"] == "blocked"
    assert scene.expected(attempt).state == "failed"
    assert "stuck" in [it["alert"] for it in scene.events("alert.raise")]


def test_a_run_that_is_cancelled_meanwhile_stays_so(scene: Scene) -> None:
    study = scene.submit(scene.sweep("s", *cells("a")))
    attempt = scene.end("a")
    run = scene.run("a")
    scene.store.write(PERSON, lambda s: cancel_idle(s, run.sweep_id, [run.id]))
    scene.turn()
    assert scene.states() == {"a": "cancelled"}
    assert scene.state(study) == "cancelled"
    assert scene.expected(attempt).state == "done"


def test_a_result_that_comes_after_a_retry_is_that_of_the_old_attempt(scene: Scene) -> None:
    scene.submit(scene.sweep("s", *cells("a")))
    old = scene.end("a", Dead("rebooted"))
    new = scene.end("a")
    scene.world.reachable.discard("box")
    scene.box.cut = lambda: False
    scene.world.reachable.add("box")
    scene.fetches.send(scene.world, scene.clock.boot())
    came = {done.key[2]: done for done in scene.errands.take()}
    scene.write(lambda s: scene.fetches.take_in(s, scene.world, [came[old.id]], 0.0))
    assert scene.states() == {"a": "collecting"}
    scene.write(lambda s: scene.fetches.take_in(s, scene.world, [came[new.id]], 0.0))
    assert scene.states() == {"a": "succeeded"}


def test_a_few_are_copied_at_once_and_the_oldest_first(scene: Scene) -> None:
    names = [f"r{number}" for number in range(AT_ONCE + 2)]
    scene.submit(scene.sweep("s", *cells(*names)))
    made = []
    for name in names:
        made.append(scene.end(name).id)
        scene.clock.advance(1)
    scene.fetches.send(scene.world, scene.clock.boot())
    assert sorted(key[2] for key in scene.errands.under_way(KIND)) == sorted(made[:AT_ONCE])
    scene.fetches.expect(0.0)
    scene.fetches.send(scene.world, scene.clock.boot())
    assert len(scene.errands.under_way(KIND)) == AT_ONCE
    scene.turn()
    scene.turn()
    assert set(scene.states().values()) == {"succeeded"}


def test_what_was_copied_before_a_crash_is_taken_in_after_it(scene: Scene) -> None:
    """The server dies between the copy and the record of it: the next one asks the machine for nothing."""
    scene.submit(scene.sweep("s", *cells("a")))
    scene.end("a")
    scene.fetches.send(scene.world, scene.clock.boot())
    assert scene.errands.take()
    scene.fetches, listed = Fetches(), scene.box.listed
    scene.turn()
    assert scene.states() == {"a": "succeeded"}
    assert scene.box.listed == listed


def test_an_error_that_nobody_foresaw_fails_nothing(scene: Scene) -> None:
    scene.submit(scene.sweep("s", *cells("a")))
    attempt = scene.end("a")
    scene.fetches.send(scene.world, scene.clock.boot())
    scene.errands.sent = {key: lambda: 1 / 0 for key in scene.errands.sent}
    came = scene.errands.take()
    scene.write(lambda s: scene.fetches.take_in(s, scene.world, came, scene.clock.boot()))
    found = scene.expected(attempt)
    assert (found.state, found.tries, found.problem) == ("pending", 1, "ZeroDivisionError: division by zero")


def test_nothing_is_looked_for_while_there_is_nothing(scene: Scene) -> None:
    scene.turn()
    scene.turn()
    assert scene.fetches.next == float("inf")
    scene.submit(scene.sweep("s", *cells("a")))
    scene.end("a")
    assert scene.fetches.next <= scene.clock.boot()
    scene.turn()
    scene.turn()
    assert scene.fetches.next == float("inf")


def test_hostile_text_of_a_host_is_kept_as_text_that_a_database_takes(scene: Scene) -> None:
    scene.submit(scene.sweep("s", *cells("a")))
    attempt = scene.end("a")
    scene.box.extra = [{"root": "run", "path": "\udcff\0\x1b[31m", "problem": "x" * 10_000}]
    scene.turn()
    problem = scene.expected(attempt).problem
    assert problem is not None
    assert len(problem) <= 500
    assert problem.startswith("its host cannot read ???[31m: xxx")
