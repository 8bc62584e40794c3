"""What is shown of a run and a sweep: settings, smaller settings, marks, signatures."""

from __future__ import annotations

from overnight.domain.plan import CampaignPlan, CellPlan, EnvironmentPlan, Need, Smaller, SweepPlan
from overnight.domain.reasons import Mark, Reason
from overnight.store.base import SYSTEM
from overnight.store.marks import mark
from tests.service.desk import Desk

CELL = CellPlan(
    "a",
    {"batch": 64},
    "train",
    requires=("in.pt",),
    smaller=(Smaller({"batch": 32}, "train 32"),),
    time_limit=5.0,
    skip_if_done=True,
)
PLAN = CampaignPlan(
    "p",
    (
        SweepPlan(
            "main~2",
            (CELL, CellPlan("b", {}, "true")),
            "/w",
            phase="main",
            need=Need(gpus=1, devices=(1, 2), share=2),
            environment=EnvironmentPlan(conda="exp"),
            secrets=(("KEY", "env:MY_KEY"),),
            time_limit=9.0,
            hang=60.0,
        ),
    ),
)


def test_a_sweep_is_shown_with_all_its_settings(desk: Desk) -> None:
    desk.submit(PLAN)
    shown = desk.ask("show", id="p/main~2")
    assert (shown["phase"], shown["targets"], shown["hang"], shown["breaker"]) == ("main", ["here"], 60.0, 5)
    assert shown["resources"] == {
        "gpus": 1,
        "slots": 1,
        "gpu_memory_mib": 0,
        "gpu_name": None,
        "devices": [1, 2],
        "free_below_mib": None,
        "share": 2,
        "or_cpu": False,
    }
    assert shown["environment"]["conda"] == "exp"
    assert shown["secrets"] == {"KEY": "env:MY_KEY"}


def test_a_run_is_shown_with_its_own_limits_before_those_of_its_sweep(desk: Desk) -> None:
    desk.submit(PLAN)
    own, other = desk.ask("show", id="p/a"), desk.ask("show", id="p/b")
    assert (own["phase"], own["frozen"]["time_limit"], other["frozen"]["time_limit"]) == ("main", 5.0, 9.0)
    assert (own["frozen"]["requires"], own["frozen"]["skip_if_done"]) == (["in.pt"], True)
    assert own["frozen"]["smaller"] == [{"changed": {"batch": 32}, "command": "train 32"}]
    assert (own["rung"], own["changed"], own["hint"], own["marks"]) == (0, {}, None, [])


def test_a_smaller_setting_the_hint_marks_and_signatures_are_shown(desk: Desk) -> None:
    campaign = desk.submit(PLAN)
    run = desk.runs(campaign)["b"]
    attempt = desk.start(run)
    desk.store.write(SYSTEM, lambda s: mark(s, attempt, run.id, Mark.SLOW, "twice its estimate"))
    desk.end(run, "fail", Reason.CODE_ERROR, "KeyError")
    (found,) = desk.ask("show", id="p/b")["marks"]
    assert (found["attempt"], found["mark"], found["detail"]) == (attempt, "slow", "twice its estimate")
    assert desk.ask("show", id="p/b")["attempts_made"][0]["signature"] is None
    change = """UPDATE runs SET rung = 1, hint = '{"avoid":["here/gpu0"]}' WHERE name = 'a'"""
    desk.store.write(SYSTEM, lambda s: s.connection.execute(change))
    shown = desk.ask("show", id="p/a")
    assert (shown["rung"], shown["changed"], shown["hint"]) == (1, {"batch": 32}, {"avoid": ["here/gpu0"]})
    assert desk.ask("list_runs")["runs"][-1]["changed"] == {"batch": 32}
