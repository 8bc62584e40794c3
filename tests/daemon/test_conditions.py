"""Runs that wait for files: released when these appear, skipped when there is nothing to do, blocked in the end."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from overnight.daemon import conditions
from overnight.domain.errors import Unavailable
from overnight.domain.plan import CellPlan, SweepNeed
from overnight.domain.reasons import Reason
from overnight.service import consequences
from overnight.store import campaigns, runs
from overnight.store.base import Session
from overnight.store.moves import move_runs
from overnight.store.updates import Replacement, replace_runs
from overnight.store.verify import verify
from overnight.targets.files import LocalFiles
from tests.daemon.stage import PERSON, Stage, done_by, missing, needing

FREE = CellPlan("free", {}, "true")


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    made = Stage(tmp_path)
    yield made
    assert verify(made.store).violations == ()
    made.store.close()


def test_a_run_is_released_when_every_path_that_it_requires_is_there(stage: Stage) -> None:
    stage.submit(stage.sweep("s", needing("a", "in.txt", "ckpt_*.pt"), FREE))
    stage.look()
    assert missing(stage.runs()["a"]) == ("precondition_missing", "in.txt, ckpt_*.pt are not there")
    (stage.work / "in.txt").touch()
    stage.look()
    assert missing(stage.runs()["a"]) == ("precondition_missing", "ckpt_*.pt is not there")
    (stage.work / "ckpt_7.pt").touch()
    stage.look()
    run = stage.runs()["a"]
    assert (run.state, run.reason, run.detail) == ("queued", None, None)


def test_files_are_not_looked_at_before_everything_else_is_met(stage: Stage) -> None:
    first = stage.sweep("first", FREE)
    stage.submit(first, stage.sweep("second", needing("a", "in.txt"), needs=(SweepNeed("first"),)))
    stage.look()
    assert missing(stage.runs()["a"]) == ()
    (stage.work / "in.txt").touch()
    stage.look()
    assert stage.states() == {"free": "queued", "a": "waiting"}


def test_what_is_done_already_is_skipped_and_what_needs_it_goes_on(stage: Stage) -> None:
    (stage.work / "a.json").write_text("1")
    teacher = stage.sweep("teachers", done_by("t", "a.json"))
    campaign = stage.submit(
        teacher,
        stage.sweep("students", CellPlan("s", {}, "true", needs=("t",)), needs=(SweepNeed("teachers", ("x",)),)),
    )
    assert stage.look()
    skipped = stage.runs()["t"]
    assert (skipped.state, skipped.reason, skipped.attempts) == ("succeeded", Reason.SKIPPED, 0)
    assert skipped.ended_at is not None
    assert stage.states()["s"] == "queued"
    assert stage.state(campaign) == "active"


def test_a_campaign_of_which_everything_is_done_ends_well(stage: Stage) -> None:
    (stage.work / "a.json").write_text("1")
    campaign = stage.submit(stage.sweep("s", done_by("a", "a.json"), done_by("b", "*.json")))
    stage.look()
    assert stage.state(campaign) == "succeeded"


@pytest.mark.parametrize("outputs", [("a.json", "b.json"), ("empty.json",), ("${run_dir}/a.json",), ()])
def test_what_is_not_done_runs(stage: Stage, outputs: tuple[str, ...]) -> None:
    (stage.work / "a.json").write_text("1")
    (stage.work / "empty.json").touch()
    stage.submit(stage.sweep("s", done_by("a", *outputs)))
    stage.look()
    assert stage.states() == {"a": "queued"}


def test_the_numbers_of_what_was_done_are_kept(stage: Stage) -> None:
    (stage.work / "a.json").write_text('{"accuracy": 0.5}')
    stage.submit(stage.sweep("s", done_by("a", "a.json")))
    stage.look()
    run = stage.runs()["a"]
    assert stage.store.read(lambda session: runs.results(session, run.id)) == {"accuracy": 0.5}


def retry(stage: Stage, name: str) -> None:
    run = stage.runs()[name].id

    def again(session: Session) -> None:
        assert move_runs(session, [run], "retry", subject=run)
        session.rows("run_reset", id=run)
        session.rows("conditions_retry", run_id=run)
        consequences.reopen(session, [run])
        consequences.survey(session)

    stage.store.write(PERSON, again)


def test_a_run_that_is_tried_again_is_not_skipped_by_what_it_wrote_itself(stage: Stage) -> None:
    (stage.work / "a.json").write_text("1")
    stage.submit(stage.sweep("s", done_by("a", "a.json")))
    stage.look()
    retry(stage, "a")
    stage.look()
    assert stage.states() == {"a": "queued"}


def test_what_is_required_is_looked_at_again_when_a_run_is_tried_again(stage: Stage) -> None:
    stage.submit(stage.sweep("s", needing("a", "in.txt")))
    stage.look()
    assert stage.states() == {"a": "blocked"}
    retry(stage, "a")
    assert stage.states() == {"a": "waiting"}
    (stage.work / "in.txt").touch()
    stage.look()
    assert stage.states() == {"a": "queued"}


def test_a_run_is_blocked_when_nothing_else_of_its_campaign_can_run(stage: Stage) -> None:
    campaign = stage.submit(
        stage.sweep("first", needing("a", "in.txt"), needing("b", "b.txt")),
        stage.sweep("second", CellPlan("c", {}, "true", needs=("a",)), needs=(SweepNeed("first", ("x",)),)),
    )
    assert stage.look()
    found = stage.runs()
    assert {name: (run.state, run.detail) for name, run in found.items()} == {
        "a": ("blocked", "in.txt is not there"),
        "b": ("blocked", "b.txt is not there"),
        "c": ("blocked", "a is blocked"),
    }
    assert found["a"].reason == Reason.PRECONDITION_MISSING
    assert stage.state(campaign) == "failed"


@pytest.mark.parametrize("started", [False, True])
def test_a_run_waits_as_long_as_others_can_run(stage: Stage, started: bool) -> None:
    stage.submit(stage.sweep("s", needing("a", "in.txt"), FREE))
    stage.submit(stage.sweep("s", needing("b", "in.txt")), name="other")
    if started:
        stage.start("free")
    stage.look()
    stage.look()
    assert stage.states()["a"] == "waiting"
    assert stage.states()["b"] == "blocked"


def test_nothing_of_a_paused_campaign_is_blocked(stage: Stage) -> None:
    campaign = stage.submit(stage.sweep("s", needing("a", "in.txt")))
    stage.pause(campaign)
    stage.look()
    assert stage.states() == {"a": "waiting"}
    stage.pause(campaign, "resume")
    stage.look()
    assert stage.states() == {"a": "blocked"}


def test_queued_runs_behind_a_barrier_do_not_keep_the_phase_before_waiting_for_ever(stage: Stage) -> None:
    first = stage.sweep("first", needing("a", "in.txt"))
    stage.submit(first, stage.sweep("second", CellPlan("b", {}, "true"), barrier=True))
    stage.look()
    assert stage.states() == {"a": "blocked", "b": "queued"}


def test_the_declared_wait_begins_when_nothing_else_can_run(stage: Stage) -> None:
    stage.submit(stage.sweep("s", needing("a", "in.txt"), precondition_wait=60.0))
    stage.look()
    stage.clock.advance(59)
    stage.look()
    assert stage.states() == {"a": "waiting"}
    stage.clock.advance(1)
    stage.look()
    assert stage.states() == {"a": "blocked"}


def test_a_clock_that_is_set_back_makes_nobody_wait_for_years(stage: Stage) -> None:
    stage.submit(stage.sweep("s", needing("a", "in.txt"), precondition_wait=60.0))
    stage.look()
    stage.clock.jump(-1e8)
    stage.look()
    stage.clock.advance(60)
    stage.look()
    assert stage.states() == {"a": "blocked"}


def test_nobody_is_blocked_before_all_that_could_start_were_looked_at(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(conditions, "AT_ONCE", 2)
    stage.submit(stage.sweep("s", *(needing(name, f"{name}.txt") for name in "abc")))
    (stage.work / "c.txt").touch()
    stage.look()
    assert set(stage.states().values()) == {"waiting"}
    stage.look()
    assert stage.states() == {"a": "waiting", "b": "waiting", "c": "queued"}


def test_the_last_look_of_a_round_is_one_that_sees_something(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else the end of a campaign of exactly so many runs would wait for the next round."""
    monkeypatch.setattr(conditions, "AT_ONCE", 2)
    stage.submit(stage.sweep("s", *(needing(f"r{number}", "in.txt") for number in range(4))))
    assert not stage.look()
    assert stage.look()
    assert list(stage.states().values()).count("blocked") == 2


