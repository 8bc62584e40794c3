"""A change happens once per idempotency key, whatever becomes of the answers."""

from __future__ import annotations

import random
import socket
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest

from overnight.surfaces.client import Client
from tests.surfaces.http.harness import Server, poll

ONE = {"runs": [{"name": "once", "command": "true", "workdir": "/", "gpus": 64}]}


def named(server: Server, name: str) -> list[str]:
    found = server.client.call("list_runs", limit=10_000)["runs"]
    return [run["id"] for run in found if run["name"] == name]


def submit(server: Server, name: str, key: str) -> tuple[int, dict[str, str], object]:
    runs = {"runs": [{**ONE["runs"][0], "name": name}]}
    reply = server.ask("POST", "/v1/runs", runs, headers={"Idempotency-Key": key})
    return reply.status, reply.headers, reply.json


def test_the_same_request_again_gets_the_same_answer_and_says_so(server: Server) -> None:
    first, again = submit(server, "repeated", "k1"), submit(server, "repeated", "k1")
    assert (first[0], again[0]) == (201, 201)
    assert first[2] == again[2]
    assert "idempotency-replayed" not in first[1]
    assert again[1]["idempotency-replayed"] == "true"
    assert len(named(server, "repeated")) == 1


def test_another_request_with_the_same_key_is_refused(server: Server) -> None:
    submit(server, "before", "k2")
    status, _, problem = submit(server, "after", "k2")
    assert status == 422
    assert isinstance(problem, dict)
    assert problem["code"] == "key_reused"
    assert named(server, "after") == []


def test_a_key_belongs_to_one_operation_and_one_thing(server: Server) -> None:
    first, second = server.run(gpus=64), server.run(gpus=64)
    key = {"Idempotency-Key": "k3"}
    assert server.ask("POST", f"/v1/things/{first}/cancel", headers=key).json["cancelled"] == 1
    assert server.ask("POST", f"/v1/things/{second}/cancel", headers=key).json["code"] == "key_reused"
    assert server.ask("POST", f"/v1/things/{first}/retry", headers=key).status == 200


def test_a_refused_request_does_not_use_its_key_up(server: Server) -> None:
    missing = server.ask("POST", "/v1/things/fffffffffff0/cancel", headers={"Idempotency-Key": "k4"})
    assert missing.status == 404
    assert submit(server, "after refusal", "k4")[0] == 201


@pytest.mark.parametrize("key", ["", "x" * 256, "tab\there", "umlaut-ä", "nul\x00"])
def test_keys_are_short_printable_texts(server: Server, key: str) -> None:
    reply = server.ask("POST", "/v1/runs", ONE, headers={"Idempotency-Key": key})
    assert reply.status in (400, 422)


def test_a_key_of_full_length_works(server: Server) -> None:
    assert submit(server, "long key", "~" * 255)[0] == 201


def test_twenty_at_once_have_one_effect(server: Server) -> None:
    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda _: submit(server, "crowd", "k5"), range(20)))
    answered = [answer for status, _, answer in answers if status == 201]
    waiting = [answer for status, _, answer in answers if status != 201]
    assert len({str(answer) for answer in answered}) == 1
    assert {answer["code"] for answer in waiting} <= {"in_flight"}  # type: ignore[index]
    assert submit(server, "crowd", "k5")[2] == answered[0]
    assert len(named(server, "crowd")) == 1


class Cutter:
    """A proxy in front of a server that loses some replies, and some requests."""

    def __init__(self, port: int, rng: random.Random) -> None:
        self._port, self._rng = port, rng
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.cuts: Counter[str] = Counter()
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                threading.Thread(target=self._serve, args=(self._listener.accept()[0],), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with client, socket.create_connection(("127.0.0.1", self._port)) as server, suppress(OSError):
            while True:
                fate = self._rng.choices(["pass", "request", "reply", "half"], [6, 1, 2, 1])[0]
                request = client.recv(1 << 16)
                if not request:
                    return
                while b"\r\n\r\n" not in request or len(request.partition(b"\r\n\r\n")[2]) < length(request):
                    request += client.recv(1 << 16)
                if fate == "request":
                    self.cuts[fate] += 1
                    return
                # The server is asked by its own name, as through a forwarded port that has the same number.
                server.sendall(request.replace(b":%d\r\n" % self.port, b":%d\r\n" % self._port, 1))
                reply = server.recv(1 << 16)
                while b"\r\n\r\n" not in reply or len(reply.partition(b"\r\n\r\n")[2]) < length(reply):
                    reply += server.recv(1 << 16)
                if fate != "pass":
                    self.cuts[fate] += 1
                    client.sendall(reply[: len(reply) // 2] if fate == "half" else b"")
                    return
                client.sendall(reply)


def length(message: bytes) -> int:
    head = message.partition(b"\r\n\r\n")[0].lower()
    _, found, rest = head.partition(b"content-length:")
    return int(rest.split(b"\r\n")[0]) if found else 0


def test_three_hundred_changes_through_a_line_that_loses_replies_happen_once_each(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("overnight.surfaces.client.BACK_OFF", (0.0,) * 30)
    cutter = Cutter(server.port, random.Random(7))
    proxied = Client(f"http://127.0.0.1:{cutter.port}", server.token)
    run = {**ONE["runs"][0], "name": "through a bad line"}
    ids = [proxied.call("submit_runs", runs=[run])["ids"][0] for _ in range(300)]
    cutter.close()
    assert sorted(ids) == sorted(named(server, "through a bad line"))
    assert min(cutter.cuts[fate] for fate in ("request", "reply", "half")) > 10
    assert poll(lambda: server.client.call("verify_log")["ok"])
