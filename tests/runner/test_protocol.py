"""What the socket answers to servers that are wrong, old, slow or repeat themselves."""

import contextlib
import json
import os
from typing import Any

import pytest

from overnight.runner.protocol import LineBuffer, LineTooLong
from tests.runner.harness import Bench, Server, wait_until


def results(server: Server, *launches: dict[str, Any]) -> dict[str, Any]:
    return server.ask("start", launches=list(launches))["results"]


def refusal(server: Server, launch: dict[str, Any]) -> str:
    return results(server, launch)[launch["attempt"]]["error"]["code"]


@pytest.mark.parametrize(
    "line", [b"nonsense", b"[1]", b'{"id": 1, "op": "hello"}', b'{"op": {}}', b"\xff\xfe", b"[" * 99999]
)
def test_a_malformed_line_is_answered_and_the_next_one_works(bench: Bench, line: bytes) -> None:
    server = Server(bench.state_dir)
    bench.servers.append(server)
    server.send_raw(line + b"\n")
    answer = server.hear()
    assert answer is not None
    assert answer["ok"] is False
    assert server.ask("hello", session=1)["ok"]


def test_nothing_is_done_before_hello(bench: Bench) -> None:
    server = Server(bench.state_dir)
    bench.servers.append(server)
    assert server.ask("owned")["error"]["code"] == "hello_first"


def test_a_line_without_end_is_refused() -> None:
    buffer = LineBuffer()
    assert buffer.feed(b"ab") == []
    assert buffer.feed(b"c\nd\ne") == [b"abc", b"d"]
    assert buffer.feed(b"x" * 10 * 1024 * 1024) == []
    with pytest.raises(LineTooLong):
        buffer.feed(b"x" * 10 * 1024 * 1024)


@pytest.mark.parametrize(
    "change",
    [
        {"argv": []},
        {"argv": "ls"},
        {"argv": [1]},
        {"env": {"A": 1}},
        {"cwd": "relative"},
        {"folder": "x"},
        {"fence": "1"},
        {"fence": True},
        {"grace": -1},
        {"time_limit": -0.1},
        {"log_cap": 1.5},
        {"attempt": ""},
        {"run": None},
    ],
)
def test_a_wrong_launch_is_refused_by_itself(bench: Bench, change: dict[str, Any]) -> None:
    server = bench.server()
    wrong = bench.launch("wrong", "/bin/true") | change
    answers = results(server, wrong, bench.launch("right", "/bin/true"))
    assert answers[wrong["attempt"]]["error"]["code"] == "bad_launch"
    assert answers["right"] == {"ok": True}
    assert server.ended("right")["code"] == 0


def test_a_repeated_start_is_answered_and_not_done_again(bench: Bench) -> None:
    server = bench.server()
    launch = bench.launch("a", "/bin/sh", "-c", "echo once")
    assert results(server, launch, launch) == {"a": {"ok": True}}
    server.ended("a")
    assert results(server, launch) == {"a": {"ok": True}}
    assert server.ask("ping")["ok"]
    assert bench.log("a") == b"once\n"
    assert [message["event"] for message in server.pushed] == ["started", "ended"]


def test_a_start_with_an_older_or_equal_fence_is_refused(bench: Bench) -> None:
    server = bench.server()
    bench.start(server, "new", "/bin/true", run="r", fence=5)
    server.ended("new")
    for fence in (4, 5):
        assert refusal(server, bench.launch("old", "/bin/true", run="r", fence=fence)) == "stale_fence"
    server.ask("forget", attempts=["new"])
    assert refusal(server, bench.launch("old", "/bin/true", run="r", fence=4)) == "stale_fence"
    bench.start(server, "next", "/bin/true", run="r", fence=6)


def test_a_run_never_has_two_live_attempts(bench: Bench) -> None:
    server = bench.server()
    bench.start(server, "one", "sleep", "60", run="r", fence=1)
    assert refusal(server, bench.launch("two", "/bin/true", run="r", fence=2)) == "still_live"
    server.ask("stop", attempt="one", grace=0, reason="")
    server.ended("one")
    bench.start(server, "two", "/bin/true", run="r", fence=2)


