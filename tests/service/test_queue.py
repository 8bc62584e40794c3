"""A campaign in the words of the experiment queue."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from overnight.domain.errors import Conflict
from overnight.domain.plan import CampaignPlan, CellPlan, Need, Smaller, SweepNeed, SweepPlan
from overnight.domain.reasons import Reason
from overnight.domain.states import RUN
from overnight.service import consequences
from overnight.service.queue_time import PhaseTimes, eta_of
from overnight.service.queue_words import phase_status, word_of
from overnight.store.base import SYSTEM
from tests.service.desk import Desk

WORDS = ("pending", "blocked", "running", "failed_oom", "completed", "stuck", "canceled")


def cell(name: str, **more: Any) -> CellPlan:
    return CellPlan(name, {}, more.pop("command", "true"), **more)


def one(*cells: CellPlan, **more: Any) -> CampaignPlan:
    return CampaignPlan("p", (SweepPlan("main", cells, "/", **more),))


def queue(desk: Desk) -> dict[str, Any]:
    found = desk.ask("queue", id="p")["queue"]
    assert isinstance(found, dict)
    return found


def jobs(desk: Desk) -> dict[str, dict[str, Any]]:
    return {job["id"]: job for job in queue(desk)["jobs"]}


def devices(desk: Desk, *found: tuple[str, str, int]) -> None:
    for id_, kind, position in found:
        arguments = {"id": id_, "target": "here", "kind": kind, "position": position, "uuid": None, "name": id_}
        more = {"memory_mib": 10, "busy": None, "used_mib": None, "strangers": 0}
        desk.store.write(SYSTEM, lambda s, a=arguments, m=more: _device(s, {**a, **m}))


def _device(session: Any, arguments: dict[str, Any]) -> None:
    session.rows("device_upsert", **arguments, now=session.now)
    session.record("device.create", arguments["id"])


def test_all_that_the_contract_names_is_there_and_looking_changes_nothing(desk: Desk) -> None:
    desk.submit(one(cell("a", outputs=("out/a.json",)), cell("b", command=("echo", "a b"), outputs=("x", "y"))))
    before = desk.last_event()
    found = queue(desk)
    assert set(found) == {"meta", "phases", "jobs", "counts"}
    assert found["meta"] == {"project": "p", "started": None, "manifest_path": "/plan.yaml", "host": "here"}
    assert found["phases"] == [{"name": "main", "depends_on": [], "status": "pending"}]
    assert found["counts"] == {**dict.fromkeys(WORDS, 0), "pending": 2, "eta_seconds": None}
    first, second = found["jobs"]
    assert (first["phase"], first["cmd"], first["expected_output"]) == ("main", "true", "out/a.json")
    assert (second["cmd"], second["expected_output"]) == ("echo 'a b'", ["x", "y"])
    empty = ("gpu", "pid", "started", "completed", "error", "error_class", "class", "exit_code", "signal")
    assert [first[name] for name in empty] == [None] * len(empty)
    assert (first["attempts"], first["gpus"], first["skipped"]) == (0, [], False)
    assert desk.last_event() == before


@pytest.mark.parametrize(
    ("transition", "reason", "word", "error_class"),
    [
        ("delay", Reason.VRAM_OOM, "failed_oom", "vram_oom"),
        ("delay", Reason.NEIGHBOUR_OOM, "failed_oom", "vram_oom"),
        ("delay", Reason.HOST_OOM, "failed_oom", "host_oom"),
        ("delay", Reason.TRANSIENT, "pending", "nonzero_exit"),
        ("fail", Reason.VRAM_OOM, "stuck", "vram_oom"),
        ("fail", Reason.KILLED, "stuck", "killed"),
        ("fail", Reason.ENV_ERROR, "stuck", "env_error"),
        ("fail", Reason.TIME_LIMIT, "stuck", "timeout"),
        ("fail", Reason.HANG, "stuck", "timeout"),
        ("fail", Reason.MISSING_OUTPUT, "stuck", "missing_output"),
        ("fail", Reason.NONZERO_EXIT, "stuck", "nonzero_exit"),
        ("fail", Reason.CODE_ERROR, "stuck", "nonzero_exit"),
        ("fail", Reason.INTERRUPTED, "stuck", "interrupted"),
        ("fail", Reason.HARDWARE, "stuck", "interrupted"),
        ("fail", Reason.DISK_FULL, "stuck", "disk_full"),
        ("succeed", Reason.OK, "completed", None),
    ],
)
def test_every_end_has_its_word_and_its_class(
    desk: Desk, transition: str, reason: Reason, word: str, error_class: str | None
) -> None:
    campaign = desk.submit(one(cell("a")))
    desk.start(desk.runs(campaign)["a"])
    desk.end(desk.runs(campaign)["a"], transition, reason, "why it is so")
    job = jobs(desk)["a"]
    assert (job["status"], job["error_class"], job["attempts"]) == (word, error_class, 1)
    assert job["error"] == ("why it is so" if error_class else None)
    assert job["class"] == (reason if error_class else None)
    assert job["exit_code"] == (1 if error_class else 0)
    assert queue(desk)["counts"][word] == 1
    assert (job["completed"] is not None) == (transition != "delay")
    assert (job["reason"] == "tried again in 60 s") == (transition == "delay")


def test_what_waits_says_for_what(desk: Desk) -> None:
    teachers = SweepPlan("teachers", (cell("t1"), cell("t2")), "/")
    match = (SweepNeed("teachers", ("N",)),)
    students = SweepPlan("students", (cell("s1", needs=("t1",)), cell("s2", needs=("t2",))), "/", needs=match)
    report = SweepPlan("report", (cell("r"),), "/", needs=(SweepNeed("students"),))
    campaign = desk.submit(CampaignPlan("p", (teachers, students, report)))
    desk.start(desk.runs(campaign)["t2"])
    found = jobs(desk)
    assert found["s1"]["reason"] == "it waits for t1 (queued)"
    assert found["s2"]["reason"] == "it waits for t2 (running)"
    assert found["r"]["reason"] == "it waits for students"
    assert "CPU slot" in found["t1"]["reason"]
    assert found["t2"]["reason"] is None
    assert found["t2"]["pid"] == 1
    assert [it["depends_on"] for it in queue(desk)["phases"]] == [[], ["teachers"], ["students"]]
    assert [it["status"] for it in queue(desk)["phases"]] == ["running", "pending", "pending"]


def test_a_dependant_of_a_failure_is_blocked_with_its_reason(desk: Desk) -> None:
    teachers, students = SweepPlan("teachers", (cell("t"),), "/"), SweepPlan("students", (cell("s"),), "/")
    campaign = desk.submit(CampaignPlan("p", (teachers, replace(students, needs=(SweepNeed("teachers"),)))))
    desk.carry_out(desk.runs(campaign)["t"], "fail", Reason.NONZERO_EXIT)
    job = jobs(desk)["s"]
    assert (job["status"], job["error_class"]) == ("blocked", None)
    assert job["reason"] == "teachers did not succeed as a whole"
    assert [it["status"] for it in queue(desk)["phases"]] == ["failed", "blocked"]


def test_a_missing_path_blocks_visibly_while_the_run_waits(desk: Desk) -> None:
    campaign = desk.submit(one(cell("a", requires=("x.pt",)), cell("b")))
    run = desk.runs(campaign)["a"]
    missing = {"id": run.id, "reason": Reason.PRECONDITION_MISSING, "detail": "x.pt is not there"}
    desk.store.write(SYSTEM, lambda s: s.rows("run_waits", **missing))
    job = jobs(desk)["a"]
    assert (job["status"], job["reason"], job["class"]) == ("blocked", "x.pt is not there", "precondition_missing")
    assert queue(desk)["counts"]["blocked"] == 1


def test_a_skipped_job_is_completed_without_an_attempt(desk: Desk) -> None:
    campaign = desk.submit(one(cell("a", skip_if_done=True)))
    run = desk.runs(campaign)["a"]
    desk.store.write(SYSTEM, lambda s: consequences.move_runs(s, [run.id], "skip", subject=run.id))
    skipped = {"id": run.id, "reason": Reason.SKIPPED, "detail": None, "now": 5.0}
    desk.store.write(SYSTEM, lambda s: s.rows("run_skipped", **skipped))
    job = jobs(desk)["a"]
    assert (job["status"], job["skipped"], job["attempts"], job["completed"]) == ("completed", True, 0, 5.0)


def test_gpus_are_the_numbers_that_the_driver_gives(desk: Desk) -> None:
    devices(desk, ("here/gpu-b", "gpu", 3), ("here/slot0", "slot", 0))
    campaign = desk.submit(one(cell("a"), cell("b")))
    desk.start(desk.runs(campaign)["a"], "here/gpu-b")
    desk.start(desk.runs(campaign)["b"], "here/slot0")
    found = jobs(desk)
    assert (found["a"]["gpu"], found["a"]["gpus"]) == (3, [3])
    assert (found["b"]["gpu"], found["b"]["gpus"]) == (None, [])


def test_a_smaller_setting_shows_the_command_that_is_run(desk: Desk) -> None:
    campaign = desk.submit(one(cell("a", command="big", smaller=(Smaller({"batch": 1}, ("small", "x y")),))))
    run = desk.runs(campaign)["a"]
    desk.store.write(SYSTEM, lambda s: s.connection.execute("UPDATE runs SET rung = 1 WHERE id = :id", {"id": run.id}))
    assert jobs(desk)["a"]["cmd"] == "small 'x y'"


def test_sweeps_of_one_phase_are_shown_as_one(desk: Desk) -> None:
    first = SweepPlan("train", (cell("a"),), "/")
    second = SweepPlan("train~2", (cell("b"),), "/", phase="train")
    last = SweepPlan("eval", (cell("c"),), "/", needs=(SweepNeed("train"), SweepNeed("train~2")))
    desk.submit(CampaignPlan("p", (first, second, last)))
    found = queue(desk)
    assert [(it["name"], it["depends_on"]) for it in found["phases"]] == [("train", []), ("eval", ["train"])]
    assert [job["phase"] for job in found["jobs"]] == ["train", "train", "eval"]


def test_the_time_left_is_the_median_over_the_slots(desk: Desk) -> None:
    devices(desk, ("here/slot0", "slot", 0), ("here/slot1", "slot", 1))
    campaign = desk.submit(one(*(cell(f"c{it}") for it in range(6))))
    for name in ("c0", "c1"):
        desk.carry_out(desk.runs(campaign)[name])
    assert queue(desk)["counts"]["eta_seconds"] == pytest.approx(4 * 10 / 2, abs=1)


def test_runs_without_devices_have_the_slots_that_the_campaign_allows(desk: Desk) -> None:
    plan = one(*(cell(f"c{it}") for it in range(7)), need=Need(gpus=0, slots=0))
    campaign = desk.submit(replace(plan, parallel=3))
    desk.carry_out(desk.runs(campaign)["c0"])
    assert queue(desk)["counts"]["eta_seconds"] == pytest.approx(6 * 10 / 3, abs=1)


@pytest.mark.parametrize(
    ("phases", "seconds"),
    [
        ([], 0.0),
        ([PhaseTimes(2, ended=[5.0])], 0.0),
        ([PhaseTimes(2, pending=1)], None),
        ([PhaseTimes(2, ended=[4.0, 100.0, 6.0], pending=4)], 12.0),
        ([PhaseTimes(8, ended=[6.0], running=[2.0])], 4.0),
        ([PhaseTimes(1, ended=[6.0], running=[60.0])], 0.0),
        ([PhaseTimes(1, ended=[6.0]), PhaseTimes(1, pending=2)], 12.0),
    ],
)
def test_time_left(phases: list[PhaseTimes], seconds: float | None) -> None:
    assert eta_of(phases) == seconds


@pytest.mark.parametrize(
    ("counts", "status"),
    [
        ({"pending": 2}, "pending"),
        ({"pending": 2, "completed": 1}, "running"),
        ({"failed_oom": 1}, "running"),
        ({"running": 1, "stuck": 1}, "running"),
        ({"completed": 3}, "completed"),
        ({"completed": 3, "stuck": 1}, "failed"),
        ({"canceled": 1, "blocked": 1}, "failed"),
        ({"blocked": 1, "completed": 1}, "blocked"),
    ],
)
def test_a_phase_is_what_its_jobs_make_it(counts: dict[str, int], status: str) -> None:
    assert phase_status(counts) == status


def test_only_campaigns_have_a_queue(desk: Desk) -> None:
    campaign = desk.submit(one(cell("a")))
    with pytest.raises(Conflict, match="is a run, not a campaign"):
        desk.ask("queue", id=desk.runs(campaign)["a"].id)


def test_every_state_of_a_run_has_a_word_of_the_queue() -> None:
    assert {word_of(state, None) for state in RUN.states} <= set(WORDS)
