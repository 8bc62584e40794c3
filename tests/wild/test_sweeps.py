"""W10-W23, W76 and W84 of the Wild V2 protocol, without a server: sweeps in its words."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from overnight.domain import access
from overnight.domain.access import VERBS, Principal, Role
from overnight.domain.errors import BadRequest, Conflict, InvalidRequest, LimitExceeded, NotFound
from overnight.domain.plan import CampaignPlan, CellPlan, SweepPlan
from overnight.domain.reasons import Reason
from overnight.service.wild.expand import command_of, creation_context, expanded
from overnight.store import campaigns
from tests.wild.protocol import SWEEP_KEYS, ProtocolDesk, protocol_desk

UNKNOWN = "ffffffffffff"


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[ProtocolDesk]:
    with protocol_desk(tmp_path) as made:
        yield made


def commands(desk: ProtocolDesk, sweep: str) -> list[str]:
    return [run["command"] for run in desk.do("get_runs", sweep_id=sweep)][::-1]


class TestExpansion:
    def test_the_last_key_changes_fastest(self) -> None:
        found = list(expanded({"lr": ["a", "b"], "bs": [1, 2]}, 10))
        assert found == [{"lr": lr, "bs": bs} for lr in "ab" for bs in (1, 2)]

    def test_a_huge_product_costs_what_is_made_of_it(self) -> None:
        assert len(list(expanded({f"p{place}": [*range(100)] for place in range(50)}, 3))) == 3

    @pytest.mark.parametrize(
        ("parameters", "command"),
        [
            ({"lr": "a", "bs": 1}, "x --lr=a --bs=1"),
            ({"lr": 1e-05, "on": True, "off": None}, "x --lr=1e-05 --on=true --off=null"),
            ({"note": "it's $HOME; rm"}, """x --note='it'"'"'s $HOME; rm'"""),
            ({"a b;c": "", "n": "two\nlines"}, "x '--a b;c'='' --n='two\nlines'"),
            ({"layers": {"a": [1]}}, """x --layers='{"a":[1]}'"""),
            ({}, "x"),
        ],
    )
    def test_values_reach_the_shell_quoted(self, parameters: dict[str, Any], command: str) -> None:
        assert command_of("x", parameters) == command

    def test_the_context_prefers_the_form(self) -> None:
        asked = {"name": "n", "goal": "g", "command": "c", "max_runs": 3, "parameters": {"a": 1}}
        ui = {"name": "ui", "maxRuns": 9, "earlyStoppingEnabled": True, "metrics": [1, 2], "hyperparameters": []}
        found = creation_context(asked, ui, 5.0)
        assert (found["name"], found["goal"], found["command"], found["max_runs"]) == ("ui", "g", "c", 9)
        assert (found["early_stopping_enabled"], found["parallel_runs"]) == (True, None)
        assert (found["hyperparameter_count"], found["metric_count"], found["insight_count"]) == (0, 2, None)
        assert (found["created_at"], found["ui_config_snapshot"]) == (5.0, ui)
        assert creation_context(asked, None, 5.0)["hyperparameter_count"] == 1


class TestCreation:
    def test_a_wild_sweep_is_open_and_empty(self, desk: ProtocolDesk) -> None:
        sweep = desk.do("create_wild_sweep", name="night", goal="win", chat_session_id="c")
        assert sweep.keys() >= SWEEP_KEYS
        assert re.fullmatch("[0-9a-f]{12}", sweep["id"])
        assert (sweep["status"], sweep["is_wild"], sweep["run_ids"], sweep["goal"]) == ("pending", True, [], "win")
        assert set(sweep["progress"].values()) == {0}
        assert (sweep["chat_session_id"], sweep["base_command"], sweep["parameters"]) == ("c", "", {})
        default = desk.do("create_wild_sweep")
        assert (default["name"], default["goal"]) == ("Wild Loop Sweep", "")

    def test_a_grid_is_a_run_per_combination(self, desk: ProtocolDesk) -> None:
        sweep = desk.grid({"lr": ["a", "b"], "bs": [1, 2]}, chat_session_id="c")
        runs = desk.do("get_runs", sweep_id=sweep["id"])[::-1]
        assert [run["id"] for run in runs] == sweep["run_ids"]
        assert [run["name"] for run in runs] == [f"grid #{place}" for place in (1, 2, 3, 4)]
        assert runs[0]["command"] == "x --lr=a --bs=1"
        assert [run["sweep_params"] for run in runs][1] == {"lr": "a", "bs": 2}
        assert {(run["status"], run["chat_session_id"]) for run in runs} == {("ready", "c")}
        assert sweep["expansion"] == {"combinations": 4, "created": 4, "truncated": False}
        assert desk.look(runs[0]["id"]).config["parameters"] == {"lr": "a", "bs": 1}

    def test_the_edges_of_a_grid(self, desk: ProtocolDesk) -> None:
        cut = desk.grid({"a": [1, 2], "b": [1, 2]}, max_runs=3)
        assert cut["expansion"] == {"combinations": 4, "created": 3, "truncated": True}
        assert len(desk.grid({"a": 1, "b": [1, 2]})["run_ids"]) == 2
        assert commands(desk, desk.grid({})["id"]) == ["x"]
        with pytest.raises(InvalidRequest, match="lr"):
            desk.grid({"lr": []})
        for missing in (None, [], {"": [1]}, {"a": [{"b": float("nan")}]}, {"a": 10**5000}, {"a": ["\0"]}):
            with pytest.raises(InvalidRequest):
                desk.grid(missing)
        for wrong in ({"max_runs": 0}, {"name": " "}, {"base_command": ""}):
            with pytest.raises(InvalidRequest):
                desk.grid({}, **wrong)

    def test_words_for_its_status(self, desk: ProtocolDesk) -> None:
        draft = desk.grid({"a": [1, 2]}, status="draft", auto_start=True)
        assert (draft["status"], draft["run_ids"]) == ("draft", [])
        assert draft["expansion"] == {"combinations": 2, "created": 0, "truncated": False}
        assert desk.grid({}, status="running")["progress"]["queued"] == 1
        assert desk.grid({}, auto_start=True)["progress"]["queued"] == 1
        for word in ("ready", "strange", "pending"):
            assert desk.grid({}, status=word)["progress"]["ready"] == 1
        for word in ("completed", "failed", "canceled"):
            with pytest.raises(BadRequest, match=f"^Unsupported sweep status: {word}$"):
                desk.grid({}, status=word)

    def test_a_token_makes_no_larger_grid_than_it_may(self, desk: ProtocolDesk) -> None:
        agent = Principal("agent", Role.AGENT, VERBS[Role.AGENT])
        most = desk.context.configuration.limits.cells
        desk.context = replace(desk.context, principal=agent)
        with pytest.raises(LimitExceeded):
            desk.grid({"a": [*range(most + 1)]}, max_runs=most + 1)
        desk.context = replace(desk.context, principal=access.ADMIN)
        with pytest.raises(LimitExceeded):
            desk.grid({"a": [*range(1000)]}, base_command="x" * 1024 * 1024, max_runs=1000)


class TestStanding:
    def test_times_follow_its_runs(self, desk: ProtocolDesk) -> None:
        sweep = desk.grid({"a": [1, 2]}, auto_start=True)["id"]
        first, second = desk.do("get_sweep", id=sweep)["run_ids"]
        assert desk.do("get_sweep", id=sweep)["started_at"] is None
        desk.launched(first)
        told = desk.do("get_sweep", id=sweep)
        assert (told["status"], told["progress"]["launching"], told["progress"]["running"]) == ("running", 1, 0)
        assert told["started_at"] is not None
        desk.do("stop_run", id=first)
        desk.ended(first, "stopped", Reason.STOPPED)
        assert desk.do("get_sweep", id=sweep)["status"] == "pending"
        desk.through(second)
        told = desk.do("get_sweep", id=sweep)
        assert told["status"] == "completed"
        assert told["completed_at"] >= told["started_at"]
        desk.do("rerun_run", id=second)
        assert desk.do("get_sweep", id=sweep)["completed_at"] is None

    def test_what_others_carry_out_counts(self, desk: ProtocolDesk) -> None:
        sweep = desk.sweep()
        run = desk.make(sweep_id=sweep)
        desk.do("report_status", id=run, status="launching")
        told = desk.do("get_sweep", id=sweep)
        assert (told["progress"]["launching"], told["progress"]["running"]) == (1, 0)
        assert told["started_at"] is not None
        desk.do("report_status", id=run, status="running")
        assert desk.do("get_sweep", id=sweep)["progress"]["running"] == 1

    def test_campaigns_of_other_dialects_are_sweeps_too(self, desk: ProtocolDesk) -> None:
        cell = CellPlan("a", {}, "true")
        native = desk.submit(CampaignPlan("native", (SweepPlan("s", (cell,), "/"),)))
        wild = desk.sweep()
        assert [it["id"] for it in desk.do("get_sweeps")] == [wild, native]
        told = desk.do("get_sweep", id=native)
        assert told.keys() >= SWEEP_KEYS
        assert (told["name"], told["is_wild"], told["status"], told["base_command"]) == ("native", False, "pending", "")
        assert desk.do("start_sweep", id=native)["message"] == "Started 1/1 runs"
        with pytest.raises(Conflict):
            desk.do("edit_sweep", id=native, name="mine")

    def test_only_a_grid_tells_people_that_it_is_over(self, desk: ProtocolDesk) -> None:
        grid, sweep = desk.grid({}, auto_start=True), desk.sweep()
        for run in (*grid["run_ids"], *(desk.make(sweep_id=sweep, auto_start=True) for _ in range(2))):
            desk.through(run)
        assert [it["campaign_id"] for it in desk.ask("alerts")["alerts"]] == [grid["id"]]

    def test_no_file_is_applied_to_a_sweep(self, desk: ProtocolDesk, tmp_path: Path) -> None:
        (tmp_path / "empty").mkdir()
        text = "campaign: x\nworkdir: empty\nsweeps:\n  s:\n    command: 'true'\n"
        with pytest.raises(Conflict, match="file"):
            desk.ask("update", id=desk.sweep(), file=text, directory=str(tmp_path))

    def test_pages_of_sweeps(self, desk: ProtocolDesk) -> None:
        made = [desk.sweep() for _ in range(3)]
        page = desk.do("get_sweeps", limit=2)
        rest = desk.do("get_sweeps", limit=2, cursor=page.cursor)
        assert [it["id"] for it in (*page, *rest)] == made[::-1]
        assert rest.cursor is None
        assert desk.do("get_sweeps", limit=0) == []

    def test_unknown_sweeps(self, desk: ProtocolDesk) -> None:
        for operation in ("get_sweep", "edit_sweep", "start_sweep", "cancel_sweep"):
            with pytest.raises(NotFound):
                desk.do(operation, id=UNKNOWN)
        with pytest.raises(NotFound):
            desk.do("get_runs", sweep_id=UNKNOWN)


class TestEdits:
    def test_what_may_be_edited_when(self, desk: ProtocolDesk) -> None:
        sweep = desk.grid({"a": [1, 2]})["id"]
        desk.do("create_sweep_run", id=sweep, name="own", command="own")
        for fields in ({"parameters": {"a": [2]}}, {"max_runs": 3}, {"status": "draft"}):
            with pytest.raises(Conflict):
                desk.do("edit_sweep", id=sweep, **fields)
        for fields in ({"base_command": " "}, {"name": ""}, {"status": "completed"}):
            with pytest.raises(BadRequest):
                desk.do("edit_sweep", id=sweep, **fields)
        told = desk.do("edit_sweep", id=sweep, name="new", base_command="y", goal="g", ui_config={"b": 1})
        assert (told["name"], told["base_command"], told["goal"], told["ui_config"]) == ("new", "y", "g", {"b": 1})
        assert commands(desk, sweep) == ["y --a=1", "y --a=2", "own"]

    def test_a_new_command_reaches_only_what_waits(self, desk: ProtocolDesk) -> None:
        sweep = desk.grid({"a": [1, 2, 3]}, auto_start=True)
        first, second, _ = sweep["run_ids"]
        desk.through(first)
        desk.running(second)
        with pytest.raises(Conflict):
            desk.do("edit_sweep", id=sweep["id"], base_command="y")
        desk.ended(second)
        desk.do("edit_sweep", id=sweep["id"], base_command="y")
        assert commands(desk, sweep["id"]) == ["x --a=1", "x --a=2", "y --a=3"]

    def test_a_draft_becomes_a_grid(self, desk: ProtocolDesk) -> None:
        sweep = desk.grid({"a": [1]}, status="draft")["id"]
        desk.do("edit_sweep", id=sweep, parameters={"a": [1, 2, 3]}, max_runs=2)
        told = desk.do("edit_sweep", id=sweep, status="pending")
        assert (told["status"], len(told["run_ids"])) == ("pending", 2)
        assert told["expansion"] == {"combinations": 3, "created": 2, "truncated": True}
        assert desk.do("edit_sweep", id=sweep, status="running")["progress"]["queued"] == 2
        empty = desk.sweep()
        assert desk.do("edit_sweep", id=empty, status="draft")["status"] == "draft"
        assert desk.do("edit_sweep", id=empty, status="pending")["run_ids"] == []

    def test_an_edit_is_on_record_with_before_and_after(self, desk: ProtocolDesk) -> None:
        sweep = desk.sweep(goal="old", chat_session_id="c")
        for _ in range(2):
            desk.do("edit_sweep", id=sweep, goal="new", ui_config={"a": 1})
        (event,) = desk.events("campaign.update")
        assert event["before"] == {"goal": "old", "ui_config": None}
        assert event["after"] == {"goal": "new", "ui_config": '{"a":1}'}
        assert (event["actor"], event["chat"], event["subject"]) == ("ada", "c", sweep)


class TestStarts:
    def test_a_start_hands_everything_over_under_a_lasting_cap(self, desk: ProtocolDesk) -> None:
        sweep = desk.grid({"a": [1, 2, 3]})["id"]
        assert desk.do("start_sweep", id=sweep, parallel=2) == {"message": "Started 2/2 runs", "sweep_id": sweep}
        assert desk.do("get_sweep", id=sweep)["progress"]["queued"] == 3
        assert desk.store.read(lambda session: campaigns.get(session, sweep)).parallel == 2
        assert desk.do("start_sweep", id=sweep, parallel=5)["message"] == "Started 3/3 runs"
        with pytest.raises(InvalidRequest):
            desk.do("start_sweep", id=sweep, parallel=0)

    def test_drafts_and_cancelled_sweeps_do_not_start(self, desk: ProtocolDesk) -> None:
        draft, cancelled = desk.grid({}, status="draft")["id"], desk.sweep()
        desk.do("cancel_sweep", id=cancelled)
        with pytest.raises(BadRequest):
            desk.do("start_sweep", id=draft)
        with pytest.raises(Conflict):
            desk.do("start_sweep", id=cancelled)

    def test_cancelled_is_everything_and_for_good(self, desk: ProtocolDesk) -> None:
        sweep = desk.grid({"a": [1, 2, 3, 4]})
        over, running, queued, _ = sweep["run_ids"]
        for run in (over, running, queued):
            desk.do("queue_run", id=run)
        desk.through(over)
        desk.running(running)
        told = desk.do("cancel_sweep", id=sweep["id"])
        assert told == {"message": "Sweep canceled", "sweep_id": sweep["id"], "stopped": 3}
        desk.ended(running, "stopped", Reason.STOPPED)
        told = desk.do("get_sweep", id=sweep["id"])
        assert (told["status"], told["progress"]["canceled"], told["progress"]["completed"]) == ("canceled", 3, 1)
        assert told["completed_at"] is not None
        assert desk.do("cancel_sweep", id=sweep["id"])["stopped"] == 0

    def test_who_cancels_the_campaign_cancels_the_sweep(self, desk: ProtocolDesk) -> None:
        sweep = desk.grid({"a": [1, 2]})["id"]
        desk.do("cancel", id=sweep)
        told = desk.do("get_sweep", id=sweep)
        assert (told["status"], told["progress"]["canceled"]) == ("canceled", 2)
        with pytest.raises(Conflict, match="Sweep is canceled"):
            desk.make(sweep_id=sweep)
        assert len(desk.events("campaign.update")) == 1
        other = desk.sweep()
        desk.do("cancel", id=desk.make(sweep_id=other))
        assert desk.make(sweep_id=other)

    def test_a_status_of_canceled_cancels(self, desk: ProtocolDesk) -> None:
        sweep = desk.grid({"a": [1, 2]}, auto_start=True)["id"]
        told = desk.do("edit_sweep", id=sweep, status="canceled")
        assert (told["status"], told["progress"]["canceled"]) == ("canceled", 2)
        with pytest.raises(Conflict):
            desk.do("edit_sweep", id=sweep, status="pending")
        empty = desk.do("edit_sweep", id=desk.sweep(), status="canceled")
        assert empty["status"] == "canceled"
        assert empty["completed_at"] is not None
