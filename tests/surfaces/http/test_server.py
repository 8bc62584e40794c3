"""The life of the server process: ready, ended, killed, broken."""

from __future__ import annotations

import os
import random
import signal
import socket
import threading
import time
from pathlib import Path

import pytest

from overnight import app
from overnight.config import load
from overnight.domain.errors import OvernightError, Unreachable
from overnight.surfaces.client import Client
from overnight.surfaces.http.server import served
from tests.surfaces.http.harness import Server, end_runner, launch, poll, serving, start
from tests.surfaces.http.test_events import quiet, send


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


def test_it_says_where_it_answers_and_writes_it_into_the_lock(home: Path) -> None:
    with serving(home) as server:
        assert server.port > 0
        assert (home / "server.lock").read_text() == f"{server.process.pid} {server.url}\n"
        assert server.ask("GET", "/health").status == 200


def test_a_second_server_of_one_home_is_refused_with_the_pid_of_the_first(home: Path) -> None:
    with serving(home) as server:
        second = launch(home)
        _, complaint = second.communicate(timeout=30)
        assert second.returncode == 2
        assert str(server.process.pid) in complaint
        assert server.ask("GET", "/health").status == 200


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_within_seconds_while_others_wait_and_jobs_go_on(home: Path, number: signal.Signals) -> None:
    with serving(home) as server:
        run = server.run(["sleep", "600"])
        pid = poll(lambda: server.until(run, "running")["attempts_made"][0]["pid"])
        after = quiet(server)
        waiting = [send(server, f"/v1/events?after={after}&wait=200") for _ in range(20)]
        waiting += [send(server, f"/v1/events/stream?after={after}") for _ in range(20)]
        idle = send(server, "/v1/status")
        began = time.monotonic()
        server.process.send_signal(number)
        assert server.process.wait(timeout=20) == 0
        assert time.monotonic() - began < 20
        assert Path(f"/proc/{pid}").exists()
        for connection in [*waiting, idle]:
            connection.close()
        assert server.process.stderr is not None
        assert "Traceback" not in server.process.stderr.read()


def test_a_store_that_lost_trust_ends_the_process_with_code_1(home: Path) -> None:
    with serving(home) as server:
        server.process.send_signal(signal.SIGUSR1)
        poll(lambda: ended_or_refusing(server))
        assert server.process.wait(timeout=20) == 1
        assert server.process.stderr is not None
        assert "could not be synced" in server.process.stderr.read()
    with serving(home) as again:
        assert again.ask("GET", "/health").json["status"] == "ok"


def test_on_a_full_disk_submits_get_507_looking_goes_on_and_it_recovers(home: Path) -> None:
    big = {"runs": [{"name": "big", "command": "#" + "x" * 200_000, "workdir": "/", "gpus": 64}]}
    with serving(home) as server:
        quiet(server)
        server.process.send_signal(signal.SIGUSR2)
        refused = poll(lambda: (reply := server.ask("POST", "/v1/runs", big)).status != 201 and reply)
        assert (refused.status, refused.json["code"]) == (507, "store_full")
        assert server.ask("GET", "/v1/status").status == 200
        assert server.ask("GET", "/health").status == 503
        server.process.send_signal(signal.SIGUSR2)
        assert poll(lambda: server.ask("POST", "/v1/runs", big).status == 201, 10)
        assert poll(lambda: server.ask("GET", "/health").status == 200, 10)
        assert server.client.call("verify_log")["ok"]


def test_a_crowd_of_idle_connections_keeps_nobody_out(home: Path) -> None:
    with serving(home) as server:
        crowd = []
        try:
            for _ in range(850):
                crowd.append(socket.create_connection(("127.0.0.1", server.port), timeout=10))
            assert server.ask("GET", "/v1/status").status == 200
            assert len(list(Path(f"/proc/{server.process.pid}/fd").iterdir())) < 1_000
            assert server.run(gpus=64)
        finally:
            for connection in crowd:
                connection.close()