def test_two_attempts_of_one_run_in_one_request_do_not_both_start(bench: Bench) -> None:
    server = bench.server()
    one, two = (bench.launch(name, "sleep", "60", run="r", fence=fence) for name, fence in (("one", 1), ("two", 2)))
    answers = results(server, one, two)
    assert answers["one"] == {"ok": True}
    assert answers["two"]["error"]["code"] == "still_live"
    assert list(server.ask("owned")["attempts"]) == ["one"]


def test_a_folder_that_is_there_means_that_it_was_started_before(bench: Bench) -> None:
    server = bench.server()
    (bench.attempts / "a").mkdir(parents=True)
    assert refusal(server, bench.launch("a", "/bin/true")) == "already_started"
    assert os.listdir(bench.attempts / "a") == []


def test_a_newer_session_ends_the_older_one(bench: Bench) -> None:
    old = bench.server(5)
    new = bench.server(9)
    assert old.hear() is None
    for session in (9, 8):
        late = Server(bench.state_dir)
        bench.servers.append(late)
        assert late.ask("hello", session=session)["error"]["code"] == "stale_session"
    assert new.ask("ping")["ok"]


def test_what_an_older_session_still_had_to_say_is_not_done(bench: Bench) -> None:
    old = bench.server(1)
    half = json.dumps({"id": 9, "op": "start", "launches": [bench.launch("a", "/bin/true")]}).encode()
    old.send_raw(half)
    assert Server(bench.state_dir, 2).welcome["owned"] == []
    with contextlib.suppress(BrokenPipeError):
        old.send_raw(b"\n")
    assert old.hear() is None
    assert bench.server(3).ask("owned")["attempts"] == {}


def test_the_highest_session_and_fence_outlive_the_runner(bench: Bench) -> None:
    server = bench.server(41)
    bench.start(server, "a", "/bin/true", run="r", fence=12)
    server.ended("a")
    server.ask("forget", attempts=["a"])
    bench.kill_runner()
    bench.up()
    late = Server(bench.state_dir)
    bench.servers.append(late)
    assert late.ask("hello", session=41)["error"]["code"] == "stale_session"
    again = bench.server(42)
    assert again.welcome["highest_fence"] == 12
    assert refusal(again, bench.launch("b", "/bin/true", run="r", fence=11)) == "stale_fence"


def test_observe_tells_never_started_from_gone(bench: Bench) -> None:
    server = bench.server()
    assert bench.observe(server, "never") == {"state": "absent"}
    (bench.attempts / "gone").mkdir(parents=True)
    assert bench.observe(server, "gone")["state"] == "dead"
    reboot = bench.observe(server, "never", boot_id="another-boot")
    assert (reboot["state"], "another-boot" in reboot["proof"]) == ("dead", True)


def test_observe_finds_the_record_of_an_attempt_that_was_forgotten(bench: Bench) -> None:
    server = bench.server()
    bench.start(server, "a", "/bin/sh", "-c", "exit 7")
    server.ended("a")
    server.ask("forget", attempts=["a"])
    assert bench.observe(server, "a")["record"]["code"] == 7
    assert bench.observe(server, "a", boot_id="another-boot")["record"]["code"] == 7
    assert bench.observe(server, "a", fence=2)["state"] == "dead"


def test_stop_is_silent_on_what_it_does_not_know_or_has_ended(bench: Bench) -> None:
    server = bench.server()
    assert server.ask("stop", attempt="unknown", grace=1, reason="x")["ok"]
    bench.start(server, "a", "/bin/true")
    server.ended("a")
    assert server.ask("stop", attempt="a", grace=1, reason="x")["ok"]
    assert server.ask("stop", attempt="a", grace=-1, reason="x")["error"]["code"] == "bad_request"


def test_a_server_that_does_not_read_blocks_nobody(bench: Bench) -> None:
    deaf = bench.server()
    request = json.dumps({"id": 1, "op": "x" * 200_000}).encode() + b"\n"
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        for _ in range(400):  # 80 MB of answers that nobody reads
            deaf.send_raw(request)
    server = bench.server()
    bench.start(server, "a", "/bin/true")
    assert server.ended("a")["code"] == 0
    wait_until(lambda: server.ask("ping")["ok"], "it answers")
