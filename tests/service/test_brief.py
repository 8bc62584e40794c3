"""What a brief says of a run, an attempt, a sweep, a campaign and everything, to whom."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from overnight.domain.access import VERBS, Principal, Role
from overnight.domain.errors import Unavailable
from overnight.domain.plan import CampaignPlan, CellPlan, Direction, Goal, Retry, SweepPlan
from overnight.domain.reasons import Reason
from overnight.service.context import Spot
from overnight.service.dispatch import perform
from overnight.store import marks, questions, runs, targets
from overnight.store.base import SYSTEM
from overnight.store.questions import Wording
from tests.service.desk import PERSON, Desk

CELLS = tuple(CellPlan(f"c{place}", {"lr": place / 10}, f"train {place}") for place in range(4))
PLAN = CampaignPlan(
    "night",
    (
        SweepPlan("s", CELLS, "/w", retry=Retry(attempts=2), time_limit=600.0),
        SweepPlan("rest", (CellPlan("x", {}, "x"),), "/w"),
    ),
    goal=Goal("acc", Direction.MAXIMIZE),
)


class OneLog:
    """Files that hold one log; None = their machine is not reached."""

    def __init__(self, text: bytes | None) -> None:
        self.text = text

    def log(self, folder: str, offset: int, limit: int) -> tuple[bytes, int]:  # noqa: ARG002
        if self.text is None:
            raise Unavailable("box-a is not reached")
        return self.text[offset:][:limit], len(self.text)


def with_log(desk: Desk, text: bytes | None) -> None:
    spot = Spot(desk.context.spots["here"].target, OneLog(text))  # type: ignore[arg-type]
    desk.context = replace(desk.context, spots={"here": spot})


def texts(found: list[dict[str, Any]]) -> list[str]:
    return [it["text"] for it in found]


def test_the_story_of_a_run_is_told_from_its_submission_to_what_may_be_done(desk: Desk) -> None:
    with_log(desk, b"epoch 1\nValueError: no\n")
    run = desk.runs(desk.submit(PLAN))["c1"]
    desk.start(run)
    desk.end(run, "delay", Reason.TRANSIENT, "a service was away")
    desk.wake()
    desk.start(run)
    desk.end(run, "fail", Reason.NONZERO_EXIT, "exit code 1")
    found = desk.ask("brief", id=run.id)
    assert (found["kind"], found["name"], found["state"]) == ("run", "c1", "failed")
    assert found["asked"]["command"] == "train 1"
    assert found["asked"]["parameters"] == {"lr": 0.1}
    assert found["asked"]["limits"] == {"attempts": 2, "time_limit": 600.0}
    assert texts(found["history"]) == [
        "submitted by ada",
        "got a place on here, attempt 1",
        "attempt 1 runs on here",
        "attempt 1 on here ended, transient: tried again later",
        "got a place on here, attempt 2",
        "attempt 2 runs on here",
        "attempt 2 on here ended, nonzero_exit: failed for good",
    ]
    assert [(it["number"], it["reason"], it["code"]) for it in found["attempts"]] == [
        (1, "transient", 1), (2, "nonzero_exit", 1),
    ]  # fmt: skip
    assert found["attempts"][1]["log"] == ["epoch 1", "ValueError: no"]
    assert f"overnight retry {run.id}" in found["decide"][0]["commands"]
    assert f"overnight logs {run.id}" in found["next"]
    assert found["waits"] == []
    assert found["since"] == pytest.approx(found["now"], abs=60)
    assert found["last_event"] == desk.last_event()


def test_a_run_that_goes_on_says_how_far_it_is_and_what_ends_it(desk: Desk) -> None:
    ids = desk.runs(desk.submit(PLAN))
    desk.carry_out(ids["c0"])
    desk.start(ids["c1"])
    desk.store.write(SYSTEM, lambda s: s.rows(
        "point_insert", run_id=ids["c1"].id, number=1, seq=1, data=json.dumps({"loss": 0.5, "note": "x"}), now=s.now
    ))  # fmt: skip
    found = desk.ask("brief", id=ids["c1"].id)
    assert found["progress"]["numbers"] == {"loss": 0.5}
    assert found["progress"]["left"] <= 10
    assert [it["text"] for it in found["coming"]] == ["its time limit ends it"]
    assert found["decide"] == []
    assert f"overnight wait {ids['c1'].id}" in found["next"]


def test_an_attempt_is_a_brief_of_its_own(desk: Desk) -> None:
    run = desk.runs(desk.submit(PLAN))["c1"]
    desk.carry_out(run)
    found = desk.ask("brief", id="night/c1.1")
    assert (found["kind"], found["id"], found["state"]) == ("attempt", f"{run.id}.1", "exited")
    assert [it["number"] for it in found["attempts"]] == [1]


def test_a_campaign_is_told_in_order_with_failures_by_reason_and_what_is_left(desk: Desk) -> None:
    with_log(desk, b"boom\n")
    ids = desk.runs(desk.submit(PLAN))
    for name in ("c0", "c1"):
        desk.start(ids[name])
        desk.end(ids[name], "fail", Reason.CODE_ERROR, "exit code 1")
    desk.carry_out(ids["c2"])
    desk.store.write(SYSTEM, lambda s: runs.keep_results(s, ids["c2"].id, {"acc": 0.9}))
    found = desk.ask("brief", id="night")
    assert texts(found["history"]) == [
        "submitted by ada: 5 runs",
        "the first run was started on here",
        "2 attempts on here ended, code_error: failed for good",
    ]
    assert found["history"][2]["number"] == 2
    [failure] = found["failures"]
    assert (failure["reason"], failure["attempts"], failure["runs"], failure["failed"]) == ("code_error", 2, 2, 2)
    assert (failure["name"], failure["log"]) == ("c1", ["boom"])
    assert (found["progress"]["done"], found["progress"]["total"]) == (3, 5)
    assert found["progress"]["best"] == {"metric": "acc", "value": 0.9, "run": ids["c2"].id, "name": "c2"}
    assert found["progress"]["left"] is not None
    assert [it["state"] for it in found["waits"]] == ["queued", "queued"]
    assert any("2 failed, such as c0" in it for it in texts(found["decide"]))
    assert found["next"][0] == f"overnight brief {failure['example']}"
    assert desk.ask("brief", id="night/s")["progress"]["total"] == 4


def test_many_like_failures_are_one_line_and_many_events_few(desk: Desk) -> None:
    cells = tuple(CellPlan(f"c{place}", {}, "x") for place in range(200))
    ids = desk.runs(desk.submit(CampaignPlan("wide", (SweepPlan("s", cells, "/w"),))))
    for run in ids.values():
        desk.start(run)
        desk.end(run, "fail", Reason.VRAM_OOM, "out of memory")
    found = desk.ask("brief", id="wide")
    assert "200 attempts on here ended, vram_oom: failed for good" in texts(found["history"])
    lines = desk.ask("brief", id="wide", text=True)["content"].splitlines()
    assert len(lines) <= 80
    assert desk.ask("brief", id="wide", text=True)["history"] == []


def test_lost_and_found_targets_belong_to_the_night_of_those_who_were_there(desk: Desk) -> None:
    ids = desk.runs(desk.submit(PLAN))
    other = CampaignPlan("other", (SweepPlan("s", (CellPlan("o", {}, "o"),), "/w"),))
    desk.submit(other)
    desk.store.write(PERSON, lambda s: targets.add(s, "box-a", {"host": "a"}, "file"))
    _start_on(desk, ids["c0"].id, "box-a")
    desk.store.write(SYSTEM, lambda s: targets.note(s, "box-a", None))
    desk.store.write(SYSTEM, lambda s: targets.note(s, "box-a", "connection timed out"))
    for thing in ("night", ids["c0"].id):
        found = desk.ask("brief", id=thing)
        assert "box-a is not reached any more: connection timed out" in texts(found["history"])
        assert any(it.startswith("box-a is not reached since") for it in texts(found["coming"]))
    assert not any("box-a" in it for it in texts(desk.ask("brief", id="other")["history"]))
    assert any("box-a is not reached" in it for it in texts(desk.ask("brief")["coming"]))


def _start_on(desk: Desk, run: str, target: str) -> None:
    desk.store.write(SYSTEM, lambda s: runs.claim(s, run, 1, target=target, folder="/far/1", devices=[]))


def test_what_waits_for_a_person_is_told_with_the_way_to_answer(desk: Desk) -> None:
    campaign = desk.submit(PLAN)
    ids = desk.runs(campaign)
    desk.start(ids["c0"])
    run = desk.runs(campaign)["c0"]
    asked = Wording("go on?", ("yes", "no"), "warning")
    desk.store.write(SYSTEM, lambda s: questions.ask(s, run, "0" * 32, asked))
    desk.store.write(SYSTEM, lambda s: marks.hold(s, "here", "disk_full", "no room below /w"))
    desk.ask("pause", id="night")
    said = texts(desk.ask("brief", id="night")["decide"])
    assert any("c0 asks (warning): go on? Choices: yes, no" in it and "/alerts/" + "0" * 32 in it for it in said)
    assert any("nothing new starts for here: no room below /w" in it for it in said)
    assert any("night is paused" in it for it in said)
    history = texts(desk.ask("brief", id="night")["history"])
    assert "paused by ada" in history
    assert any("go on?" in it for it in texts(desk.ask("brief", id=ids["c0"].id)["decide"]))
    assert not any("go on?" in it for it in texts(desk.ask("brief", id=ids["c1"].id)["decide"]))
    assert any("go on?" in it for it in texts(desk.ask("brief")["decide"]))


def test_commands_that_who_asks_may_not_use_are_left_out(desk: Desk) -> None:
    run = desk.runs(desk.submit(PLAN))["c1"]
    desk.start(run)
    desk.end(run, "fail", Reason.NO_GPU, "no GPU")
    viewer = Principal("vera", Role.VIEWER, VERBS[Role.VIEWER])
    found = perform(replace(desk.context, principal=viewer), "brief", {"id": run.id})
    commands = [*found["next"], *(command for it in found["decide"] for command in it["commands"])]
    assert f"overnight logs {run.id}" in commands
    assert not any(" retry " in it for it in commands)


def test_without_an_id_it_tells_of_everything_open_and_of_what_ended_lately(desk: Desk) -> None:
    done = CampaignPlan("done", (SweepPlan("s", (CellPlan("d", {}, "d"),), "/w"),))
    desk.carry_out(desk.runs(desk.submit(done))["d"])
    ids = desk.runs(desk.submit(PLAN))
    desk.start(ids["c0"])
    desk.end(ids["c0"], "fail", Reason.CODE_ERROR)
    found = desk.ask("brief")
    assert (found["id"], found["kind"]) == (None, "everything")
    assert [it["text"] for it in found["waits"]] == ["night: 1 over; 1 failed, 4 queued"]
    assert "done" in found["history"][0]["text"]
    assert any("night: 1 runs failed or are blocked" in it for it in texts(found["decide"]))


def test_logs_that_cannot_be_read_now_are_no_reason_to_say_nothing(desk: Desk) -> None:
    ids = desk.runs(desk.submit(PLAN))
    with_log(desk, None)
    desk.start(ids["c0"])
    _start_on(desk, ids["c1"].id, "a target that is configured no more")
    assert desk.ask("brief", id=ids["c0"].id)["attempts"][0]["log"] == ["(cannot be read now: box-a is not reached)"]
    assert desk.ask("brief", id=ids["c1"].id)["attempts"][0]["log"] == []
