"""The client: answers and errors come back as they were in the server."""

from __future__ import annotations

import json
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from overnight.domain.errors import (
    Conflict,
    Denied,
    InvalidFile,
    InvalidRequest,
    KeyReused,
    NotFound,
    OvernightError,
    Refused,
    StoreUnavailable,
    Unreachable,
)
from overnight.surfaces import client as module
from overnight.surfaces import client_wire as wire
from overnight.surfaces.client import Client
from tests.surfaces.http.harness import Server

RUN = {"name": "a", "command": "true", "workdir": "/", "gpus": 64}


@pytest.fixture
def client(server: Server) -> Client:
    return server.client


def test_answers_are_those_of_the_operations(client: Client) -> None:
    run = client.call("submit_runs", runs=[RUN])["ids"][0]
    assert client.call("show", id=run)["name"] == "a"
    assert client.call("list_runs", alone=True, limit=1, campaign=None)["runs"][0]["id"] == run
    assert client.call("cancel", id=run)["cancelled"] == 1


def test_a_key_of_the_caller_is_sent(client: Client) -> None:
    first = client.call("submit_runs", runs=[RUN], key="mine")
    assert client.call("submit_runs", runs=[RUN], key="mine") == first
    with pytest.raises(KeyReused):
        client.call("submit_runs", runs=[{**RUN, "name": "b"}], key="mine")


def test_errors_are_those_of_the_server_with_place_and_next_step(client: Client, tmp_path: Path) -> None:
    with pytest.raises(NotFound) as missing:
        client.call("show", id="fffffffffff0")
    assert missing.value.next_step
    with pytest.raises(InvalidRequest) as invalid:
        client.call("list_runs", limit=0)
    assert invalid.value.place == "limit"
    with pytest.raises(InvalidRequest):
        client.call("list_runs", nonsense=1)
    with pytest.raises(Conflict):
        client.call("pause", id=client.call("submit_runs", runs=[RUN])["ids"][0])
    with pytest.raises(Refused) as refused:
        client.call("submit_runs", runs=[{**RUN, "workdir": "relative"}])
    assert type(refused.value) is Refused
    with pytest.raises(InvalidFile) as file:
        client.call(
            "submit", file="campaign: a\nsweeps:\n  b:\n    comand: c\n", path="f.yaml", directory=str(tmp_path)
        )
    assert file.value.path == "f.yaml"
    assert [problem.line for problem in file.value.problems]
    with pytest.raises(NotFound):
        client.call("no such operation")


@pytest.mark.parametrize("name", ["a/b", "ä ö", "%2F", "..", "?x=1", "#", "a\nb", "\ud800"])
def test_any_text_may_be_an_id(client: Client, name: str) -> None:
    with pytest.raises(Refused):
        client.call("show", id=name)
    with pytest.raises(Refused):
        client.call("cancel", id=name)


def test_a_wrong_token_is_denied(server: Server) -> None:
    with pytest.raises(Denied, match="token"):
        Client(server.url, "wrong").call("status")


@pytest.mark.parametrize("url", ["", "nonsense", "ftp://a", "http://", "http://a:b", "https://a", "http://u@h/"])
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(Refused):
        Client(url, "t")


def test_nobody_there_is_told_at_once_with_the_address() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(Unreachable, match=f"127.0.0.1:{port}"):
        Client(f"http://127.0.0.1:{port}", "t").call("status")


class Stranger:
    """A server that answers every request with the same bytes, and counts them."""

    def __init__(self, answer: bytes) -> None:
        self.asked = 0
        self._answer = answer
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                connection = self._listener.accept()[0]
                with connection:
                    connection.recv(1 << 16)
                    self.asked += 1
                    connection.sendall(self._answer)

    def close(self) -> None:
        self._listener.close()


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n[]",
        b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 6\r\nConnection: close\r\n\r\n<html>",
        b"HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}",
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"",
    ],
)
def test_a_stranger_at_the_address_is_unreachable_not_a_defect(answer: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BACK_OFF", (0.0, 0.0))
    stranger = Stranger(answer)
    try:
        with pytest.raises(Unreachable, match="http://127"):
            Client(stranger.url, "t").call("status")
    finally:
        stranger.close()


def test_it_comes_back_while_the_record_cannot_be_written_and_gives_up_in_the_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "BACK_OFF", (0.0,) * 4)
    body = b'{"code": "store_full", "detail": "the disk of the database is full", "status": 507}'
    stranger = Stranger(b"HTTP/1.1 507 X\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
    try:
        with pytest.raises(StoreUnavailable, match="full"):
            Client(stranger.url, "t").call("submit_runs", runs=[RUN])
    finally:
        stranger.close()
    assert stranger.asked == 5


def test_a_server_that_never_answers_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BACK_OFF", (0.0,))
    monkeypatch.setattr(module, "ANSWER_SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(Unreachable, match="stopped answering"):
            Client(url, "t").call("status")


def test_one_client_serves_many_threads(client: Client) -> None:
    with ThreadPoolExecutor(8) as pool:
        ids = list(pool.map(lambda _: client.call("submit_runs", runs=[RUN])["ids"][0], range(80)))
    assert len(set(ids)) == 80


def test_every_error_of_the_tree_comes_back_as_itself() -> None:
    for code, kind in wire.KINDS.items():
        error = told({"code": code, "detail": "d", "status": 400, "place": "p", "next": "n"})
        assert isinstance(error, kind)
        assert (error.code, error.message, error.place, error.next_step) == (code, "d", "p", "n")
    unknown = told({"code": "brand_new", "detail": "d", "status": 418})
    assert isinstance(unknown, Refused)
    assert isinstance(told({"code": "internal", "detail": "d", "status": 500}), OvernightError)


def told(problem: dict[str, Any]) -> OvernightError:
    """The error that a problem document becomes."""
    error = wire.error_of(wire.Reply(problem["status"], json.dumps(problem).encode()))
    assert error is not None
    return error
