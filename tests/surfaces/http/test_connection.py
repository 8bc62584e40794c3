"""What clients may do before anybody knows who they are: nothing without end."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest
import uvicorn

from overnight.surfaces.http import connection
from overnight.surfaces.http.connection import LARGEST_HEAD, MOST_HEADERS, Connection
from tests.surfaces.http.harness import poll

PLACES = 8
BIG = 64 * 1024 * 1024
HEAD = b"GET / HTTP/1.1\r\nHost: x\r\n"


async def application(scope: dict[str, object], receive: object, send: object) -> None:
    body = b"x" * BIG if scope["path"] == "/big" else b"ok"
    headers = [(b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})  # type: ignore[operator]
    await send({"type": "http.response.body", "body": body})  # type: ignore[operator]


@contextmanager
def served(keep_alive: int = 60) -> Iterator[tuple[int, uvicorn.Server]]:
    listener = socket.create_server(("127.0.0.1", 0))
    configuration = uvicorn.Config(
        application,
        http=Connection, loop="uvloop", ws="none", lifespan="off", log_config=None, access_log=False,
        limit_concurrency=PLACES, timeout_keep_alive=keep_alive,
    )  # fmt: skip
    server = uvicorn.Server(configuration)
    thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
    thread.start()
    try:
        yield int(listener.getsockname()[1]), server
    finally:
        server.should_exit = server.force_exit = True
        thread.join(10)


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with served() as (number, _):
        yield number


def said(port: int, *parts: bytes) -> bytes:
    """Everything that is answered until the server ends the connection."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as client:
        received = b""
        try:
            for part in parts:
                client.sendall(part)
            while part := client.recv(65536):
                received += part
        except ConnectionError:
            pass
        return received


@pytest.mark.parametrize("part", [b"GET /", HEAD + b"X: "])
def test_a_head_without_end_is_cut_off(port: int, part: bytes) -> None:
    answer = said(port, part, *(b"a" * 65536 for _ in range(4 * LARGEST_HEAD // 65536 + 16)))
    assert answer == b"" or answer.startswith(b"HTTP/1.1 431")


def test_too_many_headers_are_refused(port: int) -> None:
    many = b"".join(b"X-%d: a\r\n" % number for number in range(MOST_HEADERS))
    assert said(port, HEAD, many, b"Connection: close\r\n\r\n").startswith(b"HTTP/1.1 400")


def test_many_requests_of_one_connection_are_counted_each_for_itself(port: int) -> None:
    one = HEAD + b"X: " + b"a" * 5_000 + b"\r\n\r\n"
    last = HEAD + b"Connection: close\r\n\r\n"
    assert said(port, *[one] * 40, last).count(b"HTTP/1.1 200") == 41


def test_a_body_may_be_larger_than_a_head(port: int) -> None:
    head = b"POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % (8 * LARGEST_HEAD)
    assert said(port, head, b"a" * (8 * LARGEST_HEAD)).startswith(b"HTTP/1.1 200")


def test_silent_clients_keep_nobody_out(port: int) -> None:
    with ExitStack() as stack:
        for _ in range(4 * PLACES):
            stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=10))
        assert said(port, HEAD + b"Connection: close\r\n\r\n").startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize("begun", [b"", b"GET / HT", HEAD])
def test_whoever_does_not_say_what_it_wants_is_let_go(port: int, begun: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "HEAD_SECONDS", 0.2)
    assert said(port, begun) == b""


def test_an_answer_that_nobody_reads_is_not_kept_for_ever() -> None:
    with served(keep_alive=1) as (port, server), socket.create_connection(("127.0.0.1", port), timeout=10) as client:
        client.sendall(b"GET /big HTTP/1.1\r\nHost: x\r\n\r\n")
        poll(lambda: server.server_state.connections)
        poll(lambda: not server.server_state.connections)
