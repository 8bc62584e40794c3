"""Exactly what is named is tried again, and what waits for it waits."""

from __future__ import annotations

import pytest

from overnight.domain.errors import Conflict, InvalidRequest, NotFound
from overnight.domain.nouns import Run
from overnight.domain.plan import CampaignPlan, CellPlan, SweepNeed, SweepPlan
from overnight.domain.reasons import Reason
from overnight.service import consequences
from overnight.store.base import SYSTEM
from tests.service.desk import Desk

SHORT, LONG = "s42_N64_n50000", "s42_N64_n500000"


def cells(*names: str, needs: tuple[str, ...] = (), **more: object) -> tuple[CellPlan, ...]:
    return tuple(CellPlan(name, {}, "true", needs=needs, **more) for name in names)  # type: ignore[arg-type]


def plan(*sweeps: SweepPlan, name: str = "p") -> CampaignPlan:
    return CampaignPlan(name, sweeps)


TEACHERS = SweepPlan("teachers", cells(SHORT, LONG), "/")
STUDENTS = SweepPlan("students", cells("st-1", "st-2"), "/", needs=(SweepNeed("teachers"),))
PAIR = SweepPlan("pair", cells("one", needs=(SHORT,)), "/", needs=(SweepNeed("teachers", ("N",)),))


def fail(desk: Desk, *runs: Run) -> None:
    for run in runs:
        desk.carry_out(run, "fail", Reason.NONZERO_EXIT)


def test_a_run_is_chosen_by_its_whole_name(desk: Desk) -> None:
    campaign = desk.submit(plan(TEACHERS))
    fail(desk, *desk.runs(campaign).values())
    assert desk.ask("retry", id="p", names=[SHORT])["retried"] == 1
    assert desk.states(campaign) == {SHORT: "queued", LONG: "failed"}


def test_many_things_are_tried_again_together_or_not_at_all(desk: Desk) -> None:
    campaign = desk.submit(plan(TEACHERS))
    runs = desk.runs(campaign)
    fail(desk, runs[SHORT])
    before = desk.last_event()
    with pytest.raises(Conflict, match=f"{LONG} is queued"):
        desk.ask("retry", id=f"p/{SHORT}", ids=[runs[LONG].id])
    assert desk.last_event() == before
    fail(desk, runs[LONG])
    assert desk.ask("retry", id=runs[SHORT].id, ids=[f"p/teachers/{LONG}", runs[SHORT].id])["retried"] == 2


def test_a_name_that_no_run_has_is_told(desk: Desk) -> None:
    campaign = desk.submit(plan(TEACHERS))
    fail(desk, *desk.runs(campaign).values())
    with pytest.raises(NotFound, match="s42_N64_n5'"):
        desk.ask("retry", id="p", names=[SHORT, "s42_N64_n5"])
    with pytest.raises(Conflict, match="one campaign"):
        desk.ask("retry", id="p", ids=["p"], names=[SHORT])
    with pytest.raises(Conflict, match="is a sweep"):
        desk.ask("retry", id="p/teachers", names=[SHORT])
    with pytest.raises(InvalidRequest):
        desk.ask("retry", id="p", names=["\0"])
    assert set(desk.states(campaign).values()) == {"failed"}


def test_what_a_failure_had_blocked_waits_for_it_again(desk: Desk) -> None:
    campaign = desk.submit(plan(TEACHERS, STUDENTS))
    runs = desk.runs(campaign)
    desk.carry_out(runs[SHORT])
    fail(desk, runs[LONG])
    assert desk.states(campaign)["st-1"] == "blocked"
    desk.ask("retry", id="p", failed=True)
    assert desk.states(campaign) == {SHORT: "succeeded", LONG: "queued", "st-1": "waiting", "st-2": "waiting"}


def test_failed_leaves_cancelled_runs_alone_and_blocked_chooses_blocked_ones(desk: Desk) -> None:
    campaign = desk.submit(plan(SweepPlan("s", cells("a", "b", "c"), "/")))
    runs = desk.runs(campaign)
    fail(desk, runs["a"])
    desk.ask("cancel", id=runs["b"].id)
    desk.store.write(SYSTEM, lambda s: consequences.block(s, [runs["c"].id], Reason.BREAKER, "all", subject="x"))
    assert desk.ask("retry", id="p", blocked=True)["retried"] == 1
    assert desk.states(campaign) == {"a": "failed", "b": "cancelled", "c": "queued"}
    assert desk.ask("retry", id="p/s", failed=True)["retried"] == 1
    assert desk.states(campaign) == {"a": "queued", "b": "cancelled", "c": "queued"}
    assert desk.ask("retry", id="p")["retried"] == 1
    assert set(desk.states(campaign).values()) == {"queued"}


