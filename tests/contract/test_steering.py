"""Edits, retries, the queue's view and the Wild V2 protocol on PostgreSQL, which is stricter than SQLite."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from overnight.clock import SystemClock
from overnight.domain.plan import CampaignPlan, CellPlan, SweepNeed, SweepPlan
from overnight.domain.reasons import Reason
from overnight.testing.editor import apply_plan
from tests.service.desk import Desk
from tests.wild.protocol import ProtocolDesk


def cells(*names: str, command: str = "true") -> tuple[CellPlan, ...]:
    return tuple(CellPlan(name, {}, command, outputs=(f"{name}.out",), requires=("in",)) for name in names)


@pytest.mark.real("postgresql")
def test_a_campaign_is_edited_retried_and_looked_at(tmp_path: Path, new_database: Callable[[], str]) -> None:
    from overnight.store.postgres import PostgresStore

    desk = Desk(tmp_path, PostgresStore(new_database(), SystemClock()))
    first = SweepPlan("first", (CellPlan("a", {}, "true"), CellPlan("b", {}, "true")), "/w")
    last = SweepPlan("last", cells("c"), "/w", needs=(SweepNeed("first"),))
    plan = CampaignPlan("p", (first, last))
    campaign = desk.submit(plan)
    desk.start(desk.runs(campaign)["a"])
    sweeps = (replace(first, cells=first.cells[:1], time_limit=5.0), replace(last, cells=cells("c", "d", command="x")))
    answer = apply_plan(desk.context, campaign, CampaignPlan("p", sweeps), None)
    assert [answer[it] for it in ("added", "replaced", "cancelled", "unchanged")] == [1, 1, 1, 1]
    assert not apply_plan(desk.context, campaign, CampaignPlan("p", sweeps), None)["changed"]
    desk.end(desk.runs(campaign)["a"], "fail", Reason.NONZERO_EXIT)
    assert desk.ask("retry", id="p", failed=True)["retried"] == 1
    desk.carry_out(desk.runs(campaign)["a"])
    assert desk.ask("retry", id="p/a", again=True)["retried"] == 1
    assert desk.ask("priority", id="p", priority=3)["changed"]
    found = desk.ask("queue", id="p")["queue"]
    assert [(job["id"], job["status"]) for job in found["jobs"]] == [
        ("a", "pending"),
        ("b", "canceled"),
        ("c", "pending"),
        ("d", "pending"),
    ]
    assert found["phases"][1]["depends_on"] == ["first"]
    desk.check()
    desk.store.close()


@pytest.mark.real("postgresql")
def test_runs_and_sweeps_of_the_wild_protocol_live_there_too(tmp_path: Path, new_database: Callable[[], str]) -> None:
    from overnight.store.postgres import PostgresStore

    desk = ProtocolDesk(tmp_path, PostgresStore(new_database(), SystemClock()))
    grid = desk.grid({"a": [1, 2, 3]}, auto_start=True, chat_session_id="c")
    first, second, third = grid["run_ids"]
    desk.through(first, "fail", Reason.NONZERO_EXIT)
    desk.launched(second)
    desk.do("edit_run", id=third, command="other", workdir="/elsewhere")
    moved = desk.make(chat_session_id="c")
    desk.do("report_status", id=moved, status="running")
    desk.do("add_run_to_sweep", id=moved, sweep_id=grid["id"])
    told = desk.do("get_sweep", id=grid["id"])
    counts = {name: number for name, number in told["progress"].items() if number}
    assert counts == {"total": 4, "failed": 1, "launching": 1, "queued": 1, "running": 1}
    desk.do("report_status", id=moved, status="finished", exit_code=0)
    desk.do("archive_run", id=moved)
    assert [run["id"] for run in desk.do("get_runs", chat_session_id="c", status="launching")] == [second]
    assert desk.do("rerun_run", id=first)["parent_run_id"] == first
    desk.do("edit_sweep", id=grid["id"], name="new", ui_config={"b": 1})
    assert desk.do("cancel_sweep", id=grid["id"])["stopped"] == 3
    desk.check()
    desk.store.close()
