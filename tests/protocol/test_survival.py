"""W73, W79 and the kill -9 of section 2: what was acknowledged is there, whoever dies."""

from __future__ import annotations

from tests.protocol.harness import Protocol


def test_thirty_runs_survive_the_death_of_the_server(own: Protocol) -> None:
    own.room(3)
    sweep = own.post("/sweeps/wild", {"name": "night", "chat_session_id": "n"})
    same = {"sweep_id": sweep["id"], "chat_session_id": "n"}
    quick = [own.run(f"exit {code}", auto_start=True, **same)["id"] for code in (0, 7)]
    for run in quick:
        own.ended(run)
    live = [own.run("sleep 3; echo over", auto_start=True, **same)["id"] for _ in range(3)]
    for run in live:
        own.reaches(run, "running")
    ready = [own.run("true", **same)["id"] for _ in range(25)]
    pids = {run: own.get(f"/v1/things/{run}")["attempts_made"][0]["pid"] for run in live}
    own.kill()
    own.up()
    assert {run["id"] for run in own.get("/runs?chat_session_id=n&limit=1000")} == {*quick, *live, *ready}
    assert [own.get(f"/runs/{run}")["exit_code"] for run in quick] == [0, 7]
    for run in live:
        done = own.ended(run)
        assert (done["status"], len(done["attempts"])) == ("finished", 1)
        assert own.get(f"/v1/things/{run}")["attempts_made"][0]["pid"] == pids[run]
        assert own.get(f"/runs/{run}/logs")["content"] == "over\n"
    counts = own.get(f"/sweeps/{sweep['id']}")["progress"]
    assert (counts["total"], counts["ready"], counts["completed"], counts["failed"]) == (30, 25, 4, 1)
    assert own.get("/v1/verification")["ok"] is True


def test_what_a_conversation_has_seen_stays_seen(own: Protocol) -> None:
    own.room(2)
    sessions = {}
    for chat in ("a", "b"):
        sessions[chat] = own.post("/wild/v2/start", {"goal": "g", "chat_session_id": chat})["session_id"]
        own.ended(own.run("true", chat_session_id=chat, auto_start=True)["id"])
    asked = own.run("sleep 60", chat_session_id="a")["id"]
    own.post(f"/runs/{asked}/alerts", {"message": "m", "choices": ["Go on"]})
    events = own.get(f"/wild/v2/events/{sessions['a']}")
    assert sorted(event["type"] for event in events) == ["alert", "run_complete"]
    assert len(own.get(f"/wild/v2/events/{sessions['b']}")) == 1
    ids = [event["id"] for event in events]
    assert own.post(f"/wild/v2/events/{sessions['a']}/resolve", {"event_ids": ids}) == {"resolved": 2}
    own.kill()
    own.up()
    assert own.get(f"/wild/v2/events/{sessions['a']}") == []
    assert own.get("/alerts")[0]["status"] == "resolved"


def test_a_pause_holds_back_what_a_conversation_has_queued(own: Protocol) -> None:
    own.room(2)
    own.post("/wild/v2/start", {"goal": "g", "chat_session_id": "p"})
    own.post("/wild/v2/pause", {"chat_session_id": "p"})
    held = own.run("true", chat_session_id="p", auto_start=True)["id"]
    other = own.run("true", chat_session_id="q", auto_start=True)["id"]
    assert own.ended(other)["status"] == "finished"
    assert own.status(held) == "queued"
    own.post("/wild/v2/resume", {"chat_session_id": "p"})
    assert own.ended(held)["status"] == "finished"
