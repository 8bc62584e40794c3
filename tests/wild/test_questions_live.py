"""A real job asks with its own token, waits for the file, and goes on with the answer (W80); a stop really stops."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from overnight import Client
from tests.surfaces.http.harness import Server, poll, serving

ASKING = """\
import os, pathlib, time
from overnight import Client
run, folder = os.environ["OVERNIGHT_RUN_ID"], pathlib.Path(os.environ["OVERNIGHT_RUN_DIR"])
with Client() as client:
    client.append_metrics(run, rows=[{"step": 1, "loss": 2.0}])
    asked = client.create_alert(run, message="Go on?", choices=["Yes", "No"])["alert_id"]
answer = folder / "alerts" / f"{asked}.response"
while not answer.exists():
    time.sleep(0.02)
print("answered", answer.read_text())
"""
DIVERGING = """\
import os, time
from overnight import Client
with Client() as client:
    client.append_metrics(os.environ["OVERNIGHT_RUN_ID"], rows=[{"loss": 2.0}, {"loss": float("nan")}])
time.sleep(1000)
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(tmp_path_factory.mktemp("home")) as server:
        yield server


def started(client: Client, folder: Path, script: str) -> str:
    """A run of a script, on its way."""
    (folder / "job.py").write_text(script)
    command = f"{sys.executable} {folder / 'job.py'}"
    return client.create_run(name="job", command=command, workdir=str(folder), auto_start=True)["id"]


def first_alert(client: Client, run: str) -> Any:
    def look() -> Any:
        found = [it for it in client.get_alerts() if it["run_id"] == run]
        if not found:
            assert client.get_run(run)["status"] in ("queued", "launching", "running"), client.run_logs(run)["content"]
        return found[0] if found else None

    return poll(look)


def test_a_job_that_asks_is_released_by_the_answer(server: Server, tmp_path: Path) -> None:
    with Client(server.url, server.token) as client:
        run = started(client, tmp_path, ASKING)
        asked = first_alert(client, run)
        assert (asked["run_id"], asked["message"], asked["status"]) == (run, "Go on?", "pending")
        assert client.run_metrics(run)["metrics"]["loss"] == 2.0
        client.respond_to_alert(asked["id"], choice="No")
        poll(lambda: client.get_run(run)["status"] == "finished")
        assert client.run_logs(run)["content"] == "answered No\n"
        assert client.verify_log()["ok"]


def test_stop_run_ends_a_job_whose_loss_is_no_number(server: Server, tmp_path: Path) -> None:
    with Client(server.url, server.token) as client:
        run = started(client, tmp_path, DIVERGING)
        asked = first_alert(client, run)
        assert asked["choices"] == ["Ignore", "Stop run"]
        client.respond_to_alert(asked["id"], choice="Stop run")
        poll(lambda: client.get_run(run)["status"] == "stopped")


def test_an_answer_reaches_the_job_although_the_server_died_right_after_taking_it(
    server: Server, tmp_path: Path
) -> None:
    with Client(server.url, server.token) as client:
        run = started(client, tmp_path, ASKING)
        asked = first_alert(client, run)
        client.respond_to_alert(asked["id"], choice="Yes")
    server.kill()
    with serving(server.home) as again, Client(again.url, again.token) as client:
        poll(lambda: client.get_run(run)["status"] == "finished")
        assert client.run_logs(run)["content"] == "answered Yes\n"
