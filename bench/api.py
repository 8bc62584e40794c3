"""What agents ask most, with 10,000 stored runs, beside an empty FastAPI endpoint in the same run; pages by size."""

from __future__ import annotations

import http.client
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from bench.measure import Figure, percentile
from bench.server import Server

STORED = 10_000
FEW, MANY = 1_000, 100_000
CONNECTIONS = 8
REQUESTS = 2_000
PROBES = 200
PEER = """
from fastapi import FastAPI
import uvicorn, sys
app = FastAPI()

@app.get("/empty")
def empty() -> dict[str, str]:
    return {}

uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), log_level="error", access_log=False)
"""


@dataclass(frozen=True)
class Measured:
    """Requests per second over all connections, and the 99th percentile of one, in milliseconds."""

    rate: float
    p99: float


def figures() -> list[Figure]:
    """Rates beside the peer's, and how a page of runs costs at 100,000 stored runs beside 1,000."""
    peer = _peer()
    found = [Figure("empty FastAPI endpoint", peer.rate, "requests/s"), Figure("the same, p99", peer.p99, "ms")]
    with Server() as server:
        _store(server, FEW)
        few = _page(server)
        _store(server, STORED - FEW)
        created = json.dumps({"name": "r", "command": "true", "chat_session_id": "bench"}).encode()
        for name, method, path, body in (
            ("create run", "POST", "/runs", created),
            ("list runs (100)", "GET", "/runs?limit=100", None),
            ("system-health", "GET", "/wild/v2/system-health", None),
        ):
            it = _measured(server.port, method, path, body, _headers(server), REQUESTS)
            found.append(Figure(name, it.rate, "requests/s", "empty FastAPI", it.rate / peer.rate))
            found.append(Figure(f"{name}, p99", it.p99, "ms", "empty FastAPI", it.p99 / peer.p99))
        _store(server, MANY - STORED)
        many = _page(server)
    aim = many <= 2 * few
    return [*found, Figure("GET /runs at 100,000 runs", many, "ms", "at 1,000 runs", many / few, "<= 2 x", aim)]


def _store(server: Server, number: int) -> None:
    """Runs that cannot start, in bulk."""
    for begin in range(0, number, 10_000):
        run = {"name": "r", "command": ["/bin/true"], "workdir": "/tmp", "slots": 1_000}
        body = json.dumps({"runs": [run] * min(10_000, number - begin)}).encode()
        _measured(server.port, "POST", "/v1/runs", body, _headers(server), 1, connections=1)


def _page(server: Server) -> float:
    """Milliseconds of one page of 100 runs, median."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    return statistics.median(_ask(connection, "GET", "/runs?limit=100", None, _headers(server)) for _ in range(PROBES))


def _headers(server: Server) -> dict[str, str]:
    return {"X-Auth-Token": server.token, "Content-Type": "application/json"}


def _peer() -> Measured:
    with tempfile.TemporaryDirectory(prefix="overnight-bench-") as folder, socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        free.close()
        script = Path(folder, "peer.py")
        script.write_text(PEER)
        process = subprocess.Popen([sys.executable, str(script), str(port)], env=dict(os.environ))
        try:
            _await(port)
            return _measured(port, "GET", "/empty", None, {}, REQUESTS * 2)
        finally:
            process.terminate()
            process.wait(10)


def _await(port: int) -> None:
    for _ in range(300):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    raise SystemExit("bench: the peer did not start")


def _measured(
    port: int,
    method: str,
    path: str,
    body: bytes | None,
    headers: Mapping[str, str],
    number: int,
    *,
    connections: int = CONNECTIONS,
) -> Measured:
    times: list[float] = []

    def work() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
        times.extend(_ask(connection, method, path, body, headers) for _ in range(max(1, number // connections)))
        connection.close()

    threads = [threading.Thread(target=work) for _ in range(connections)]
    begin = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return Measured(len(times) / (time.perf_counter() - begin), percentile(times, 0.99))


def _ask(
    connection: http.client.HTTPConnection, method: str, path: str, body: bytes | None, headers: Mapping[str, str]
) -> float:
    """Milliseconds of one request."""
    begin = time.perf_counter()
    connection.request(method, path, body, dict(headers))
    answer = connection.getresponse()
    answer.read()
    if answer.status >= 300:
        raise SystemExit(f"bench: {method} {path} answered {answer.status}")
    return 1000 * (time.perf_counter() - begin)
