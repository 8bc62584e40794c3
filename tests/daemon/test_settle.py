"""What settling makes of ends: remedies, smaller settings, marks, alerts, and the breaker of a sweep."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from overnight.daemon.devices import note
from overnight.daemon.settle import Fact, Settled, settle
from overnight.domain.nouns import Attempt, Run
from overnight.domain.plan import CellPlan, Retry, Smaller, SweepNeed
from overnight.domain.reasons import Mark, Reason
from overnight.service import consequences
from overnight.store import campaigns, marks, runs
from overnight.store.base import SYSTEM
from overnight.store.moves import move_runs
from overnight.store.verify import verify
from overnight.targets.base import Dead, Ended, Evidence, News, Offer, Room
from tests.daemon.stage import PERSON, Stage

OOM = "torch.OutOfMemoryError: CUDA out of memory."


class Scene(Stage):
    """A stage on which attempts start on devices and end as a test says."""

    def begin(self, name: str, *devices: str) -> Attempt:
        """The next attempt of a run starts; whatever it waited for is over."""
        run = self.runs()[name]
        if run.state == "delayed":
            self.store.write(SYSTEM, lambda s: move_runs(s, [run.id], "wake", subject=run.id))
        self.store.write(
            SYSTEM,
            lambda s: runs.claim(s, run.id, run.attempts + 1, target="here", folder="/f", devices=list(devices)),
        )
        return self.store.read(lambda s: runs.attempts(s, run.id))[-1]

    def end(self, name: str, *devices: str, code: int | None = 1, seconds: float = 300.0, **evidence: Any) -> Run:
        """An attempt of a run starts and ends after so many seconds with such evidence."""
        attempt = self.begin(name, *devices)
        self.over(attempt, self.record(code, seconds), **evidence)
        return self.runs()[name]

    def record(self, code: int | None, seconds: float, **more: Any) -> dict[str, Any]:
        now = self.clock.wall()
        return {"reason": "exited", "code": code, "started_at": now - seconds, "ended_at": now, **more}

    def over(self, attempt: Attempt, record: dict[str, Any], **evidence: Any) -> Settled:
        news = News(attempt.id, attempt.fence, Ended(record))
        return self.settle(Fact(news, Evidence(**{"metrics": {}, "missing": (), **evidence})))

    def settle(self, fact: Fact) -> Settled:
        def work(session: Any) -> Settled:
            settled = settle(session, [fact])
            consequences.follow(session, settled.ended)
            return settled

        return self.store.write(SYSTEM, work)

    def alerts(self, kind: str) -> list[dict[str, Any]]:
        return [event for event in self.events("alert.raise") if event["alert"] == kind]

    def marked(self, name: str) -> dict[str, str]:
        run = self.runs()[name].id
        return {row[1]: row[2] for row in self.store.read(lambda s: s.rows("marks_of_run", run_id=run))}


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    scene = Scene(tmp_path)
    slots = [Offer(f"here/slot{place}", "slot", place, None, "slot", 0, None, None) for place in range(3)]
    scene.store.write(SYSTEM, lambda session: note(session, "here", slots))
    yield scene
    report = verify(scene.store)
    assert report.ok, report.violations


def cells(number: int, **settings: Any) -> list[CellPlan]:
    return [CellPlan(f"c{place}", {"lr": place}, "train", **settings) for place in range(number)]


def one(scene: Scene, *, retry: Retry | None = None, **settings: Any) -> str:
    """A campaign of the one run c0."""
    return scene.submit(scene.sweep("s", *cells(1, **settings), retry=retry or Retry()))


# Remedies


def test_a_lack_of_device_memory_moves_on_to_other_devices_and_then_to_the_smaller_setting(scene: Scene) -> None:
    smaller = Smaller({"batch": 4}, "train --batch 4")
    one(scene, retry=Retry(attempts=2, smaller=1), smaller=(smaller,))
    first = scene.end("c0", "here/slot0", clues={Reason.VRAM_OOM: OOM})
    assert (first.state, first.rung, first.hint) == ("delayed", 0, {"avoid": ["here/slot0"]})
    second = scene.end("c0", "here/slot1", clues={Reason.VRAM_OOM: OOM})
    assert (second.state, second.rung, second.hint, second.detail) == ("delayed", 1, None, f"exit code 1: {OOM}")
    assert scene.end("c0", code=0).state == "succeeded"
    assert scene.runs()["c0"].rung == 1


def test_no_smaller_setting_is_left_over_the_declared_ones(scene: Scene) -> None:
    one(scene, retry=Retry(attempts=1, smaller=1), smaller=(Smaller({}, "less"),))
    scene.end("c0", clues={Reason.VRAM_OOM: OOM})
    assert scene.end("c0", clues={Reason.VRAM_OOM: OOM}).state == "failed"


def test_what_others_did_is_no_failure_and_keeps_what_was_learnt_until_it_has_happened_too_often(scene: Scene) -> None:
    one(scene, retry=Retry(attempts=2, smaller=1), smaller=(Smaller({}, "less"),))
    scene.end("c0", "here/slot0", clues={Reason.VRAM_OOM: OOM})
    for count in (1, 2, 3):
        made = scene.end("c0", "here/slot1", clues={Reason.PREEMPTED: "DUE TO PREEMPTION"})
        assert (made.state, made.failures, made.interruptions) == ("queued", 1, count)
        assert made.hint == {"avoid": ["here/slot0"]}
    made = scene.end("c0", "here/slot1", clues={Reason.PREEMPTED: "DUE TO PREEMPTION"})
    assert (made.state, made.reason) == ("failed", Reason.PREEMPTED)


def test_running_out_of_memory_on_a_shared_device_is_the_doing_of_neighbours(scene: Scene) -> None:
    one(scene)
    attempt = scene.begin("c0", "here/slot0")
    scene.store.write(SYSTEM, lambda s: marks.mark(s, attempt.id, attempt.run_id, Mark.PACKED, "shares it"))
    scene.over(attempt, scene.record(1, 5.0), clues={Reason.VRAM_OOM: OOM})
    made = scene.runs()["c0"]
    assert (made.state, made.reason, made.failures) == ("queued", Reason.NEIGHBOUR_OOM, 0)
    assert made.hint == {"avoid": ["here/slot0"]}


def test_a_full_disk_explains_a_failure_that_nothing_else_explains(scene: Scene) -> None:
    one(scene)
    full, roomy, unknown = Room("/data", 0, 10), Room("/runs", 2**40, 2**30), Room("/x", None, None)
    assert scene.end("c0", rooms=(roomy, unknown)).state == "failed"
    scene.submit(scene.sweep("t", CellPlan("d0", {}, "train")), name="other")
    made = scene.end("d0", rooms=(roomy, full))
    assert (made.state, made.reason, made.interruptions) == ("queued", Reason.DISK_FULL, 1)
    made = scene.end("d0", rooms=(Room("/data", 2**40, 0),))
    assert (made.reason, made.interruptions) == (Reason.DISK_FULL, 2)


def test_failing_twice_at_once_in_the_same_way_is_not_tried_a_third_time(scene: Scene) -> None:
    one(scene, retry=Retry(attempts=9))
    assert scene.end("c0", seconds=20.0, signature="ValueError: <n>").state == "delayed"
    made = scene.end("c0", seconds=3.0, signature="ValueError: <n>")
    assert (made.state, made.reason) == ("failed", Reason.CODE_ERROR)


NEVER_THE_SAME: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"signature": None}, {"signature": None}),
    ({"signature": "a"}, {"signature": "b"}),
    ({"signature": "a", "seconds": 121.0}, {"signature": "a"}),
    ({"signature": "a", "clues": {Reason.SHM: "x"}}, {"signature": "a"}),
]


@pytest.mark.parametrize(("first", "second"), NEVER_THE_SAME)
def test_other_failures_in_a_row_are_tried_again(scene: Scene, first: dict[str, Any], second: dict[str, Any]) -> None:
    one(scene, retry=Retry(attempts=9))
    scene.end("c0", **{"seconds": 1.0, **first})
    assert scene.end("c0", **{"seconds": 1.0, **second}).state == "delayed"


def test_a_killed_run_is_tried_again_once_in_all(scene: Scene) -> None:
    one(scene, retry=Retry(attempts=9))
    assert scene.end("c0", code=137).state == "delayed"
    assert scene.end("c0", code=3).state == "delayed"
    assert scene.end("c0", code=137).state == "failed"


def test_the_signature_of_an_attempt_is_on_record(scene: Scene) -> None:
    one(scene)
    scene.end("c0", signature="KeyError: 'x'")
    run = scene.runs()["c0"].id
    assert scene.store.read(lambda s: runs.attempts(s, run))[0].signature == "KeyError: 'x'"


# What people hear


def test_a_run_that_failed_for_good_is_told_once(scene: Scene) -> None:
    one(scene, retry=Retry(attempts=2))
    scene.end("c0", clues={Reason.VRAM_OOM: OOM})
    assert scene.alerts("stuck") == []
    attempt = scene.begin("c0")
    for _ in range(2):
        scene.over(attempt, scene.record(1, 5.0), clues={Reason.VRAM_OOM: OOM})
    assert [event["title"] for event in scene.alerts("stuck")] == ["c0 failed: vram_oom"]


def test_every_end_of_a_campaign_is_told(scene: Scene) -> None:
    campaign = one(scene)
    scene.end("c0")
    assert [event["title"] for event in scene.alerts("settled")] == ["study: failed"]
    retry(scene, campaign)
    scene.clock.advance(60.0)
    scene.end("c0", code=0)
    assert [event["title"] for event in scene.alerts("settled")] == ["study: failed", "study: succeeded"]


def retry(scene: Scene, campaign: str) -> None:
    """Everything that failed or was blocked is tried again, as a person would have it."""

    def work(session: Any) -> None:
        found = [row[0] for row in session.rows("runs_of_campaign", campaign_id=campaign, after=0, limit=100)]
        failed = [run for run in found if runs.get(session, run).state != "succeeded"]
        try_again(session, failed, campaign)

    scene.store.write(PERSON, work)


def try_again(session: Any, ids: list[str], subject: str) -> None:
    moved = move_runs(session, ids, "retry", subject=subject)
    session.many("run_reset", [{"id": run} for run in moved])
    consequences.reopen(session, moved)
    consequences.survey(session)


def test_a_run_that_is_interrupted_while_what_it_needs_is_made_again_waits_for_it(scene: Scene) -> None:
    teachers, whole = scene.sweep("teachers", CellPlan("t", {}, "train")), (SweepNeed("teachers"),)
    by_cell = scene.sweep("students", CellPlan("s", {}, "train", needs=("t",)), needs=(SweepNeed("teachers", ("x",)),))
    campaign = scene.submit(teachers, by_cell, scene.sweep("others", CellPlan("o", {}, "train"), needs=whole))
    scene.end("t", code=0)
    attempts = [scene.begin("s"), scene.begin("o")]
    again = [scene.runs()["t"].id]
    scene.store.write(PERSON, lambda session: try_again(session, again, campaign))
    for attempt in attempts:
        scene.settle(Fact(News(attempt.id, attempt.fence, Dead("rebooted"))))
    assert scene.states() == {"t": "queued", "s": "waiting", "o": "waiting"}
    scene.end("t", code=0)
    assert scene.states() == {"t": "succeeded", "s": "queued", "o": "queued"}


# Marks


def test_a_success_much_sooner_than_others_is_marked(scene: Scene) -> None:
    scene.submit(scene.sweep("s", *cells(5)))
    for name in ("c0", "c1", "c2"):
        scene.end(name, code=0, seconds=100.0)
        assert scene.marked(name) == {}
    scene.end("c3", code=0, seconds=49.0)
    assert scene.marked("c3") == {Mark.TOO_FAST: "took 49 s, others of its sweep took 100 s"}
    scene.end("c4", code=0, seconds=51.0)
    assert scene.marked("c4") == {}


def test_runs_submitted_alone_are_not_compared_with_each_other(scene: Scene) -> None:
    shape = scene.sweep("")
    alone = [campaigns.SingleRun(cell.name, cell, shape) for cell in cells(4)]
    scene.store.write(PERSON, lambda session: campaigns.submit_single(session, alone, random.Random(1)))
    for name in ("c0", "c1", "c2"):
        scene.end(name, code=0, seconds=100.0)
    scene.end("c3", code=0, seconds=1.0)
    assert scene.marked("c3") == {}


def test_a_success_much_sooner_than_estimated_is_marked_its_own_estimate_first(scene: Scene) -> None:
    own = CellPlan("c1", {}, "train", estimate=10.0)
    scene.submit(scene.sweep("s", *cells(1), own, estimate=100.0))
    scene.end("c0", code=0, seconds=20.0)
    scene.end("c1", code=0, seconds=20.0)
    assert (set(scene.marked("c0")), set(scene.marked("c1"))) == ({Mark.TOO_FAST}, set())


def test_a_success_with_a_number_that_is_not_finite_is_marked(scene: Scene) -> None:
    scene.submit(scene.sweep("s", *cells(2)))
    scene.end("c0", code=0, metrics={"loss": float("nan"), "acc": 0.5, "gap": float("-inf")})
    scene.end("c1", code=1, metrics={"loss": float("nan")})
    assert scene.marked("c0") == {Mark.DIVERGED: "gap is -inf, loss is nan"}
    assert scene.marked("c1") == {}


def test_an_end_where_files_of_the_frozen_copy_were_altered_is_marked_good_or_bad(scene: Scene) -> None:
    scene.submit(scene.sweep("s", *cells(3)))
    for name, code in (("c0", 0), ("c1", 1)):
        scene.end(name, code=code, stale=("pkg/a.py", "b.py"))
        assert scene.marked(name) == {Mark.STALE_CODE: "changed in its frozen copy: pkg/a.py, b.py"}
    scene.end("c2", code=0)
    assert scene.marked("c2") == {}


def test_a_success_whose_times_are_not_known_is_not_marked(scene: Scene) -> None:
    scene.submit(scene.sweep("s", *cells(1), estimate=100.0))
    scene.over(scene.begin("c0"), {"reason": "exited", "code": 0})
    assert (scene.runs()["c0"].state, scene.marked("c0")) == ("succeeded", {})


# The breaker


def fails(
    scene: Scene, *names: str, signature: str | None = "KeyError: 'lr'", reason: Reason = Reason.CODE_ERROR
) -> None:
    for name in names:
        scene.end(name, signature=signature, clues={reason: "KeyError: 'lr'"})


def test_a_sweep_whose_first_runs_fail_in_the_same_way_is_stopped(scene: Scene) -> None:
    first = scene.sweep("s", *cells(6), breaker=3)
    later = scene.sweep("after", CellPlan("d", {}, "x", needs=("c5",)), needs=(SweepNeed("s", ("lr",)),))
    campaign = scene.submit(first, later)
    running = scene.begin("c5")
    fails(scene, "c0", "c1")
    assert scene.states()["c3"] == "queued"
    fails(scene, "c2")
    assert [scene.states()[name] for name in ("c3", "c4", "c5")] == ["blocked", "blocked", "running"]
    blocked = scene.runs()["c3"]
    sweep = blocked.sweep_id
    assert blocked.reason == Reason.BREAKER
    assert blocked.detail == (
        "s: its first 3 runs failed in the same way (code_error: exit code 1: KeyError: 'lr'; "
        f"correct it, then: overnight retry {sweep})"
    )
    assert [event["title"] for event in scene.alerts("breaker")] == ["s: its first 3 runs failed in the same way"]
    scene.over(running, scene.record(1, 5.0), signature="KeyError: 'lr'")
    assert (scene.states()["d"], scene.state(campaign)) == ("blocked", "failed")


def test_what_needs_a_run_that_the_breaker_blocked_is_blocked_as_well(scene: Scene) -> None:
    later = scene.sweep("after", CellPlan("d", {}, "x", needs=("c3",)), needs=(SweepNeed("s", ("lr",)),))
    scene.submit(scene.sweep("s", *cells(4), breaker=2), later)
    fails(scene, "c0", "c1")
    assert (scene.states()["c3"], scene.runs()["d"].reason) == ("blocked", Reason.NEED_FAILED)


def test_after_a_retry_it_takes_as_many_failures_again(scene: Scene) -> None:
    campaign = scene.submit(scene.sweep("s", *cells(6), breaker=2))
    fails(scene, "c0", "c1")
    retry(scene, campaign)
    fails(scene, "c0")
    assert scene.states()["c5"] == "queued"
    fails(scene, "c1")
    assert scene.states()["c5"] == "blocked"
    assert len(scene.alerts("breaker")) == 2


@pytest.mark.parametrize(
    ("settings", "last"),
    [
        ({"breaker": None}, {}),
        ({"breaker": 4}, {}),
        ({"breaker": 3}, {"signature": "another"}),
        ({"breaker": 3}, {"reason": Reason.MISSING_DEPENDENCY}),
        ({"breaker": 3}, {"signature": None}),
    ],
)
def test_other_sweeps_go_on(scene: Scene, settings: dict[str, Any], last: dict[str, Any]) -> None:
    scene.submit(scene.sweep("s", *cells(5), **settings))
    fails(scene, "c0", "c1")
    fails(scene, "c2", **last)
    assert scene.states()["c4"] == "queued"


def test_a_sweep_with_a_success_goes_on(scene: Scene) -> None:
    scene.submit(scene.sweep("s", *cells(6), breaker=3))
    scene.end("c0", code=0)
    fails(scene, "c1", "c2", "c3")
    assert scene.states()["c4"] == "queued"


def test_runs_that_were_submitted_alone_are_never_stopped_by_it(scene: Scene) -> None:
    plan = scene.sweep("alone", breaker=2)
    alone = [campaigns.SingleRun(cell.name, cell, plan) for cell in cells(4)]
    scene.store.write(PERSON, lambda session: campaigns.submit_single(session, alone, random.Random(1)))
    fails(scene, "c0", "c1")
    assert scene.states()["c3"] == "queued"


# Proof


def test_a_lost_attempt_is_interrupted_whatever_is_known_of_its_files(scene: Scene) -> None:
    one(scene)
    attempt = scene.begin("c0")
    scene.settle(Fact(News(attempt.id, attempt.fence, Dead("gone")), Evidence({}, (), {Reason.VRAM_OOM: OOM})))
    assert (scene.states()["c0"], scene.runs()["c0"].reason) == ("queued", Reason.INTERRUPTED)


def test_a_success_without_numbers_does_not_keep_those_of_an_earlier_attempt(scene: Scene) -> None:
    scene.submit(scene.sweep("s", CellPlan("a", {}, "true")))
    run = scene.end("a", code=0, metrics={"accuracy": 0.9})
    assert scene.store.read(lambda s: runs.results(s, run.id)) == {"accuracy": 0.9}

    def again(session: Any) -> None:
        move_runs(session, [run.id], "retry", subject=run.id)
        consequences.reopen(session, [run.id])
        move_runs(session, [run.id], "release", subject=run.id)

    scene.store.write(PERSON, again)
    scene.end("a", code=1)
    assert scene.store.read(lambda s: runs.results(s, run.id)) == {"accuracy": 0.9}
    scene.store.write(PERSON, again)
    scene.end("a", code=0)
    assert scene.store.read(lambda s: runs.results(s, run.id)) == {}


def test_a_run_that_found_its_gpu_locked_is_queued_again_uncounted_and_the_gpu_is_busy(scene: Scene) -> None:
    scene.submit(scene.sweep("s", CellPlan("r", {}, "true")))
    gpu = Offer("here/GPU-1", "gpu", 0, "GPU-1", "H100", 80_000, None, None)
    scene.store.write(SYSTEM, lambda session: note(session, "here", [gpu]))
    for _ in range(5):
        attempt = scene.begin("r", gpu.id)
        scene.over(attempt, scene.record(None, 0.0, reason="device_held", detail="held by ada"))
    run = scene.runs()["r"]
    assert (run.state, run.reason, run.failures, run.interruptions) == ("queued", Reason.DEVICE_HELD, 0, 0)
    assert dict(run.hint or {}) == {"avoid": [gpu.id]}
    row = scene.store.read(lambda session: session.row("device_get", id=gpu.id))
    assert row is not None
    assert row[9] == "held by ada"
    assert scene.store.read(lambda session: runs.attempts(session, run.id))[-1].state == "refused"
    assert scene.store.read(lambda session: session.rows("leases_live")) == []
