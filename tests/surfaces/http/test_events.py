"""Waiting for events: promptly, cheaply, and not longer than asked."""

from __future__ import annotations

import json
import select
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

from tests.surfaces.http.harness import Server, parse, poll


def head(server: Server) -> int:
    return int(server.ask("GET", "/v1/status").json["last_event"])


def quiet(server: Server) -> int:
    """The number of the last event, once nothing happens any more."""
    return int(poll(lambda: settled(server)))


def settled(server: Server) -> int:
    seen = head(server)
    reply = server.ask("GET", f"/v1/events?after={seen}&wait=0.3").json
    return 0 if reply["events"] else seen


def send(server: Server, target: str, **headers: str) -> socket.socket:
    """Send a request and leave the answer for later."""
    lines = [f"GET {target} HTTP/1.1", f"Host: 127.0.0.1:{server.port}", f"X-Auth-Token: {server.token}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    connection = socket.create_connection(("127.0.0.1", server.port), timeout=30)
    connection.sendall("\r\n".join([*lines, "", ""]).encode())
    return connection


def test_a_waiting_request_is_answered_within_a_tenth_of_a_second_of_the_event(server: Server) -> None:
    delays: list[float] = []
    for _ in range(30):
        if len(delays) == 5:
            break
        after = quiet(server)
        with closing(send(server, f"/v1/events?after={after}&wait=20")) as waiting:
            # Nothing can be seen of a request that waits; that it has not been answered is the best there is.
            if select.select([waiting], [], [], 0.2)[0]:
                continue
            server.run(gpus=64)
            acknowledged = time.monotonic()
            answer = waiting.recv(1 << 16)
            delays.append(time.monotonic() - acknowledged)
        assert b"200 OK" in answer
    assert sorted(delays)[2] < 0.1, delays


def test_without_an_event_it_answers_empty_when_its_time_is_over(server: Server) -> None:
    after = quiet(server)
    began = time.monotonic()
    reply = server.ask("GET", f"/v1/events?after={after}&wait=0.5").json
    assert reply == {"events": [], "next": after}
    assert 0.4 < time.monotonic() - began < 20


def test_events_about_others_do_not_end_the_wait_for_one_subject(server: Server) -> None:
    mine = server.run(["sleep", "600"])
    server.until(mine, "running")
    after = quiet(server)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(server.ask, "GET", f"/v1/events?after={after}&wait=20&subject={mine}")
        for _ in range(5):
            server.run(gpus=64)
        assert not waiting.done()
        server.ask("POST", f"/v1/things/{mine}/cancel")
        events = waiting.result(timeout=20).json["events"]
    assert {event["subject"] for event in events} == {mine}


def test_a_cursor_reads_every_event_once_in_order(server: Server) -> None:
    server.until(server.run(), "succeeded")
    seen, after = [], 0
    while page := server.ask("GET", f"/v1/events?after={after}&limit=7").json["events"]:
        seen += [event["seq"] for event in page]
        after = seen[-1]
    assert seen == list(range(1, len(seen) + 1))


def test_three_hundred_who_wait_keep_nobody_else_waiting(server: Server) -> None:
    after = quiet(server)
    waiting = [send(server, f"/v1/events?after={after}&wait=60") for _ in range(300)]
    try:
        began = time.monotonic()
        for _ in range(20):
            assert server.ask("GET", "/v1/status").status == 200
        assert time.monotonic() - began < 20
        server.run(gpus=64)
        for connection in waiting:
            assert connection.recv(64).startswith(b"HTTP/1.1 200")
    finally:
        for connection in waiting:
            connection.close()


def test_those_who_went_away_are_forgotten(server: Server) -> None:
    after = quiet(server)
    for _ in range(50):
        send(server, f"/v1/events?after={after}&wait=60").close()
    server.run(gpus=64)
    assert server.ask("GET", f"/v1/events?after={after}").json["events"]


def lines_of(connection: socket.socket) -> Iterator[str]:
    with connection.makefile("r", encoding="utf-8", newline="\n") as file:
        for line in file:
            yield line.rstrip("\r\n")


def streamed(lines: Iterator[str], number: int) -> list[tuple[int, dict[str, object]]]:
    """The next events of a stream: (id, event)."""
    found: list[tuple[int, dict[str, object]]] = []
    last = 0
    for line in lines:
        if line.startswith("id: "):
            last = int(line[4:])
        if line.startswith("data: "):
            found.append((last, json.loads(line[6:])))
            if len(found) == number:
                break
    return found


def test_a_stream_brings_events_as_they_happen_and_goes_on_after_the_last_id(server: Server) -> None:
    after = quiet(server)
    with closing(send(server, f"/v1/events/stream?after={after}", Accept="text/event-stream")) as connection:
        lines = lines_of(connection)
        run = server.run()
        first = streamed(lines, 3)
    assert [number for number, _ in first] == [after + 1, after + 2, after + 3]
    server.until(run, "succeeded")
    with closing(send(server, "/v1/events/stream", Last_Event_ID=str(after + 3))) as connection:
        more = streamed(lines_of(connection), 1)
    assert more[0][0] == after + 4
    assert more[0][1]["seq"] == after + 4


def test_a_stream_refuses_before_it_begins(server: Server) -> None:
    reply = server.ask("GET", "/v1/events/stream", headers={"Last-Event-ID": "x"})
    assert (reply.status, reply.json["code"]) == (422, "invalid_request")
    unknown = server.ask("GET", "/v1/events/stream?subject=fffffffffff0")
    assert unknown.status == 404


def test_many_requests_on_one_connection_are_answered_in_order(server: Server) -> None:
    request = f"GET /v1/events?limit=1 HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\nX-Auth-Token: {server.token}\r\n"
    last = request + "Connection: close\r\n\r\n"
    answer = server.raw(((request + "\r\n") * 9 + last).encode())
    assert answer.count(b"HTTP/1.1 200 OK") == 10
    assert parse(answer).status == 200


def test_writers_and_waiters_together_lose_no_event(server: Server) -> None:
    after = quiet(server)
    seen: list[int] = []
    done = threading.Event()

    def follow() -> None:
        cursor = after
        while not done.is_set() or server.ask("GET", f"/v1/events?after={cursor}").json["events"]:
            page = server.ask("GET", f"/v1/events?after={cursor}&wait=0.2&limit=1000").json
            seen.extend(event["seq"] for event in page["events"])
            cursor = page["next"]

    follower = threading.Thread(target=follow)
    follower.start()
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: server.run(gpus=64), range(200)))
    done.set()
    follower.join(timeout=60)
    assert seen == list(range(after + 1, after + 1 + len(seen)))
    assert len(seen) >= 200
