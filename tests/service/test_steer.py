"""Names as references, priority, and sweeps as one thing."""

from __future__ import annotations

import pytest

from overnight.domain.errors import Conflict, InvalidRequest, NotFound
from overnight.domain.plan import CampaignPlan, CellPlan, SweepPlan
from tests.service.desk import Desk

SHORT, LONG = "s42_N64_n50000", "s42_N64_n500000"


def sweep(name: str, *cells: str) -> SweepPlan:
    return SweepPlan(name, tuple(CellPlan(cell, {}, "true") for cell in cells), "/")


TWO = CampaignPlan("my study", (sweep("train", LONG, SHORT), sweep("eval", "eval")))


def test_sweeps_and_runs_go_by_the_name_of_their_campaign_and_their_own(desk: Desk) -> None:
    campaign = desk.submit(TWO)
    runs = desk.runs(campaign)
    assert desk.ask("show", id=f"my study/{SHORT}")["id"] == runs[SHORT].id
    assert desk.ask("show", id=f"{campaign}/{LONG}")["id"] == runs[LONG].id
    assert desk.ask("show", id=f"{campaign[:6]}/train")["kind"] == "sweep"
    assert desk.ask("explain", id=f"my study/train/{LONG}")["id"] == runs[LONG].id


def test_a_name_that_a_sweep_and_its_run_share_means_the_sweep_unless_a_run_is_wanted(desk: Desk) -> None:
    campaign = desk.submit(TWO)
    run = desk.runs(campaign)["eval"]
    assert desk.ask("show", id="my study/eval")["kind"] == "sweep"
    assert desk.ask("show", id="my study/eval/eval")["id"] == run.id
    assert desk.ask("log", id="my study/eval")["id"] == run.id


def test_the_newest_campaign_of_a_name_is_meant(desk: Desk) -> None:
    older, newer = desk.submit(TWO), desk.submit(TWO)
    assert desk.ask("show", id=f"my study/{SHORT}")["campaign_id"] == newer
    assert desk.ask("show", id=f"{older}/{SHORT}")["campaign_id"] == older


@pytest.mark.parametrize(
    "text", ["my study/s42_N64_n5", "my study/", "/train", "my study/train/eval", "my study/train/x/y", "no/train", "/"]
)
def test_what_names_nothing_is_told(desk: Desk, text: str) -> None:
    desk.submit(TWO)
    with pytest.raises(NotFound, match="there is no campaign, sweep or run"):
        desk.ask("show", id=text)


def test_a_sweep_is_paused_resumed_and_cancelled_as_one_thing(desk: Desk) -> None:
    campaign = desk.submit(TWO)
    assert desk.ask("pause", id="my study/train")["changed"]
    assert desk.ask("explain", id=f"my study/{SHORT}")["code"] == "sweep_paused"
    assert desk.ask("explain", id="my study/eval/eval")["code"] != "sweep_paused"
    assert desk.ask("resume", id="my study/train")["changed"]
    assert desk.ask("cancel", id="my study/train")["cancelled"] == 2
    assert desk.states(campaign) == {LONG: "cancelled", SHORT: "cancelled", "eval": "queued"}
    with pytest.raises(Conflict, match="is a run"):
        desk.ask("pause", id=f"my study/{SHORT}")


def order(desk: Desk, sweep: str) -> list[str]:
    rows = desk.store.read(lambda s: s.rows("runs_queued_head", sweep_id=sweep, limit=10))
    return [row[0] for row in rows]


def test_a_run_with_a_higher_priority_goes_first(desk: Desk) -> None:
    runs = desk.runs(desk.submit(TWO))
    assert order(desk, runs[LONG].sweep_id) == [runs[LONG].id, runs[SHORT].id]
    assert desk.ask("priority", id=f"my study/{SHORT}", priority=3) == {
        "id": runs[SHORT].id,
        "kind": "run",
        "priority": 3,
        "changed": True,
    }
    assert order(desk, runs[LONG].sweep_id) == [runs[SHORT].id, runs[LONG].id]
    (event,) = desk.events("run.priority")
    assert (event["before"], event["priority"], event["actor"]) == (0, 3, "ada")


def test_the_priority_of_a_campaign_is_that_of_its_sweeps(desk: Desk) -> None:
    campaign = desk.submit(TWO)
    desk.ask("priority", id=f"{campaign}/eval", priority=-2)
    assert [it["priority"] for it in desk.ask("show", id=campaign)["sweeps"]] == [0, -2]
    assert desk.ask("priority", id=campaign, priority=-2)["changed"]
    assert [it["priority"] for it in desk.ask("show", id=campaign)["sweeps"]] == [-2, -2]
    before = desk.last_event()
    assert not desk.ask("priority", id=campaign, priority=-2)["changed"]
    assert not desk.ask("priority", id=f"{campaign}/eval", priority=-2)["changed"]
    assert not desk.ask("priority", id=f"{campaign}/{SHORT}", priority=0)["changed"]
    assert desk.last_event() == before


def test_a_priority_that_no_column_holds_is_refused(desk: Desk) -> None:
    desk.submit(TWO)
    with pytest.raises(InvalidRequest):
        desk.ask("priority", id="my study", priority=10**30)