def test_beside_other_work_it_serves_for_the_time_of_a_block(home: Path) -> None:
    mask = os.umask(0o077)
    plane = app.start(load({"OVERNIGHT_HOME": str(home)}), broken=lambda _: None)
    try:
        with served(plane, "127.0.0.1", 0) as url:
            client = Client(url, (home / "token").read_text().strip())
            assert client.call("list_runs")["runs"] == []
            assert url in (home / "server.lock").read_text()
        with pytest.raises(Unreachable):
            Client(url, "").call("status")
        assert url not in (home / "server.lock").read_text()
        assert plane.context.store.read(lambda session: session.value("event_head"))
    finally:
        plane.close()
        os.umask(mask)
        end_runner(home)


def ended_or_refusing(server: Server) -> bool:
    try:
        return (
            server.ask("POST", "/v1/runs", {"runs": [{"name": "a", "command": "true", "workdir": "/"}]}).status == 503
        )
    except (OSError, AssertionError):
        return server.process.poll() is not None


def test_the_same_port_can_be_taken_again_at_once(home: Path) -> None:
    with serving(home) as server:
        port = server.port
        server.ask("GET", "/v1/status")
        assert server.stop() == 0
        with serving(home, port=port) as again:
            assert again.ask("GET", "/v1/status").status == 200


def test_ten_times_killed_under_load_it_keeps_what_it_acknowledged_and_nothing_twice(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("overnight.surfaces.client.BACK_OFF", (0.0,))
    rng = random.Random(3)
    acknowledged: list[tuple[str, str]] = []
    port = 0
    for number in range(10):
        server = start(home, port=port)
        port = server.port
        writers = [
            threading.Thread(target=write, args=(server, f"{number}-{writer}", acknowledged)) for writer in range(4)
        ]
        for writer in writers:
            writer.start()
        reached = len(acknowledged) + rng.randrange(20, 120)
        poll(lambda reached=reached: len(acknowledged) >= reached)
        server.kill()
        for writer in writers:
            writer.join(timeout=60)
    with serving(home, port=port) as server:
        listed = server.client.call("list_runs", limit=10_000)["runs"]
        names = [run["name"] for run in listed]
        assert len(set(names)) == len(names)
        assert {(run["name"], run["id"]) for run in listed} >= set(acknowledged)
        assert len(acknowledged) >= 200
        assert server.client.call("verify_log")["ok"]


def write(server: Server, writer: str, journal: list[tuple[str, str]]) -> None:
    """Submit runs, and note each that was acknowledged, until the server is gone."""
    client = Client(server.url, server.token)
    for number in range(10_000):
        name = f"{writer}-{number}"
        if server.process.poll() is not None:
            return
        try:
            answer = client.call("submit_runs", runs=[{"name": name, "command": "true", "workdir": "/", "gpus": 64}])
        except OvernightError:
            return
        journal.append((name, answer["ids"][0]))


def test_a_change_that_met_the_death_of_the_server_is_repeated_with_its_key(home: Path) -> None:
    """The client outlives the server: its request goes to the next one, once."""
    first = start(home)
    client = first.client
    client.call("status")
    names = [f"over-{number}" for number in range(40)]
    answers: dict[str, str] = {}

    def submit() -> None:
        for name in names:
            run = {"name": name, "command": "true", "workdir": "/", "gpus": 64}
            answers[name] = client.call("submit_runs", runs=[run])["ids"][0]

    worker = threading.Thread(target=submit)
    worker.start()
    poll(lambda: len(answers) > 5)
    first.kill()
    with serving(home, port=first.port) as second:
        worker.join(timeout=60)
        listed = {run["name"]: run["id"] for run in second.client.call("list_runs", limit=1000)["runs"]}
        assert len(second.client.call("list_runs", limit=1000)["runs"]) == len(listed)
        assert {name: listed[name] for name in answers} == answers
    end_runner(home)