def test_many_that_miss_files_are_all_blocked_by_and_by(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conditions, "AT_ONCE", 2)
    campaign = stage.submit(stage.sweep("s", *(needing(f"r{number}", "in.txt") for number in range(7))))
    for _ in range(20):
        stage.look()
    assert set(stage.states().values()) == {"blocked"}
    assert stage.state(campaign) == "failed"


def test_a_target_that_cannot_be_asked_keeps_its_runs_waiting(tmp_path: Path) -> None:
    class Files(LocalFiles):
        def missing(self, *_: Any) -> list[str]:
            raise Unavailable("no answer came")

    stage = Stage(tmp_path, Files())
    stage.submit(stage.sweep("s", needing("a", "in.txt")))
    stage.look()
    run = stage.runs()["a"]
    assert (run.state, run.reason) == ("waiting", None)


def test_a_look_that_is_late_changes_nothing_of_what_was_asked_meanwhile(stage: Stage) -> None:
    stage.submit(stage.sweep("s", needing("a", "in.txt"), done_by("b", "b.json")))
    (stage.work / "in.txt").touch()
    (stage.work / "b.json").write_text("1")
    seen = conditions.look(stage.world, 0)
    ids = [run.id for run in stage.runs().values()]
    stage.store.write(PERSON, lambda session: move_runs(session, ids, "cancel", subject="x"))
    stage.store.write(PERSON, lambda session: conditions.take_in(session, seen))
    assert set(stage.states().values()) == {"cancelled"}


