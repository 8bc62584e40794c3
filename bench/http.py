"""Submits over HTTP to a real server: 10,000 one by one over 8 connections, and one call with 10,000."""

from __future__ import annotations

import http.client
import json
import statistics
import threading
import time

from bench.measure import Figure
from bench.server import Server

SINGLE, BULK = 10_000, 10_000
CONNECTIONS = 8


def figures() -> list[Figure]:
    """Rates in runs per second; nothing can start, since the campaign's sweep needs more slots than there are."""
    with Server() as server:
        floor = _one_by_one(server, "GET", "/health", None, SINGLE // 5)
        single = _one_by_one(server, "POST", "/v1/runs", _body(1), SINGLE)
        bulk = statistics.median(_bulk(server) for _ in range(3))
    return [
        Figure("empty answer of the same server, 8 connections", floor, "requests/s"),
        Figure(
            "one submit per request, 8 connections",
            single,
            "runs/s",
            "empty answer",
            single / floor,
            ">= 2,500",
            single >= 2_500,
        ),
        Figure(
            "one request with 10,000 runs", bulk, "runs/s", "one by one", bulk / single, ">= 50,000", bulk >= 50_000
        ),
    ]


def _body(number: int) -> bytes:
    run = {"name": "r", "command": ["/bin/true"], "workdir": "/tmp", "slots": 1_000}
    return json.dumps({"runs": [run] * number}).encode()


def _headers(server: Server) -> dict[str, str]:
    return {"Authorization": f"Bearer {server.token}", "Content-Type": "application/json"}


def _one_by_one(server: Server, method: str, path: str, body: bytes | None, number: int) -> float:
    def work() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
        for _ in range(number // CONNECTIONS):
            connection.request(method, path, body, _headers(server))
            answer = connection.getresponse()
            answer.read()
            if answer.status >= 300:
                raise SystemExit(f"bench: {method} {path} answered {answer.status}")
        connection.close()

    threads = [threading.Thread(target=work) for _ in range(CONNECTIONS)]
    begin = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return number / (time.perf_counter() - begin)


def _bulk(server: Server) -> float:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    body = _body(BULK)
    begin = time.perf_counter()
    connection.request("POST", "/v1/runs", body, _headers(server))
    answer = connection.getresponse()
    answer.read()
    elapsed = time.perf_counter() - begin
    connection.close()
    if answer.status >= 300:
        raise SystemExit(f"bench: the bulk submit answered {answer.status}")
    return BULK / elapsed
