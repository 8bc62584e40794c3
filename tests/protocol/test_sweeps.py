"""W10–W23 and W84: sweeps, their runs, and the loop of an agent."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.protocol.harness import TERMINAL, Protocol

SWEEP_KEYS = frozenset({
    "id", "name", "base_command", "workdir", "parameters", "run_ids", "status", "created_at", "goal", "max_runs",
    "is_wild", "chat_session_id", "ui_config", "creation_context", "progress", "started_at", "completed_at",
})  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def room(wild: Protocol) -> None:
    wild.room(2)


def grid(wild: Protocol, parameters: Any, **fields: Any) -> dict[str, Any]:
    body = {"name": "grid", "base_command": "true", "parameters": parameters, **fields}
    made: dict[str, Any] = wild.post("/sweeps", body)
    return made


def runs_of(wild: Protocol, sweep: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = wild.get(f"/runs?sweep_id={sweep['id']}&limit=1000")
    return found[::-1]


def test_a_wild_sweep_is_open_and_empty(wild: Protocol) -> None:
    sweep = wild.post("/sweeps/wild", {"name": "night", "goal": "win", "chat_session_id": "c1"})
    assert sweep.keys() >= SWEEP_KEYS
    assert re.fullmatch("[0-9a-f]{12}", sweep["id"])
    assert (sweep["status"], sweep["is_wild"], sweep["run_ids"], sweep["goal"]) == ("pending", True, [], "win")
    assert set(sweep["progress"].values()) == {0}
    assert sweep["chat_session_id"] == "c1"


def test_a_wild_sweep_needs_a_body_and_nothing_in_it(wild: Protocol) -> None:
    sweep = wild.post("/sweeps/wild", {})
    assert (sweep["name"], sweep["goal"]) == ("Wild Loop Sweep", "")
    assert wild.curl("POST", "/sweeps/wild").status == 422


@pytest.mark.parametrize("missing", ["name", "base_command", "parameters"])
def test_a_sweep_names_the_field_that_it_lacks(wild: Protocol, missing: str) -> None:
    body = {"name": "x", "base_command": "true", "parameters": {}}
    del body[missing]
    reply = wild.curl("POST", "/sweeps", body)
    assert reply.status == 422
    assert reply.detail[0]["loc"] == ["body", missing]


def test_a_grid_is_a_run_per_combination_in_order(wild: Protocol) -> None:
    sweep = grid(wild, {"lr": [0.1, 0.2], "note": ["it's", "b c"]}, max_runs=10)
    runs = runs_of(wild, sweep)
    assert [run["id"] for run in runs] == sweep["run_ids"]
    assert [run["name"] for run in runs] == [f"grid #{number}" for number in (1, 2, 3, 4)]
    assert [run["sweep_params"] for run in runs][1] == {"lr": 0.1, "note": "b c"}
    assert runs[0]["command"] == """true --lr=0.1 '--note=it'"'"'s'""" or runs[0]["command"].startswith(
        "true --lr=0.1 "
    )
    assert {run["status"] for run in runs} == {"ready"}


def test_too_many_combinations_are_cut_and_told(wild: Protocol) -> None:
    sweep = grid(wild, {"a": [1, 2], "b": [1, 2]}, max_runs=3)
    assert len(sweep["run_ids"]) == 3
    assert sweep["expansion"] == {"combinations": 4, "created": 3, "truncated": True}


def test_the_edges_of_a_grid(wild: Protocol) -> None:
    assert len(grid(wild, {"a": 1, "b": [1, 2]})["run_ids"]) == 2
    assert len(grid(wild, {})["run_ids"]) == 1
    body = {"name": "x", "base_command": "true", "parameters": {"lr": []}}
    reply = wild.curl("POST", "/sweeps", body)
    assert reply.status == 422
    assert "lr" in str(reply.detail)
    assert wild.curl("POST", "/sweeps", {**body, "parameters": {}, "max_runs": 0}).status == 422


def test_a_draft_has_no_runs_and_cannot_start(wild: Protocol) -> None:
    sweep = grid(wild, {"a": [1, 2]}, status="draft")
    assert (sweep["status"], sweep["run_ids"]) == ("draft", [])
    assert wild.curl("POST", f"/sweeps/{sweep['id']}/start").status == 400


def test_a_sweep_is_not_created_finished(wild: Protocol) -> None:
    body = {"name": "x", "base_command": "true", "parameters": {}, "status": "completed"}
    reply = wild.curl("POST", "/sweeps", body)
    assert (reply.status, reply.detail) == (400, "Unsupported sweep status: completed")


def test_a_sweep_that_starts_by_itself_fills_the_room_and_goes_on(wild: Protocol) -> None:
    sweep = grid(wild, {"a": [1, 2, 3, 4, 5]}, base_command="sleep 0.4; true", auto_start=True)

    def over() -> bool:
        counts = wild.get(f"/sweeps/{sweep['id']}")["progress"]
        assert counts["running"] + counts["launching"] <= 2
        return bool(counts["completed"] == 5)

    wild.until(over, "the sweep never ended")
    assert wild.get(f"/sweeps/{sweep['id']}")["status"] == "completed"


def test_a_run_in_a_sweep_inherits_its_conversation(wild: Protocol) -> None:
    sweep = wild.post("/sweeps/wild", {"chat_session_id": "theirs"})
    run = wild.post(f"/sweeps/{sweep['id']}/runs", {"name": "x", "command": "true"})
    assert (run["sweep_id"], run["chat_session_id"]) == (sweep["id"], "theirs")
    assert run["compliance"]["in_sweep"] is True
    reply = wild.curl("POST", "/sweeps/ffffffffffff/runs", {"name": "x", "command": "true"})
    assert (reply.status, reply.detail) == (404, "Sweep not found")


def test_what_may_be_edited_when(wild: Protocol) -> None:
    sweep = grid(wild, {"a": [1]}, base_command="sleep 60 #")
    path = f"/sweeps/{sweep['id']}"
    assert wild.curl("PUT", path, {"parameters": {"a": [2]}}).status == 409
    assert wild.curl("PUT", path, {"status": "draft"}).status == 409
    assert wild.curl("PUT", path, {"base_command": " "}).status == 400
    renamed = wild.curl("PUT", path, {"name": "new", "base_command": "sleep 61 #"})
    assert (renamed.status, renamed.json["name"]) == (200, "new")
    assert runs_of(wild, sweep)[0]["command"] == "sleep 61 # --a=1"
    wild.post(f"{path}/start")
    wild.until(lambda: wild.get(path)["status"] == "running")
    assert wild.curl("PUT", path, {"base_command": "true"}).status == 409
    wild.post(f"{path}/cancel")


def test_a_cancelled_sweep_stops_everything_and_stays_so(wild: Protocol) -> None:
    sweep = grid(wild, {"a": [1, 2, 3, 4]}, base_command="sleep 60 #")
    path = f"/sweeps/{sweep['id']}"
    wild.post(f"{path}/start?parallel=2")
    wild.until(lambda: wild.get(path)["progress"]["running"] == 2)
    assert wild.post(f"{path}/cancel")["stopped"] == 4
    wild.until(lambda: {run["status"] for run in runs_of(wild, sweep)} == {"stopped"})
    assert wild.get(path)["status"] == "canceled"


def test_the_loop_of_an_agent_ends_and_never_exceeds_the_room(wild: Protocol) -> None:
    """W84, as the protocol's text says it: start max_new_runs, poll, repeat."""
    sweep = wild.post("/sweeps/wild", {"name": "loop", "chat_session_id": "loop"})
    for number in range(6):
        body = {"name": f"t{number}", "command": "sleep 0.3", "chat_session_id": "loop", "sweep_id": sweep["id"]}
        wild.post("/runs", body)

    def step() -> bool:
        health = wild.get("/wild/v2/system-health")
        assert health["running"] + health["launching"] <= 2
        mine = wild.get("/runs?chat_session_id=loop")
        for run in [it for it in mine if it["status"] == "ready"][: health["max_new_runs"]]:
            wild.post(f"/runs/{run['id']}/start")
        return all(it["status"] in TERMINAL for it in mine)

    wild.until(step, "the loop never ended")
    assert wild.get(f"/sweeps/{sweep['id']}")["status"] == "completed"
