"""W20, W24-W45, W76-W78 of the Wild V2 protocol, without a server: runs in its words."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from overnight.domain.errors import BadRequest, Conflict, InvalidRequest, KeyReused, NotFound
from overnight.domain.plan import CampaignPlan, CellPlan, Need, Retry, SweepPlan
from overnight.domain.reasons import Reason
from overnight.service import consequences
from overnight.store import campaigns
from overnight.store.base import SYSTEM, Session
from tests.wild.protocol import RUN_KEYS, ProtocolDesk, protocol_desk

UNKNOWN = "ffffffffffff"


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[ProtocolDesk]:
    with protocol_desk(tmp_path) as made:
        yield made


def settings(desk: ProtocolDesk, run_id: str) -> Any:
    sweep = desk.look(run_id).sweep_id
    return desk.store.read(lambda session: campaigns.get_sweep(session, sweep)).settings


class TestCreation:
    def test_a_run_is_ready_and_says_everything(self, desk: ProtocolDesk) -> None:
        run = desk.do("create_run", name="one", command="true")
        assert run.keys() == RUN_KEYS
        assert re.fullmatch("[0-9a-f]{12}", run["id"])
        assert (run["status"], run["workdir"], run["creator"]) == ("ready", desk.context.folder, "ada")
        assert run["compliance"] == {"attributed": False, "intentional": False, "in_sweep": False}
        assert desk.woken

    def test_its_settings_are_those_of_the_protocol(self, desk: ProtocolDesk) -> None:
        found = settings(desk, desk.make())
        assert found.capacity
        assert found.breaker is None
        assert found.need == Need(gpus=0, slots=0)
        assert found.retry == Retry(attempts=3, delay=5.0, factor=1.0, only_gpu_memory=True)

    @pytest.mark.parametrize(
        ("said", "attempts", "delay"),
        [
            ({}, 3, 5.0),
            ({"retries": 0}, 1, 5.0),
            ({"retries": -1}, 1_000_000, 5.0),
            ({"enabled": False, "retries": 9}, 1, 5.0),
            ({"enabled": None, "retries": 4, "retry_delay_seconds": 0.5}, 5, 0.5),
        ],
    )
    def test_gpuwrap_says_how_often_it_is_tried_again(
        self, desk: ProtocolDesk, said: dict[str, Any], attempts: int, delay: float
    ) -> None:
        run = desk.do("create_run", name="x", command="true", gpuwrap_config=said)
        assert run["gpuwrap_config"] == said
        assert (settings(desk, run["id"]).retry.attempts, settings(desk, run["id"]).retry.delay) == (attempts, delay)

    @pytest.mark.parametrize(
        "fields",
        [
            {"command": "  "},
            {"name": " "},
            {"name": "a\0b"},
            {"command": "echo \ud800"},
            {"workdir": "/a\0b"},
            {"gpuwrap_config": {"retries": -2}},
            {"gpuwrap_config": {"retry_delay_seconds": 0}},
            {"gpuwrap_config": {"retry_delay_seconds": 601}},
        ],
    )
    def test_what_cannot_be_is_refused(self, desk: ProtocolDesk, fields: dict[str, Any]) -> None:
        with pytest.raises(InvalidRequest):
            desk.do("create_run", **{"name": "x", "command": "true", **fields})

    def test_a_pin_in_the_command_is_reserved(self, desk: ProtocolDesk) -> None:
        run = desk.make("CUDA_VISIBLE_DEVICES=1,2 python train.py")
        assert settings(desk, run).need == Need(gpus=2, slots=0, devices=(1, 2))

    def test_folders_are_absolute_and_need_not_be_there(self, desk: ProtocolDesk) -> None:
        assert desk.do("create_run", name="x", command="true", workdir="/no/such")["workdir"] == "/no/such"
        relative = desk.do("create_run", name="x", command="true", workdir="sub")
        assert relative["workdir"] == f"{desk.context.folder}/sub"

    def test_runs_of_one_shape_share_a_hidden_sweep(self, desk: ProtocolDesk) -> None:
        first, second, other = desk.make(), desk.make("false"), desk.make(workdir="/elsewhere")
        assert desk.look(first).sweep_id == desk.look(second).sweep_id != desk.look(other).sweep_id

    def test_auto_start_queues(self, desk: ProtocolDesk) -> None:
        run = desk.do("create_run", name="x", command="true", auto_start=True)
        assert run["status"] == "queued"
        assert run["queued_at"] > 0

    def test_the_commit_of_its_folder_is_kept(self, desk: ProtocolDesk, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("x")
        identity = ("-c", "user.name=a", "-c", "user.email=a@b")
        for words in (("init", "-q"), ("add", "file"), ("commit", "-qm", "x")):
            subprocess.run(("git", "-C", tmp_path, *identity, *words), check=True)
        clean = desk.do("create_run", name="x", command="true", workdir=str(tmp_path))
        assert re.fullmatch("[0-9a-f]{40}", clean["git"]["sha"])
        assert clean["git"]["dirty"] is False
        assert desk.do("create_run", name="x", command="true", workdir="/")["git"] == {"sha": None, "dirty": None}

    def test_the_same_key_makes_one_run(self, desk: ProtocolDesk) -> None:
        made = [desk.do("create_run", key="k", name="x", command="true")["id"] for _ in range(2)]
        assert made[0] == made[1]
        with pytest.raises(KeyReused):
            desk.do("create_run", key="k", name="y", command="true")


class TestBelonging:
    def test_an_unknown_sweep_creates_nothing(self, desk: ProtocolDesk) -> None:
        with pytest.raises(NotFound, match=f"^Sweep not found: {UNKNOWN}$"):
            desk.make(sweep_id=UNKNOWN)
        with pytest.raises(NotFound, match=r"^Sweep not found$"):
            desk.do("create_sweep_run", id=UNKNOWN, name="x", command="true")
        assert desk.do("get_runs") == []

    def test_a_run_in_a_sweep_inherits_its_conversation(self, desk: ProtocolDesk) -> None:
        sweep = desk.sweep(chat_session_id="theirs")
        run = desk.do("create_sweep_run", id=sweep, name="x", command="true", sweep_id=UNKNOWN)
        assert (run["sweep_id"], run["chat_session_id"]) == (sweep, "theirs")
        assert run["compliance"] == {"attributed": True, "intentional": False, "in_sweep": True}
        own = desk.do("create_run", name="x", command="true", sweep_id=sweep, chat_session_id="own")
        assert own["chat_session_id"] == "own"

    def test_a_run_goes_into_no_sweep_of_a_file_and_none_that_was_cancelled(self, desk: ProtocolDesk) -> None:
        cell = CellPlan("a", {}, "true")
        native = desk.submit(CampaignPlan("native", (SweepPlan("s", (cell,), "/"),)))
        cancelled = desk.sweep()
        desk.do("cancel_sweep", id=cancelled)
        for sweep in (native, cancelled):
            with pytest.raises(Conflict):
                desk.make(sweep_id=sweep)

    def test_strict_servers_want_a_conversation_or_null(self, desk: ProtocolDesk) -> None:
        with desk.strict():
            with pytest.raises(InvalidRequest) as caught:
                desk.make()
            assert caught.value.details[0]["loc"] == ["body", "chat_session_id"]
            for operation, fields in (
                ("create_wild_sweep", {}),
                ("create_sweep", {"name": "x", "base_command": "x", "parameters": {}}),
            ):
                with pytest.raises(InvalidRequest):
                    desk.do(operation, **fields)
            run = desk.do("create_run", name="x", command="true", chat_session_id=None)
        assert run["compliance"] == {"attributed": False, "intentional": True, "in_sweep": False}

    def test_strict_servers_attach_to_the_only_open_wild_sweep(self, desk: ProtocolDesk) -> None:
        with desk.strict():
            with pytest.raises(InvalidRequest):
                desk.make(chat_session_id="c")
            desk.grid({}, chat_session_id="c")
            over, sweep = desk.sweep(chat_session_id="c"), desk.sweep(chat_session_id="c")
            with pytest.raises(InvalidRequest):
                desk.make(chat_session_id="c")
            desk.do("cancel_sweep", id=over)
            run = desk.make(chat_session_id="c", auto_start=True)
            assert desk.look(run).campaign_id == sweep
            desk.through(run)
            assert desk.look(desk.make(chat_session_id="c")).campaign_id == sweep

    def test_what_belongs_to_others_is_not_there(self, desk: ProtocolDesk) -> None:
        run, sweep = desk.make(), desk.sweep()
        with desk.asked_by("eve"):
            for operation in ("get_run", "start_run", "stop_run", "rerun_run", "archive_run", "queue_run"):
                with pytest.raises(NotFound, match=r"^Run not found$"):
                    desk.do(operation, id=run)
            with pytest.raises(NotFound, match=r"^Sweep not found"):
                desk.make(sweep_id=sweep)
            assert desk.do("get_runs") == desk.do("get_sweeps") == []


class TestStages:
    def test_starts_by_state(self, desk: ProtocolDesk) -> None:
        run = desk.make()
        for _ in range(2):
            said = desk.do("start_run", id=run)
            assert said == {"message": "Run queued", "tmux_window": None, "id": run, "status": "queued"}
        desk.launched(run)
        with pytest.raises(BadRequest, match=r"^Run cannot be started \(status: launching\)$"):
            desk.do("start_run", id=run)
        assert len(desk.events("run.enqueue")) == 1

    def test_queue_takes_ready_runs_only(self, desk: ProtocolDesk) -> None:
        run = desk.make()
        queued = desk.do("queue_run", id=run)
        assert (queued["message"], queued["status"], queued["id"]) == ("Run queued", "queued", run)
        with pytest.raises(BadRequest, match="queued"):
            desk.do("queue_run", id=run)
        with pytest.raises(NotFound):
            desk.do("queue_run", id=UNKNOWN)

    @pytest.mark.parametrize("queued", [False, True])
    def test_stopped_before_it_ran(self, desk: ProtocolDesk, queued: bool) -> None:
        run = desk.make(auto_start=queued)
        assert desk.do("stop_run", id=run) == {"message": "Run stopped"}
        told = desk.do("get_run", id=run)
        assert told["status"] == "stopped"
        assert told["stopped_at"] == told["ended_at"]
        with pytest.raises(BadRequest, match=r"^Run is not active \(status: stopped\)$"):
            desk.do("stop_run", id=run)

    def test_a_stop_order_stands_until_the_end_is_proven(self, desk: ProtocolDesk) -> None:
        run = desk.make(auto_start=True)
        desk.running(run)
        for _ in range(2):
            desk.do("stop_run", id=run)
            assert desk.status(run) == "running"
        desk.ended(run, "stopped", Reason.STOPPED)
        assert desk.status(run) == "stopped"
        assert len(desk.events("run.order_stop")) == 1

    def test_between_two_attempts_a_run_is_queued_and_tells_no_end(self, desk: ProtocolDesk) -> None:
        run = desk.make(auto_start=True)
        desk.through(run, "delay", Reason.NONZERO_EXIT)
        told = desk.do("get_run", id=run)
        assert (told["status"], told["exit_code"], told["error"]) == ("queued", None, None)
        assert "ended_at" not in told
        assert told["attempts"][0]["exit_code"] == 1
        assert told["queue_reason"]

    def test_ends_are_told(self, desk: ProtocolDesk) -> None:
        good, bad = desk.make(auto_start=True), desk.make(auto_start=True)
        desk.through(good)
        desk.through(bad, "fail", Reason.NONZERO_EXIT)
        told = desk.do("get_run", id=good)
        assert (told["status"], told["exit_code"], told["error"]) == ("finished", 0, None)
        assert told["queued_at"] <= told["launched_at"] <= told["ended_at"]
        assert told["run_dir"] == "/f"
        told = desk.do("get_run", id=bad)
        assert (told["status"], told["exit_code"], told["error"]) == ("failed", 1, "Process exited with code 1")

    def test_the_native_command_starts_ready_runs(self, desk: ProtocolDesk) -> None:
        sweep = desk.sweep()
        made = [desk.make(sweep_id=sweep) for _ in range(3)]
        assert desk.ask("start", id=made[0])["started"] == 1
        assert desk.ask("start", id=sweep) == {"id": sweep, "kind": "campaign", "started": 2}
        assert desk.ask("start", id=sweep)["started"] == 0
        assert {desk.status(run) for run in made} == {"queued"}
        assert desk.ask("cancel", id=sweep)["cancelled"] == 3


class TestReports:
    def test_somebody_else_carries_a_run_out(self, desk: ProtocolDesk) -> None:
        run = desk.make(sweep_id=desk.sweep())
        for status in ("launching", "running", "running"):
            assert desk.do("report_status", id=run, status=status) == {"message": "Status updated"}
            assert desk.status(run) == status
        with pytest.raises(Conflict):
            desk.do("report_status", id=run, status="ready")
        for _ in range(2):
            desk.do("report_status", id=run, status="finished", exit_code=2, wandb_dir="/w")
        told = desk.do("get_run", id=run)
        assert (told["status"], told["exit_code"], told["error"]) == ("failed", 2, "Process exited with code 2")
        assert (told["externally_reported"], told["wandb_dir"], told["attempts"]) == (True, "/w", [])
        assert told["started_at"] <= told["ended_at"]
        for status in ("finished", "running", "stopped"):
            with pytest.raises(Conflict):
                desk.do("report_status", id=run, status=status)
        assert desk.do("get_sweep", id=told["sweep_id"])["status"] == "failed"

    def test_unknown_runs_and_words(self, desk: ProtocolDesk) -> None:
        with pytest.raises(NotFound):
            desk.do("report_status", id=UNKNOWN, status="running")
        with pytest.raises(InvalidRequest):
            desk.do("report_status", id=desk.make(), status="dancing")

    def test_nobody_contradicts_our_own_runner(self, desk: ProtocolDesk) -> None:
        run = desk.make(auto_start=True)
        with pytest.raises(Conflict):
            desk.do("report_status", id=run, status="running")
        desk.launched(run)
        desk.do("report_status", id=run, status="running", wandb_dir="/w")
        assert desk.do("get_run", id=run)["wandb_dir"] == "/w"
        assert (desk.status(run), desk.look(run).state) == ("launching", "running")
        with pytest.raises(Conflict):
            desk.do("report_status", id=run, status="finished", exit_code=0)
        assert desk.do("get_run", id=run)["externally_reported"] is False

    def test_a_retry_takes_a_run_into_our_own_hands(self, desk: ProtocolDesk) -> None:
        run = desk.make()
        desk.do("report_status", id=run, status="failed", exit_code=3, error="boom")
        assert "boom" in desk.ask("explain", id=run)["reason"]
        desk.ask("retry", id=run)
        assert desk.do("get_run", id=run)["externally_reported"] is False
        desk.through(run)
        assert desk.do("get_run", id=run)["exit_code"] == 0

    def test_what_others_carry_out_can_be_stopped(self, desk: ProtocolDesk) -> None:
        run = desk.make()
        desk.do("report_status", id=run, status="running")
        desk.do("stop_run", id=run)
        assert desk.status(run) == "stopped"


class TestEdits:
    def test_edits_by_state(self, desk: ProtocolDesk) -> None:
        run = desk.make("old")
        edited = desk.do("edit_run", id=run, name="new", command="other", workdir="/w")
        assert (edited["name"], edited["command"], edited["workdir"]) == ("new", "other", "/w")
        with pytest.raises(BadRequest):
            desk.do("edit_run", id=run, command=" ")
        desk.do("queue_run", id=run)
        desk.do("edit_run", id=run, command="CUDA_VISIBLE_DEVICES=3 x")
        assert settings(desk, run).need.devices == (3,)
        desk.running(run)
        with pytest.raises(Conflict):
            desk.do("edit_run", id=run, command="late")
        assert desk.do("edit_run", id=run, name="while it runs")["name"] == "while it runs"
        desk.ended(run)
        with pytest.raises(Conflict):
            desk.do("edit_run", id=run, name="late")

    def test_an_edit_is_on_record_with_before_and_after(self, desk: ProtocolDesk) -> None:
        run = desk.make("old", chat_session_id="c")
        desk.do("edit_run", id=run, command="new")
        desk.do("edit_run", id=run, command="new")
        (event,) = desk.events("run.update")
        assert (event["before"], event["after"]) == ({"command": "old"}, {"command": "new"})
        assert (event["actor"], event["chat"], event["subject"]) == ("ada", "c", run)

    def test_a_run_that_waits_for_its_next_attempt_takes_the_new_command_at_once(self, desk: ProtocolDesk) -> None:
        run = desk.make(auto_start=True)
        desk.through(run, "delay", Reason.VRAM_OOM)
        desk.do("edit_run", id=run, command="smaller")
        assert desk.look(run).state == "queued"
        assert desk.look(run).failures == 0

    def test_runs_of_a_file_are_not_edited(self, desk: ProtocolDesk) -> None:
        native = desk.submit(CampaignPlan("native", (SweepPlan("s", (CellPlan("a", {}, ("x", "y z")),), "/"),)))
        (run,) = desk.runs(native).values()
        assert desk.do("get_run", id=run.id)["command"] == "x 'y z'"
        with pytest.raises(Conflict):
            desk.do("edit_run", id=run.id, name="mine")
        with pytest.raises(Conflict):
            desk.do("rerun_run", id=run.id)

    def test_a_rerun_is_a_new_run_of_the_same(self, desk: ProtocolDesk) -> None:
        sweep = desk.sweep(chat_session_id="c")
        old = desk.make("echo 1", sweep_id=sweep, auto_start=True, gpuwrap_config={"retries": 7})
        desk.through(old)
        before = desk.do("get_run", id=old)
        new = desk.do("rerun_run", id=old, command="echo 2", origin_alert_id="a")
        assert (new["name"], new["command"], new["status"]) == ("run (Rerun)", "echo 2", "ready")
        assert (new["sweep_id"], new["chat_session_id"], new["parent_run_id"]) == (sweep, "c", old)
        assert (new["gpuwrap_config"], new["origin_alert_id"]) == ({"retries": 7}, "a")
        assert desk.do("get_run", id=old) == before
        assert desk.do("get_sweep", id=sweep)["status"] == "pending"
        with pytest.raises(BadRequest):
            desk.do("rerun_run", id=old, command="")

    def test_a_rerun_of_a_single_run_keeps_its_settings(self, desk: ProtocolDesk) -> None:
        single = {"name": "x", "command": ["a", "b c"], "workdir": "/", "gpus": 2, "env": {"A": "1"}}
        (old,) = desk.ask("submit_runs", runs=[single])["ids"]
        new = desk.do("rerun_run", id=old, auto_start=True)
        assert (desk.look(new["id"]).sweep_id, new["status"]) == (desk.look(old).sweep_id, "queued")
        assert desk.look(new["id"]).config["command"] == ["a", "b c"]
        assert new["env"] == ["A"]

    def test_archived_runs_are_left_out_until_asked_for(self, desk: ProtocolDesk) -> None:
        run = desk.make()
        assert desk.do("archive_run", id=run)["run"]["is_archived"] is True
        assert desk.do("archive_run", id=run)["run"]["archived_at"]
        assert desk.do("get_runs") == []
        assert [it["id"] for it in desk.do("get_runs", archived=True)] == [run]
        assert desk.do("unarchive_run", id=run)["run"]["is_archived"] is False
        assert len(desk.events("run.archive", "run.unarchive")) == 2
        desk.do("queue_run", id=run)
        desk.running(run)
        with pytest.raises(Conflict):
            desk.do("archive_run", id=run)


class TestJoining:
    def test_a_run_without_sweep_joins_one_in_any_state(self, desk: ProtocolDesk) -> None:
        sweep, ready, queued, running, over = desk.sweep(), *(desk.make(auto_start=it) for it in (False, *(True,) * 3))
        desk.running(running)
        desk.through(over)
        for run in (ready, queued, running, over):
            assert desk.do("add_run_to_sweep", id=run, sweep_id=sweep) == {"message": "Run added to sweep"}
        told = desk.do("get_sweep", id=sweep)
        assert told["run_ids"] == [ready, queued, running, over]
        assert (told["progress"]["total"], told["progress"]["running"]) == (4, 1)
        desk.ended(running)
        assert desk.do("get_sweep", id=sweep)["progress"]["completed"] == 2

    def test_an_ended_run_alone_ends_its_new_sweep(self, desk: ProtocolDesk) -> None:
        sweep, run = desk.sweep(), desk.make(auto_start=True)
        desk.through(run)
        desk.do("add_run_to_sweep", id=run, sweep_id=sweep)
        told = desk.do("get_sweep", id=sweep)
        assert told["status"] == "completed"
        assert told["completed_at"] is not None

    def test_what_waits_or_runs_in_a_sweep_stays_there(self, desk: ProtocolDesk) -> None:
        first, second = desk.sweep(), desk.sweep()
        run = desk.make(sweep_id=first)
        desk.do("add_run_to_sweep", id=run, sweep_id=second)
        assert desk.look(run).campaign_id == second
        desk.do("queue_run", id=run)
        with pytest.raises(Conflict):
            desk.do("add_run_to_sweep", id=run, sweep_id=first)
        desk.do("add_run_to_sweep", id=run, sweep_id=second)
        with pytest.raises(NotFound):
            desk.do("add_run_to_sweep", id=run, sweep_id=UNKNOWN)
        with pytest.raises(InvalidRequest):
            desk.do("add_run_to_sweep", id=run)


class TestListing:
    def test_pages_show_each_run_once_while_others_come(self, desk: ProtocolDesk) -> None:
        made = [desk.make() for _ in range(5)]
        assert [run["id"] for run in desk.do("get_runs", limit=2)] == made[:2:-1]
        assert desk.do("get_runs", limit=0) == []
        seen, cursor = [], None
        while True:
            page = desk.do("get_runs", limit=2, status="ready", **({"cursor": cursor} if cursor else {}))
            seen += [run["id"] for run in page]
            cursor = page.cursor
            if cursor is None:
                break
            desk.make()
        assert seen == made[::-1]
        for wrong in ({"limit": -1}, {"limit": 10_001}, {"cursor": "x"}, {"status": "canceled"}):
            with pytest.raises(InvalidRequest):
                desk.do("get_runs", **wrong)

    def test_filters_agree_with_what_is_shown(self, desk: ProtocolDesk) -> None:
        sweep = desk.sweep(chat_session_id="c")
        made = [desk.make(sweep_id=sweep, auto_start=True) for _ in range(5)]
        ready, elsewhere = desk.make(sweep_id=sweep), desk.make(chat_session_id="other")
        desk.launched(made[0])
        desk.running(made[1])
        desk.through(made[2])
        desk.through(made[3], "fail", Reason.NONZERO_EXIT)
        desk.do("stop_run", id=made[4])
        desk.do("report_status", id=elsewhere, status="launching")
        words = ("launching", "running", "finished", "failed", "stopped", "ready")
        for run, word in zip([*made, ready], words, strict=True):
            assert [it["id"] for it in desk.do("get_runs", sweep_id=sweep, status=word)] == [run]
        assert {it["id"] for it in desk.do("get_runs", status="launching")} == {made[0], elsewhere}
        assert [it["id"] for it in desk.do("get_runs", chat_session_id="c")] == [ready, *reversed(made)]
        assert desk.do("get_runs", status="queued") == []

    def test_a_page_never_reads_metrics(self, desk: ProtocolDesk, monkeypatch: pytest.MonkeyPatch) -> None:
        run = desk.make()
        desk.do("append_metrics", id=run, rows=[{"loss": 1.0}])
        asked: list[str] = []
        really = Session.rows

        def rows(self: Session, query: str, /, **arguments: Any) -> Any:
            asked.append(query)
            return really(self, query, **arguments)

        monkeypatch.setattr(Session, "rows", rows)
        assert [it["id"] for it in desk.do("get_runs")] == [run]
        assert not [query for query in asked if "point" in query]
        assert len(asked) < 12


def test_a_blocked_run_is_stopped_with_the_reason(desk: ProtocolDesk) -> None:
    cell = CellPlan("a", {}, "true")
    native = desk.submit(CampaignPlan("native", (SweepPlan("s", (cell,), "/"),)))
    (run,) = desk.runs(native).values()
    desk.store.write(SYSTEM, lambda s: consequences.block(s, [run.id], Reason.BUDGET, "used up", subject=run.id))
    told = desk.do("get_run", id=run.id)
    assert told["status"] == "stopped"
    assert "used up" in told["error"]


def test_every_change_says_who_and_in_which_conversation(desk: ProtocolDesk) -> None:
    run = desk.make(chat_session_id="c")
    desk.do("queue_run", id=run)
    desk.do("stop_run", id=run)
    kinds = ("run.create", "run.enqueue", "run.cancel")
    found = desk.events(*kinds)
    assert len(found) == 3
    assert {(event["actor"], event["chat"]) for event in found} == {("ada", "c")}


def test_a_page_of_long_commands_ends_early_and_goes_on_at_its_cursor(desk: ProtocolDesk) -> None:
    made = [desk.make(f"true #{'x' * 1_000_000}") for _ in range(20)]
    whole, cursor, pages = [], None, 0
    while pages == 0 or cursor:
        page = desk.do("get_runs", limit=100, **({"cursor": cursor} if cursor else {}))
        whole, cursor, pages = whole + [run["id"] for run in page], page.cursor, pages + 1
    assert whole == made[::-1]
    assert pages == 2
