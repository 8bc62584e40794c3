"""A run's log as a native stream: no byte lost or repeated, whatever it holds and wherever it is taken up again."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.surfaces.http.harness import Server, serving

HOSTILE = "a\r\nb\rc\n\0d é€😀\ndata: x\n\nid: 7\n"
OCTAL = "".join(f"\\0{byte:03o}" for byte in HOSTILE.encode())


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(tmp_path_factory.mktemp("home")) as running:
        yield running


@pytest.fixture(scope="module")
def told(server: Server) -> str:
    """A run that has said all of it."""
    run = server.run(["/usr/bin/printf", "%b", OCTAL])
    server.until(run, "succeeded")
    return run


def events(server: Server, target: str, last: int | None = None) -> Iterator[tuple[int, str, dict[str, Any]]]:
    """(id, kind, data) of each event, until the server ends the stream."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    headers = {"X-Auth-Token": server.token} | ({} if last is None else {"Last-Event-ID": str(last)})
    with closing(connection):
        connection.request("GET", target, headers=headers)
        response = connection.getresponse()
        assert response.status == 200, response.read()
        while line := response.readline():
            if line.startswith(b"id: "):
                kind, data = response.readline()[7:-1].decode(), response.readline()[6:-1]
                yield int(line[4:]), kind, json.loads(data)


def text_of(found: list[tuple[int, str, dict[str, Any]]]) -> str:
    return "".join(data["content"] for _, kind, data in found if kind == "log")


def test_a_stream_of_an_ended_run_is_its_log_and_the_state_in_which_it_ended(server: Server, told: str) -> None:
    found = list(events(server, f"/v1/runs/{told}/log/stream?limit=5"))
    assert text_of(found) == HOSTILE
    assert found[-1] == (len(HOSTILE.encode()), "done", {"state": "succeeded"})


def test_a_stream_taken_up_behind_any_event_goes_on_there(server: Server, told: str) -> None:
    whole = list(events(server, f"/v1/runs/{told}/log/stream?limit=3"))
    for place, (last, _, _) in enumerate(whole[:-1], start=1):
        rest = list(events(server, f"/v1/runs/{told}/log/stream", last))
        assert text_of(whole[:place]) + text_of(rest) == HOSTILE


def test_a_stream_waits_for_its_run_and_follows_it_to_the_end(server: Server, tmp_path: Path) -> None:
    """The job goes on only when the stream has shown what it said before."""
    gate = tmp_path / "go"
    run = server.run(f"echo first; until [ -e {gate} ]; do sleep 0.02; done; echo second; exit 3")
    stream = events(server, f"/v1/runs/{run}/log/stream")
    assert next(stream)[2] == {"content": "first\n"}
    gate.touch()
    assert [(kind, data) for _, kind, data in stream] == [
        ("log", {"content": "second\n"}),
        ("done", {"state": "failed"}),
    ]


def test_what_is_no_run_has_no_stream(server: Server) -> None:
    assert server.ask("GET", "/v1/runs/nobody/log/stream").json["actions"][0]["operation"] == "list_runs"
    assert server.ask("GET", "/v1/runs/nobody/log/stream", headers={"Last-Event-ID": "x"}).status == 422
