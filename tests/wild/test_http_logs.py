"""Logs of runs over HTTP: pages, streams, what was done, what was left. Source: the protocol, 2.2."""

from __future__ import annotations

import json
import shlex
import socket
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.surfaces.http.harness import Server, poll, serving

KEYS = {"content", "offset", "total_size", "has_more_before", "has_more_after", "next_offset"}
TEXT = "épée\r\n漢字\r\n\r\n😀 done\n"
"""Characters of one to four bytes, and ends of lines that streams are made of."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(tmp_path_factory.mktemp("home")) as running:
        yield running


def create(server: Server, command: str, **fields: Any) -> str:
    reply = server.ask("POST", "/runs", {"name": "one", "command": command, **fields})
    assert reply.status == 200, reply.body
    return str(reply.json["id"])


def ended(server: Server, command: str, status: str = "finished", **fields: Any) -> str:
    """A run that has ended."""
    run = create(server, command, auto_start=True, **fields)
    poll(lambda: server.ask("GET", f"/runs/{run}").json["status"] == status)
    return run


def said(text: str) -> str:
    return f"printf %s {shlex.quote(text)}"


@pytest.fixture(scope="module")
def told(server: Server) -> str:
    """A run whose log is TEXT."""
    return ended(server, said(TEXT))


class Stream:
    """A log as it is streamed."""

    def __init__(self, server: Server, path: str, last: int | None = None) -> None:
        self.socket = socket.create_connection(("127.0.0.1", server.port), timeout=30)
        lines = [f"GET {path} HTTP/1.0", f"Host: 127.0.0.1:{server.port}", f"X-Auth-Token: {server.token}"]
        lines += [f"Last-Event-ID: {last}"] if last is not None else []
        self.socket.sendall("\r\n".join([*lines, "", ""]).encode())
        self.lines = self.socket.makefile("r", encoding="utf-8", newline="\n")
        assert " 200 " in self.lines.readline()
        while self.lines.readline().strip():
            pass

    def __iter__(self) -> Iterator[tuple[int, dict[str, Any]]]:
        place = 0
        for line in self.lines:
            if line.startswith("id: "):
                place = int(line[4:])
            if line.startswith("data: "):
                yield place, json.loads(line[6:])

    def close(self) -> None:
        self.lines.close()
        self.socket.close()


def all_of(server: Server, run: str, last: int | None = None, part: str = "logs") -> list[tuple[int, dict[str, Any]]]:
    """Everything that a stream sends until it ends."""
    with closing(Stream(server, f"/runs/{run}/{part}/stream", last)) as stream:
        return list(stream)


def content(events: list[tuple[int, dict[str, Any]]]) -> str:
    return "".join(it.get("content", "") for _, it in events)


def test_a_log_holds_what_its_job_said_and_nothing_else(server: Server) -> None:
    """W49."""
    found = server.ask("GET", f"/runs/{ended(server, 'echo hi')}/logs").json
    assert found == {
        "content": "hi\n",
        "offset": 0,
        "total_size": 3,
        "has_more_before": False,
        "has_more_after": False,
        "next_offset": 3,
    }


def test_both_streams_of_a_job_stand_in_the_log_in_order(server: Server) -> None:
    run = ended(server, "echo 1; echo 2 >&2; echo 3; echo 4 >&2")
    assert server.ask("GET", f"/runs/{run}/logs").json["content"] == "1\n2\n3\n4\n"


def test_a_long_log_is_given_from_its_end_and_never_too_much_at_once(server: Server) -> None:
    """W46, W47."""
    run = ended(server, "seq 1 40000")
    whole = "".join(f"{number}\n" for number in range(1, 40_001))
    last = server.ask("GET", f"/runs/{run}/logs").json
    assert last.keys() == KEYS
    assert last["content"] == whole[-10_000:]
    assert (last["total_size"], last["has_more_before"], last["has_more_after"]) == (len(whole), True, False)
    much = server.ask("GET", f"/runs/{run}/logs?offset=0&limit=10000000").json
    assert (much["content"], much["next_offset"]) == (whole[:102_400], 102_400)
    assert (much["has_more_before"], much["has_more_after"]) == (False, True)
    assert "".join(pages(server, run, 30_000)) == whole


def pages(server: Server, run: str, limit: int) -> Iterator[str]:
    offset, more = 0, True
    while more:
        found = server.ask("GET", f"/runs/{run}/logs?offset={offset}&limit={limit}").json
        yield found["content"]
        offset, more = found["next_offset"], found["has_more_after"]


@pytest.mark.parametrize("limit", [1, 2, 3, 5, 7])
def test_pages_lose_and_repeat_nothing_of_a_multibyte_log(server: Server, told: str, limit: int) -> None:
    assert "".join(pages(server, told, limit)) == TEXT


def test_a_log_that_is_not_there_is_empty_and_one_of_no_run_is_not_found(server: Server) -> None:
    """W48."""
    empty = server.ask("GET", f"/runs/{create(server, 'true')}/logs")
    assert (empty.status, empty.json["content"], empty.json["total_size"]) == (200, "", 0)
    for part in ("logs", "sidecar-logs", "artifacts", "logs/stream", "sidecar-logs/stream"):
        missing = server.ask("GET", f"/runs/nope/{part}")
        assert (missing.status, missing.json) == (404, {"detail": "Run not found"})


@pytest.mark.parametrize("query", ["limit=-1", "limit=x", "offset=x", "offset=99999999999999999999"])
def test_wrong_offsets_and_limits_are_refused(server: Server, told: str, query: str) -> None:
    assert server.ask("GET", f"/runs/{told}/logs?{query}").status == 422


def test_a_stream_of_an_ended_run_is_its_log_and_how_it_ended(server: Server, told: str) -> None:
    events = all_of(server, told)
    assert [it["type"] for _, it in events] == ["initial", "done"]
    assert content(events) == TEXT
    assert events[-1] == (len(TEXT.encode()), {"type": "done", "status": "finished"})
    failed = all_of(server, ended(server, "echo no; exit 3", "failed"))
    assert failed[-1][1] == {"type": "done", "status": "failed"}


def test_a_stream_resumed_at_any_byte_goes_on_there(server: Server, told: str) -> None:
    data = TEXT.encode()
    places = [len(TEXT[:number].encode()) for number in range(len(TEXT) + 1)]
    for last in range(len(data) + 1):
        events = all_of(server, told, last)
        start = max(place for place in places if place <= last)
        assert content(events).encode() == data[start:], last
        assert [it["type"] for _, it in events] == ["delta", "done"][start == len(data) :], last


def test_a_stream_waits_for_the_start_and_follows_the_run_to_its_end(server: Server, tmp_path: Path) -> None:
    """The job says the next line only when the stream has shown the last one: nothing waits for luck."""
    steps = "for n in 1 2 3; do printf 'é%s\\r\\n' $n; while [ ! -e go$n ]; do sleep 0.02; done; done; printf '\\303'"
    run = create(server, steps, workdir=str(tmp_path))
    with closing(Stream(server, f"/runs/{run}/logs/stream")) as stream:
        events = iter(stream)
        assert server.ask("POST", f"/runs/{run}/start").status == 200
        shown, kinds = "", []
        for place, event in events:
            kinds.append(event["type"])
            shown += event.get("content", "")
            if event["type"] != "done":
                assert place <= len(shown.encode())
                (tmp_path / f"go{shown.count(chr(10))}").touch()
    assert shown == "é1\r\né2\r\né3\r\n\ufffd"
    assert (kinds[0], kinds[-1]) == ("initial", "done")
    assert set(kinds[1:-1]) == {"delta"}
    assert content(all_of(server, run)) == shown


def test_a_stream_of_a_run_that_is_stopped_before_it_starts_ends(server: Server) -> None:
    run = create(server, "true")
    with closing(Stream(server, f"/runs/{run}/logs/stream")) as stream:
        server.ask("POST", f"/runs/{run}/stop")
        assert [it for _, it in stream] == [{"type": "initial", "content": ""}, {"type": "done", "status": "stopped"}]


def test_the_log_of_a_run_that_was_tried_again_goes_on_where_it_ended(server: Server, tmp_path: Path) -> None:
    command = (
        f"echo try; test -e {tmp_path}/again || {{ touch {tmp_path}/again; echo CUDA error: out of memory; exit 1; }}"
    )
    retry = {"enabled": True, "retries": 2, "retry_delay_seconds": 0.1}
    run = ended(server, command, gpuwrap_config=retry)
    assert len(server.ask("GET", f"/runs/{run}").json["attempts"]) == 2
    assert server.ask("GET", f"/runs/{run}/logs").json["content"] == "try\nCUDA error: out of memory\ntry\n"
    assert content(all_of(server, run)) == "try\nCUDA error: out of memory\ntry\n"


def test_what_was_done_with_a_run_is_a_log_that_only_grows(server: Server) -> None:
    run = create(server, "true", name="evil\n\x1b[31m2026 run.fake")
    before = server.ask("GET", f"/runs/{run}/sidecar-logs").json["content"]
    server.ask("PUT", f"/runs/{run}", {"name": "second\nline"})
    server.ask("POST", f"/runs/{run}/start")
    poll(lambda: server.ask("GET", f"/runs/{run}").json["status"] == "finished")
    after = server.ask("GET", f"/runs/{run}/sidecar-logs").json["content"]
    assert before
    assert after.startswith(before)
    assert after.isascii()
    assert [line.split()[1].rstrip(":") for line in after.splitlines()][:3] == [
        "run.create",
        "run.update",
        "run.enqueue",
    ]
    assert all(line.split()[0].endswith("Z") for line in after.splitlines())
    events = all_of(server, run, part="sidecar-logs")
    assert content(events) == after
    assert content(all_of(server, run, len(before), "sidecar-logs")) == after[len(before) :]


def test_artifacts_are_what_the_job_left(server: Server, tmp_path: Path) -> None:
    command = (
        "mkdir -p $OVERNIGHT_RUN_DIR/plots wandb/run-1/files; echo 1 > $OVERNIGHT_RUN_DIR/plots/a.svg;"
        "ln -s /etc/passwd $OVERNIGHT_RUN_DIR/passwd; echo {} > $OVERNIGHT_RUN_DIR/results.json"
    )
    run = ended(server, command, workdir=str(tmp_path))
    found = server.ask("GET", f"/runs/{run}/artifacts").json
    assert [(it["name"], it["type"]) for it in found] == [
        ("results.json", "other"),
        ("plots/a.svg", "other"),
        ("run-1", "wandb"),
    ]
    assert found[2]["path"] == f"{tmp_path}/wandb/run-1"
    assert server.ask("GET", f"/runs/{create(server, 'true')}/artifacts").json == []


def test_a_folder_of_wandb_that_was_reported_is_an_artifact(server: Server) -> None:
    run = create(server, "true")
    server.ask("POST", f"/runs/{run}/status", {"status": "running", "wandb_dir": "/data/wandb/run-7/"})
    found = server.ask("GET", f"/runs/{run}/artifacts").json
    assert found == [{"name": "run-7", "path": "/data/wandb/run-7/", "type": "wandb"}]
