"""Thousands of changes whose answers are lost one time in ten: each has exactly one effect, counted in the record.

`OVERNIGHT_TEST_LOST_REPLIES=50000` makes it a night's work.
"""

from __future__ import annotations

import os
import random
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from overnight import Client
from overnight.domain.errors import KeyReused
from tests.parts.cutting_proxy import LosingProxy
from tests.surfaces.http.harness import Server, serving

CHANGES = int(os.environ.get("OVERNIGHT_TEST_LOST_REPLIES", "2000"))
THREADS = 8
SHARE = 0.1
"""Of answers that are lost."""
SUBJECTS = frozenset({"metrics.append", "question.ask", "question.answer", "label.set", "run.enqueue", "run.cancel"})
"""Events that count effects on a run."""
Effects = Counter[tuple[str, str]]
"""(kind of event, id or name) -> how often."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server whose whole capacity is taken, so that what is started stays queued."""
    with serving(tmp_path_factory.mktemp("lost")) as server, Client(server.url, server.token) as client:
        busy = client.create_run(name="busy", command="sleep 1000", auto_start=True)
        server.until(busy["id"], "running")
        yield server


def one_life(client: Client, name: str) -> Effects:
    """Nine changes about one run of that name; what they should have done."""
    run = client.create_run(name=name, command="true", chat_session_id="lost")["id"]
    for step in range(2):
        client.append_metrics(run, rows=[{"step": step, "loss": 1.0}])
    client.label(run, set={"lost": "yes"})
    asked = client.create_alert(run, message="Well?", choices=["Yes"])["alert_id"]
    client.respond_to_alert(asked, choice="Yes")
    client.start_run(run)
    client.cancel(run)
    client.submit_runs(runs=[{"name": f"{name}-alone", "command": "true", "workdir": "/", "gpus": 64}])
    done: Effects = Counter({(kind, run): 1 for kind in SUBJECTS})
    done["metrics.append", run] = 2
    return done + Counter({("run.create", name): 1, ("run.create", f"{name}-alone"): 1})


def recorded(client: Client) -> Effects:
    """What was really done, by the event log and the listing of runs."""
    found: Effects = Counter()
    after = 0
    while events := client.events(after=after, limit=10_000)["events"]:
        for event in events:
            for thing in event["payload"].get("ids", [event["subject"]]) if event["kind"] in SUBJECTS else ():
                found[event["kind"], thing] += 1
        after = events[-1]["seq"]
    cursor: str | None = None
    while True:
        listed = client.list_runs(limit=1000, cursor=cursor)
        found.update(("run.create", run["name"]) for run in listed["runs"])
        cursor = listed["next_cursor"]
        if cursor is None:
            return found


@pytest.mark.timeout(120 + CHANGES / 20)
def test_every_change_whose_answer_was_lost_has_exactly_one_effect(server: Server) -> None:
    proxy = LosingProxy(server.port, SHARE, random.Random(20261124))
    client = Client(f"http://127.0.0.1:{server.port}", server.token)
    before = recorded(client)
    lossy = Client(f"http://127.0.0.1:{proxy.port}", server.token)
    with lossy, ThreadPoolExecutor(THREADS) as threads:
        lives = threads.map(lambda number: one_life(lossy, f"life-{number}"), range(CHANGES // 9))
        expected: Effects = sum(lives, before)
    proxy.close()
    assert proxy.cuts > CHANGES * SHARE / 2
    assert recorded(client) == expected
    assert client.verify_log()["ok"]


REPEATED: dict[str, tuple[Callable[..., Any], dict[str, Any], dict[str, Any]]] = {
    "create_run": (Client.create_run, {"name": "a", "command": "true"}, {"name": "a", "command": "false"}),
    "create_wild_sweep": (Client.create_wild_sweep, {"name": "a"}, {"name": "b"}),
    "create_sweep": (
        Client.create_sweep,
        {"name": "a", "base_command": "true", "parameters": {"x": [1, 2]}},
        {"name": "a", "base_command": "true", "parameters": {"x": [1, 3]}},
    ),
    "submit_runs": (
        Client.submit_runs,
        {"runs": [{"name": "a", "command": "true", "workdir": "/", "gpus": 64}]},
        {"runs": [{"name": "b", "command": "true", "workdir": "/", "gpus": 64}]},
    ),
}


@pytest.mark.parametrize("operation", REPEATED)
def test_a_repeated_key_gives_the_first_answer_and_refuses_another_request(server: Server, operation: str) -> None:
    make, first, second = REPEATED[operation]
    with Client(server.url, server.token) as client:
        before = recorded(client).total()
        answers = [make(client, **first, key=f"{operation}-key") for _ in range(3)]
        made = recorded(client).total()
        assert answers[0] == answers[1] == answers[2]
        with pytest.raises(KeyReused):
            make(client, **second, key=f"{operation}-key")
        assert recorded(client).total() == made
        assert made - before == {"create_sweep": 2, "create_wild_sweep": 0}.get(operation, 1)


def test_other_metrics_with_the_key_of_earlier_ones_are_refused(server: Server, tmp_path: Path) -> None:
    with Client(server.url, server.token) as client:
        run = client.create_run(name="metered", command="true")["id"]
        for _ in range(3):
            client.append_metrics(run, rows=[{"loss": 1.0}], key="rows")
        with pytest.raises(KeyReused):
            client.append_metrics(run, rows=[{"loss": 2.0}], key="rows")
        assert client.run_metrics(run)["metricSeries"]["loss"] == [{"step": 0.0, "value": 1.0}]