def test_a_look_that_is_late_does_not_skip_what_was_asked_to_run_again_meanwhile(stage: Stage) -> None:
    stage.submit(stage.sweep("s", done_by("a", "a.json", requires=("in.txt",)), FREE))
    (stage.work / "a.json").write_text("1")
    seen = conditions.look(stage.world, 0)
    run = stage.runs()["a"].id
    stage.store.write(PERSON, lambda session: move_runs(session, [run], "cancel", subject=run))
    retry(stage, "a")
    stage.store.write(PERSON, lambda session: conditions.take_in(session, seen))
    assert stage.states() == {"a": "waiting", "free": "queued"}


def test_a_look_that_is_late_neither_skips_nor_blocks_what_was_edited_meanwhile(stage: Stage) -> None:
    before = [done_by("a", "a.json"), needing("b", "b.txt")]
    stage.submit(stage.sweep("s", *before))
    (stage.work / "a.json").write_text("1")
    seen = conditions.look(stage.world, 0)
    edit(stage, before, [done_by("a", "other.json"), needing("b", "other.txt")])
    stage.store.write(PERSON, lambda session: conditions.take_in(session, seen))
    assert stage.states() == {"a": "waiting", "b": "waiting"}


def edit(stage: Stage, before: list[CellPlan], cells: list[CellPlan]) -> None:
    """Give runs of one sweep another configuration, as a changed file does."""
    known = stage.runs()
    made = [
        Replacement(known[cell.name].id, campaigns.config_of(old), cell)
        for old, cell in zip(before, cells, strict=True)
    ]
    sweep = known[cells[0].name].sweep_id
    stage.store.write(PERSON, lambda session: replace_runs(session, sweep, stage.sweep("s"), made))


def test_why_a_run_waits_is_written_only_when_it_changes(stage: Stage) -> None:
    stage.submit(stage.sweep("s", needing("a", "in.txt"), FREE))
    stage.look()
    stage.store.write(PERSON, lambda session: session.connection.execute("UPDATE runs SET reason = 'kept'"))
    stage.look()
    assert stage.runs()["a"].reason == "kept"


def test_hostile_paths_are_only_paths(stage: Stage) -> None:
    names = ["$(touch pwned)", "a\nb", "\x00", "x" * 5000, "[", "**", "$${x}"]
    stage.submit(stage.sweep("s", *(needing(f"r{number}", name) for number, name in enumerate(names)), FREE))
    (stage.work / "${x}").touch()
    stage.look()
    assert not (stage.work / "pwned").exists()
    assert stage.states()["r6"] == "queued"
    assert stage.states()["r0"] == "waiting"