def test_what_the_breaker_blocked_goes_on_with_the_failed_ones(desk: Desk) -> None:
    campaign = desk.submit(plan(SweepPlan("s", cells("a", "b"), "/")))
    runs = desk.runs(campaign)
    fail(desk, runs["a"])
    desk.store.write(SYSTEM, lambda s: consequences.block(s, [runs["b"].id], Reason.BREAKER, "all", subject="x"))
    assert desk.ask("retry", id="p", failed=True)["retried"] == 2
    assert set(desk.states(campaign).values()) == {"queued"}


def test_a_blocked_run_whose_need_is_still_missing_is_refused_with_its_reason(desk: Desk) -> None:
    campaign = desk.submit(plan(TEACHERS, PAIR))
    fail(desk, desk.runs(campaign)[SHORT])
    before = desk.last_event()
    with pytest.raises(Conflict, match=f"{SHORT} is failed"):
        desk.ask("retry", id="p", blocked=True)
    assert desk.last_event() == before


def test_nothing_to_try_is_said(desk: Desk) -> None:
    desk.submit(plan(TEACHERS))
    with pytest.raises(Conflict, match="nothing of p has failed"):
        desk.ask("retry", id="p")
    with pytest.raises(Conflict, match="nothing of p is blocked"):
        desk.ask("retry", id="p", blocked=True)


def test_a_success_is_made_again_only_when_it_is_chosen_and_said(desk: Desk) -> None:
    campaign = desk.submit(plan(TEACHERS))
    for run in desk.runs(campaign).values():
        desk.carry_out(run)
    with pytest.raises(Conflict, match="has succeeded"):
        desk.ask("retry", id="p", names=[SHORT])
    with pytest.raises(Conflict, match="only chosen runs"):
        desk.ask("retry", id="p", again=True)
    assert desk.ask("retry", id="p", names=[SHORT], again=True)["retried"] == 1
    assert desk.states(campaign) == {SHORT: "queued", LONG: "succeeded"}
    assert desk.ask("show", id="p")["state"] == "active"
    desk.carry_out(desk.runs(campaign)[SHORT])
    assert desk.ask("show", id="p")["state"] == "succeeded"


def test_what_was_queued_because_of_a_success_waits_while_it_is_made_again(desk: Desk) -> None:
    campaign = desk.submit(plan(TEACHERS, STUDENTS, PAIR))
    for name in (SHORT, LONG):
        desk.carry_out(desk.runs(campaign)[name])
    desk.carry_out(desk.runs(campaign)["st-1"], "delay", Reason.NONZERO_EXIT)
    desk.ask("retry", id=f"p/{SHORT}", again=True)
    found = desk.states(campaign)
    assert (found["st-1"], found["st-2"], found["one"]) == ("waiting", "waiting", "waiting")
    assert desk.runs(campaign)["st-1"].failures == 1
    desk.carry_out(desk.runs(campaign)[SHORT])
    found = desk.states(campaign)
    assert (found["st-1"], found["st-2"], found["one"]) == ("queued", "queued", "queued")


def test_a_retried_run_looks_at_its_files_anew_and_is_not_skipped_for_its_own_output(desk: Desk) -> None:
    campaign = desk.submit(plan(SweepPlan("s", cells("a", requires=("x",), skip_if_done=True), "/")))
    run = desk.runs(campaign)["a"]
    desk.ask("cancel", id=run.id)
    desk.ask("retry", id=run.id)
    row = desk.store.read(lambda s: s.connection.execute("SELECT skip, met FROM conditions"))
    assert row == [(-1, 0)]
    assert desk.states(campaign) == {"a": "waiting"}


def test_thousands_of_runs_are_queued_again_at_once(desk: Desk) -> None:
    campaign = desk.submit(plan(SweepPlan("s", cells(*(f"c{it}" for it in range(5_000))), "/")))
    desk.ask("cancel", id="p")
    assert desk.ask("retry", id="p")["retried"] == 5_000
    assert set(desk.states(campaign).values()) == {"queued"}
