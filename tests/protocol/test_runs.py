"""W24–W50, W76–W78, W80 and the execution rules of section 2.5, one run at a time."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest

from tests.protocol.harness import Protocol

KEYS = frozenset({
    "id", "name", "command", "workdir", "status", "created_at", "is_archived", "sweep_id", "parent_run_id",
    "origin_alert_id", "chat_session_id", "gpuwrap_config", "tmux_window", "run_dir", "exit_code", "error",
    "wandb_dir", "compliance", "creator", "attempts", "host", "gpu_ids", "git", "env", "queue_reason",
    "externally_reported",
})  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def room(wild: Protocol) -> None:
    wild.room(4)


def test_a_run_is_ready_and_has_every_key(wild: Protocol) -> None:
    run = wild.post("/runs", {"name": "one", "command": "true"})
    assert run["status"] == "ready"
    assert re.fullmatch("[0-9a-f]{12}", run["id"])
    assert run.keys() >= KEYS
    assert run["workdir"]
    assert isinstance(run["created_at"], float)
    assert run["compliance"] == {"attributed": False, "intentional": False, "in_sweep": False}


def test_a_run_needs_a_command(wild: Protocol) -> None:
    reply = wild.curl("POST", "/runs", {"name": "one"})
    assert reply.status == 422
    assert (reply.detail[0]["loc"], reply.detail[0]["input"]) == (["body", "command"], {"name": "one"})
    long = wild.curl("POST", "/runs", {"name": "x" * 600})
    assert long.detail[0]["input"] is None
    assert wild.curl("POST", "/runs", {"name": "one", "command": "  "}).status == 422


def test_an_unknown_sweep_creates_nothing(wild: Protocol) -> None:
    before = wild.get("/wild/v2/system-health")["total"]
    reply = wild.curl("POST", "/runs", {"name": "x", "command": "true", "sweep_id": "ffffffffffff"})
    assert (reply.status, reply.detail) == (404, "Sweep not found: ffffffffffff")
    assert wild.get("/wild/v2/system-health")["total"] == before


def test_unknown_fields_are_named_and_words_for_truth_taken(wild: Protocol) -> None:
    run = wild.post("/runs", {"name": "x", "command": "true", "auto_start": "no", "colour": "red"})
    assert run["status"] == "ready"
    assert any("colour" in warning for warning in run["warnings"])


@pytest.mark.parametrize("config", [{"retries": -2}, {"retry_delay_seconds": 0}, {"retry_delay_seconds": 601}])
def test_gpuwrap_is_bounded(wild: Protocol, config: dict[str, float]) -> None:
    assert wild.curl("POST", "/runs", {"name": "x", "command": "true", "gpuwrap_config": config}).status == 422


def test_strict_servers_want_a_conversation(strict: Protocol) -> None:
    reply = strict.curl("POST", "/runs", {"name": "x", "command": "true"})
    assert reply.status == 422
    assert "chat_session_id" in json.dumps(reply.detail)


def test_strict_servers_take_runs_that_have_none_on_purpose(strict: Protocol) -> None:
    sweep = strict.post("/sweeps/wild", {"name": "s", "chat_session_id": None})
    body = {"name": "x", "command": "true", "chat_session_id": None, "sweep_id": sweep["id"]}
    assert strict.post("/runs", body)["compliance"]["intentional"] is True


def test_strict_servers_want_a_sweep_or_take_the_only_open_one(strict: Protocol) -> None:
    body = {"name": "x", "command": "true", "chat_session_id": "lonely"}
    assert strict.curl("POST", "/runs", body).status == 422
    sweep = strict.post("/sweeps/wild", {"chat_session_id": "lonely"})
    assert strict.post("/runs", body)["sweep_id"] == sweep["id"]


def test_a_conversation_finds_exactly_its_runs(wild: Protocol) -> None:
    mine = [wild.run("true", chat_session_id="mine")["id"] for _ in range(3)]
    wild.run("true", chat_session_id="other")
    assert [run["id"] for run in wild.get("/runs?chat_session_id=mine")] == mine[::-1]


def test_a_run_that_starts_by_itself_runs(wild: Protocol) -> None:
    run = wild.run("echo hi", auto_start=True)
    assert run["status"] in ("queued", "launching", "running")
    done = wild.ended(run["id"])
    assert (done["status"], done["exit_code"]) == ("finished", 0)
    assert wild.get(f"/runs/{run['id']}/logs")["content"] == "hi\n"


def test_starts_by_state(wild: Protocol) -> None:
    run = wild.run("sleep 60")["id"]
    assert wild.post(f"/runs/{run}/start")["message"] in ("Run started", "Run queued")
    wild.reaches(run, "running")
    reply = wild.curl("POST", f"/runs/{run}/start")
    assert (reply.status, reply.detail) == (400, "Run cannot be started (status: running)")
    assert wild.post(f"/runs/{run}/stop") == {"message": "Run stopped"}
    assert wild.curl("POST", f"/runs/{run}/start").status == 400
    assert wild.curl("POST", "/runs/ffffffffffff/start").status == 404


def test_queue_takes_ready_runs_only(wild: Protocol) -> None:
    run = wild.run("true")["id"]
    queued = wild.post(f"/runs/{run}/queue")
    assert (queued["message"], queued["id"]) == ("Run queued", run)
    assert wild.ended(run)["status"] == "finished"
    assert wild.curl("POST", f"/runs/{run}/queue").status == 400


def test_stopped_before_it_ran_it_never_runs(wild: Protocol, tmp_path: Path) -> None:
    run = wild.run(f"touch {shlex.quote(str(tmp_path / 'ran'))}")["id"]
    wild.post(f"/runs/{run}/stop")
    assert wild.status(run) == "stopped"
    assert wild.curl("POST", f"/runs/{run}/start").status == 400
    reply = wild.curl("POST", f"/runs/{run}/stop")
    assert (reply.status, reply.detail) == (400, "Run is not active (status: stopped)")
    assert not (tmp_path / "ran").exists()


def test_a_stop_is_answered_when_the_whole_tree_is_gone(wild: Protocol, tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    command = f"setsid sleep 1000 & echo $! > {shlex.quote(str(pids))}; sleep 1000"
    run = wild.run(command, auto_start=True)["id"]
    wild.until(lambda: pids.exists() and pids.read_text().strip())
    wild.post(f"/runs/{run}/stop")
    assert not Path(f"/proc/{pids.read_text().strip()}").exists()
    done = wild.get(f"/runs/{run}")
    assert done["status"] == "stopped"
    assert done["ended_at"] is not None


def test_ends_are_told_apart(wild: Protocol) -> None:
    runs = {command: wild.run(command, auto_start=True)["id"] for command in ("exit 0", "exit 3", "kill -SEGV $$")}
    good, bad, killed = (wild.ended(run) for run in runs.values())
    assert (good["status"], good["exit_code"]) == ("finished", 0)
    assert (bad["status"], bad["exit_code"], bad["error"]) == ("failed", 3, "Process exited with code 3")
    assert (killed["status"], killed["exit_code"]) == ("failed", 139)
    assert "SIGSEGV" in killed["error"]


def test_a_missing_folder_and_a_syntax_error_fail_at_once_and_execute_nothing(wild: Protocol, tmp_path: Path) -> None:
    mark = shlex.quote(str(tmp_path / "ran"))
    nowhere = wild.run(f"touch {mark}", workdir=str(tmp_path / "nowhere"), auto_start=True)["id"]
    quote = wild.run(f"touch {mark}\necho 'open", auto_start=True)["id"]
    for run in (nowhere, quote):
        done = wild.ended(run)
        assert done["status"] == "failed", done
        assert done["error"]
    assert "nowhere" in wild.get(f"/runs/{nowhere}")["error"]
    assert not (tmp_path / "ran").exists()


def test_a_command_runs_as_it_was_written(wild: Protocol, tmp_path: Path) -> None:
    text = "naïve 漢字 'quotes' \"double\" $HOME `x` \\ 🌙"
    script = f"cat <<'END'\n{text}\nEND\n# {'x' * 5000}\nprintf '%s' \"$PWD\""
    done = wild.ended(wild.run(script, workdir=str(tmp_path), auto_start=True)["id"])
    assert done["command"] == script
    assert wild.get(f"/runs/{done['id']}/logs")["content"] == f"{text}\n{tmp_path}"


def test_both_streams_are_in_order(wild: Protocol) -> None:
    script = "for i in 1 2 3; do echo out $i; echo err $i >&2; done"
    done = wild.ended(wild.run(script, auto_start=True)["id"])
    lines = wild.get(f"/runs/{done['id']}/logs")["content"].splitlines()
    assert lines == [f"{stream} {i}" for i in (1, 2, 3) for stream in ("out", "err")]


def test_a_rerun_is_a_new_run_of_the_same(wild: Protocol) -> None:
    sweep = wild.post("/sweeps/wild", {"name": "s", "chat_session_id": "again"})
    old = wild.ended(wild.run("echo 1", sweep_id=sweep["id"], chat_session_id="again", auto_start=True)["id"])
    new = wild.post(f"/runs/{old['id']}/rerun", {"command": "echo 2"})
    assert new["parent_run_id"] == old["id"]
    assert (new["name"], new["command"], new["status"]) == ("run (Rerun)", "echo 2", "ready")
    assert (new["sweep_id"], new["chat_session_id"]) == (sweep["id"], "again")
    assert wild.get(f"/runs/{old['id']}") == old


def test_edits_by_state(wild: Protocol) -> None:
    run = wild.run("sleep 60")["id"]
    edited = wild.curl("PUT", f"/runs/{run}", {"name": "new", "command": "sleep 61"})
    assert (edited.status, edited.json["name"], edited.json["command"]) == (200, "new", "sleep 61")
    assert wild.curl("PUT", f"/runs/{run}", {"command": " "}).status == 400
    wild.post(f"/runs/{run}/start")
    wild.reaches(run, "running")
    assert wild.curl("PUT", f"/runs/{run}", {"command": "true"}).status == 409
    wild.post(f"/runs/{run}/stop")
    assert wild.curl("PUT", f"/runs/{run}", {"name": "late"}).status == 409


def test_what_others_report_of_runs(wild: Protocol) -> None:
    assert wild.curl("POST", "/runs/ffffffffffff/status", {"status": "running"}).status == 404
    run = wild.run("true")["id"]
    assert wild.curl("POST", f"/runs/{run}/status", {"status": "dancing"}).status == 422
    for status in ("launching", "running", "running"):
        assert wild.post(f"/runs/{run}/status", {"status": status}) == {"message": "Status updated"}
        assert wild.status(run) == status
    assert wild.curl("POST", f"/runs/{run}/status", {"status": "ready"}).status == 409
    wild.post(f"/runs/{run}/status", {"status": "finished", "exit_code": 2})
    done = wild.get(f"/runs/{run}")
    assert (done["status"], done["exit_code"], done["externally_reported"]) == ("failed", 2, True)
    wild.post(f"/runs/{run}/status", {"status": "finished", "exit_code": 2})
    assert wild.curl("POST", f"/runs/{run}/status", {"status": "running"}).status == 409
    assert wild.curl("POST", f"/runs/{run}/status", {"status": "finished", "exit_code": 0}).status == 409


def test_a_report_does_not_contradict_our_own_runner(wild: Protocol) -> None:
    run = wild.run("sleep 60", auto_start=True)["id"]
    wild.reaches(run, "running")
    assert wild.curl("POST", f"/runs/{run}/status", {"status": "finished", "exit_code": 0}).status == 409
    assert wild.post(f"/runs/{run}/status", {"status": "running"}) == {"message": "Status updated"}
    wild.post(f"/runs/{run}/stop")


def test_runs_are_moved_into_sweeps(wild: Protocol) -> None:
    sweep, other = wild.post("/sweeps/wild", {})["id"], wild.post("/sweeps/wild", {})["id"]
    run = wild.run("true")["id"]
    unsaid = wild.curl("POST", f"/runs/{run}/add-to-sweep")
    assert (unsaid.status, unsaid.detail[0]["loc"], unsaid.detail[0]["input"]) == (422, ["query", "sweep_id"], None)
    assert wild.curl("POST", f"/runs/{run}/add-to-sweep?sweep_id=ffffffffffff").status == 404
    wild.post(f"/runs/{run}/add-to-sweep?sweep_id={sweep}")
    assert wild.get(f"/runs/{run}")["sweep_id"] == sweep
    assert run in wild.get(f"/sweeps/{sweep}")["run_ids"]
    wild.room(1)
    blocker = wild.run("sleep 60", auto_start=True)["id"]
    wild.reaches(blocker, "running")
    wild.post(f"/runs/{run}/queue")
    assert wild.curl("POST", f"/runs/{run}/add-to-sweep?sweep_id={other}").status == 409
    wild.post(f"/runs/{blocker}/stop")
    wild.room(4)


def test_pages_of_runs(own: Protocol) -> None:
    made = [own.run("true", name=f"r{number}")["id"] for number in range(5)]
    assert [run["id"] for run in own.get("/runs?limit=2")] == made[:2:-1]
    assert own.curl("GET", "/runs?limit=-1").status == 422
    assert own.curl("GET", "/runs?limit=10001").status == 422
    seen, path = [], "/runs?limit=2&status=ready"
    while path:
        reply = own.curl("GET", path)
        seen += [run["id"] for run in reply.json]
        cursor = reply.headers.get("x-next-cursor")
        path = f"/runs?limit=2&status=ready&cursor={cursor}" if cursor else ""
        own.run("true", chat_session_id="added meanwhile")
    assert seen == made[::-1]


def test_archived_runs_are_left_out_until_asked_for(wild: Protocol) -> None:
    run = wild.run("true")["id"]
    assert wild.post(f"/runs/{run}/archive")["run"]["is_archived"] is True
    assert run not in [it["id"] for it in wild.get("/runs?limit=1000")]
    assert run in [it["id"] for it in wild.get("/runs?limit=1000&archived=true")]
    assert wild.post(f"/runs/{run}/unarchive")["run"]["is_archived"] is False


def test_logs_are_read_in_pages_of_bytes(wild: Protocol) -> None:
    done = wild.ended(wild.run("seq 1 50000", auto_start=True)["id"])
    path, whole = f"/runs/{done['id']}/logs", "".join(f"{number}\n" for number in range(1, 50_001))
    last = wild.get(path)
    assert last["content"] == whole[-10_000:]
    assert (last["total_size"], last["has_more_before"], last["has_more_after"]) == (len(whole), True, False)
    assert len(wild.get(f"{path}?offset=0&limit=10000000")["content"]) == 102_400
    read, offset = "", 0
    while len(read) < len(whole):
        page = wild.get(f"{path}?offset={offset}&limit=60001")
        read, offset = read + page["content"], page["next_offset"]
    assert read == whole


def test_logs_before_there_are_any(wild: Protocol) -> None:
    page = wild.get(f"/runs/{wild.run('true')['id']}/logs")
    assert (page["content"], page["total_size"]) == ("", 0)
    assert wild.curl("GET", "/runs/ffffffffffff/logs").status == 404


def test_a_log_is_streamed_to_its_end(wild: Protocol) -> None:
    run = wild.run("echo one; sleep 0.3; echo two", auto_start=True)["id"]
    text = wild.curl("GET", f"/runs/{run}/logs/stream").text
    said = [json.loads(line[5:]) for line in text.splitlines() if line.startswith("data:")]
    assert "".join(it.get("content", "") for it in said) == "one\ntwo\n"
    assert said[0]["type"] == "initial"
    assert said[-1] == {"type": "done", "status": "finished"}


def test_metrics_come_back_as_series(wild: Protocol) -> None:
    run = wild.run("true")["id"]
    rows = [{"step": step, "train/loss": 1 / step, "accuracy": 0.5} for step in (1, 2, 4)]
    assert wild.post(f"/runs/{run}/metrics", {"rows": rows}) == {"appended": 3}
    found = wild.get(f"/runs/{run}/metrics")
    assert found["metricSeries"]["train/loss"] == [{"step": s, "value": 1 / s} for s in (1, 2, 4)]
    assert [row["trainLoss"] for row in found["lossHistory"]] == [1.0, 0.5, 0.25]
    assert found["metrics"]["loss"] == 0.25
    assert found["metrics"]["accuracy"] == 50.0
    for rows_ in ([], {}, [1], None):
        assert wild.curl("POST", f"/runs/{run}/metrics", {"rows": rows_}).status in (400, 422)
    assert len(wild.get(f"/runs/{run}/metrics")["metricSeries"]["accuracy"]) == 3
    assert wild.get(f"/runs/{wild.run('true')['id']}/metrics") == {}


def test_an_alert_is_answered_once_and_releases_the_job(wild: Protocol) -> None:
    run = wild.run('while ! cat "$OVERNIGHT_RUN_DIR"/alerts/*.response 2>/dev/null; do sleep 0.1; done')["id"]
    wild.post(f"/runs/{run}/start")
    wild.reaches(run, "running")
    asked = {"message": "Loss is odd", "choices": ["Go on", "Stop"], "severity": "strange"}
    alert = wild.post(f"/runs/{run}/alerts", asked)["alert_id"]
    assert re.fullmatch("[0-9a-f]{32}", alert)
    listed = next(it for it in wild.get("/alerts") if it["id"] == alert)
    assert (listed["status"], listed["severity"], listed["run_id"]) == ("pending", "warning", run)
    assert wild.curl("POST", f"/runs/{run}/alerts", {"message": "x", "choices": []}).status == 400
    reply = wild.curl("POST", f"/alerts/{alert}/respond", {"choice": "Maybe"})
    assert (reply.status, reply.detail) == (400, "Invalid choice")
    assert wild.curl("POST", f"/alerts/{'f' * 32}/respond", {"choice": "Stop"}).status == 404
    wild.post(f"/alerts/{alert}/respond", {"choice": "Go on"})
    wild.post(f"/alerts/{alert}/respond", {"choice": "Go on"})
    assert wild.curl("POST", f"/alerts/{alert}/respond", {"choice": "Stop"}).status == 409
    assert wild.ended(run)["status"] == "finished"
    assert "Go on" in wild.get(f"/runs/{run}/logs")["content"]


def test_the_same_key_makes_one_run(wild: Protocol) -> None:
    key, body = {"Idempotency-Key": "key-1"}, {"name": "once", "command": "true"}
    first = wild.curl("POST", "/runs", body, headers=key).json
    assert wild.curl("POST", "/runs", body, headers=key).json["id"] == first["id"]
    assert wild.curl("POST", "/runs", {**body, "name": "other"}, headers=key).status == 409


def test_everything_that_was_done_with_a_run_is_on_record(wild: Protocol) -> None:
    run = wild.run("true")["id"]
    wild.curl("PUT", f"/runs/{run}", {"name": "edited"})
    wild.post(f"/runs/{run}/start")
    wild.ended(run)
    kinds = [event["kind"] for event in wild.get(f"/v1/events?subject={run}&after=0")["events"]]
    assert kinds.count("run.update") == 1
    assert kinds.count("run.enqueue") + kinds.count("run.claim") == 2
    told = wild.get(f"/runs/{run}")
    assert told["attempts"][0]["exit_code"] == 0
    assert told["host"]
    assert wild.get("/v1/verification")["ok"] is True
