"""Whatever is sent, the answer is a problem document with a 4xx status, and the server goes on."""

from __future__ import annotations

import json
import random
import string
from collections.abc import Iterator
from typing import Any

import pytest

from overnight.service.routes import ROUTES
from tests.surfaces.http.harness import Server, parse

RUN = {"name": "a", "command": "true", "workdir": "/"}
DEEP = b'{"runs":' + b"[" * 100_000 + b"]" * 100_000 + b"}"


@pytest.fixture(autouse=True)
def still_serving(server: Server) -> Iterator[None]:
    yield
    assert server.ask("GET", "/health").status == 200


def body(**fields: Any) -> bytes:
    return json.dumps({"runs": [{**RUN, **fields}]}).encode()


BODIES: dict[str, bytes] = {
    "nothing": b"",
    "no JSON": b"{runs: 1}",
    "cut JSON": b'{"runs": [',
    "two documents": body() + body(),
    "a list": b"[]",
    "a text": b'"runs"',
    "null": b"null",
    "a number": b"1e400",
    "NUL": b"\x00",
    "invalid UTF-8": b'{"runs": [{"name": "\xff\xfe"}]}',
    "overlong UTF-8": b'{"runs": [{"name": "\xc0\xaf"}]}',
    "UTF-16": '{"runs": []}'.encode("utf-16"),
    "byte order mark": b"\xef\xbb\xbf" + body(),
    "half a surrogate pair": b'{"runs": [{"name": "\\ud800", "command": "true", "workdir": "/"}]}',
    "deep": DEEP,
    "deep objects": b'{"a":' * 50_000 + b"1" + b"}" * 50_000,
    "no runs": b'{"runs": []}',
    "too many runs": json.dumps({"runs": [RUN] * 10_001}).encode(),
    "unknown field": b'{"runs": [], "run": 1}',
    "huge whole number": body(gpus=10**400),
    "number with 5,000 digits": b'{"runs": [{"gpus": ' + b"9" * 5_000 + b"}]}",
    "NaN": b'{"runs": [{"name": "a", "command": "true", "workdir": "/", "delay": NaN}]}',
    "Infinity": b'{"runs": [{"name": "a", "command": "true", "workdir": "/", "time_limit": Infinity}]}',
    "1e400": b'{"runs": [{"name": "a", "command": "true", "workdir": "/", "time_limit": 1e400}]}',
    "negative": body(gpus=-1),
    "fraction of a GPU": body(gpus=0.5),
    "NUL in the name": body(name="a\0b"),
    "NUL in the command": body(command=["a\0b"]),
    "NUL in the environment": body(env={"A": "\0"}),
    "NUL in a variable's name": body(env={"A\0": "b"}),
    "no command": body(command=[]),
    "blank command": body(command="  "),
    "command of numbers": body(command=[1, 2]),
    "relative folder": body(workdir="a"),
    "reserved variable": body(env={"OVERNIGHT_FENCE": "9"}),
    "name of 201 characters": body(name="x" * 201),
    "name that is an object": body(name={"$ne": 1}),
    "a million wrong fields": b"{" + b",".join(b'"%d":0' % number for number in range(1_000_000)) + b"}",
}


@pytest.mark.parametrize("name", BODIES)
def test_bad_bodies_are_the_askers_fault(server: Server, name: str) -> None:
    reply = server.ask("POST", "/v1/runs", BODIES[name], timeout=60)
    assert reply.status in (415, 422), reply.body[:300]
    problem = reply.json
    assert problem["status"] == reply.status
    assert problem["detail"]
    assert "Traceback" not in reply.body.decode()
    assert len(reply.body) < 5_000


@pytest.mark.parametrize(
    "target",
    [
        "/v1/runs?limit=0",
        "/v1/runs?limit=10001",
        "/v1/runs?limit=1&limit=2",
        "/v1/runs?limit=",
        "/v1/runs?limit=NaN",
        "/v1/runs?limit=%00",
        "/v1/runs?limit=9999999999999999999999",
        "/v1/runs?cursor=-1",
        "/v1/runs?cursor=%00",
        "/v1/alerts?before=-1",
        "/v1/alerts?before=9999999999999999999999",
        "/v1/runs?campaign=%ff",
        "/v1/runs?campaign=%00",
        "/v1/runs?campaign=" + "x" * 401,
        "/v1/runs?alone=perhaps",
        "/v1/runs?nonsense=1",
        "/v1/runs?" + "&".join(f"a{number}=1" for number in range(1000)),
        "/v1/events?wait=inf",
        "/v1/events?wait=nan",
        "/v1/events?wait=241",
        "/v1/events?after=1e3",
        "/v1/events/stream?wait=1",
        "/v1/comparison?first=a",
        "/v1/things/%00",
        "/v1/things/%ff",
        "/v1/things/" + "x" * 401,
        "/v1/things/",
        "/v1/runs/a/log?offset=99999999999999999999",
        "/v1/runs/a/log?limit=0",
        "/v1/runs/a/log?attempt=0",
        "/v1/campaigns/a/report?format=exe",
    ],
)
def test_bad_queries_are_the_askers_fault(server: Server, target: str) -> None:
    reply = server.ask("GET", target)
    assert reply.status == 422, reply.body[:300]
    assert reply.json["code"] == "invalid_request"


@pytest.mark.parametrize(
    "target",
    [
        "/",
        "//",
        "/v1",
        "/v1/",
        "/v1/runs/",
        "/v1/things/a/b/c",
        "/V1/runs",
        "/v1/runs/../status",
        "/v1/%72uns",
        "/v1/things/..%2f..%2ftoken",
        "/v1/things/a%2Fb",
        "/v1/things/';DROP TABLE runs;--".replace(" ", "%20"),
        "/v1/things/*",
        "/v1/things/%25",
        "/token",
        "/" + "a" * 30_000,
    ],
)
def test_odd_paths_lead_nowhere(server: Server, target: str) -> None:
    assert server.ask("GET", target).status in (400, 404)


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "BREW"])
def test_other_methods_are_refused_with_those_that_are_allowed(server: Server, method: str) -> None:
    reply = server.ask(method, "/v1/runs")
    assert reply.status in (400, 405)
    if reply.status == 405:
        assert reply.headers["allow"] == "GET, POST"


def test_a_body_beyond_the_limit_is_refused_before_it_is_read(server: Server) -> None:
    declared = server.ask("POST", "/v1/runs", b"{", headers={"Content-Length": str(2**40)})
    assert (declared.status, declared.json["code"]) == (413, "too_large")
    sent = server.ask("POST", "/v1/runs", b" " * (33 * 1024 * 1024))
    assert sent.status == 413
    small = server.ask("POST", "/v1/things/a/cancel", b" " * (65 * 1024))
    assert small.status == 413


def test_a_chunked_body_is_bounded_too(server: Server) -> None:
    head = (
        f"POST /v1/things/a/cancel HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\nX-Auth-Token: {server.token}\r\n"
        "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
    ).encode()
    chunk = b"10000\r\n" + b" " * 65_536 + b"\r\n"
    assert parse(server.raw(head + chunk * 4 + b"0\r\n\r\n")).status == 413


def test_a_changing_request_takes_no_query_and_no_other_id(server: Server) -> None:
    assert server.ask("POST", "/v1/things/abc/cancel?id=def").status == 422
    assert server.ask("POST", "/v1/things/abc/cancel", {"id": "def"}).status == 422
    assert server.ask("POST", "/v1/things/abc/cancel", [1]).status == 422


@pytest.mark.parametrize(
    "raw",
    [
        b"\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET /v1/status HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        b"POST /v1/runs HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        b"POST /v1/runs HTTP/1.1\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST /v1/runs HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 20_000 + b"\r\n",
        bytes(range(256)) * 10,
    ],
)
def test_what_is_no_http_ends_the_connection_and_nothing_else(server: Server, raw: bytes) -> None:
    try:
        answer = server.raw(raw, timeout=3)
    except TimeoutError:
        return
    assert not answer.startswith(b"HTTP/1.1 5")


def test_two_thousand_random_requests_meet_no_defect(server: Server) -> None:
    """Each names an operation, so that what is random reaches its parser; seeds are in the message."""
    statuses: dict[int, int] = {}
    for seed in range(2_000):
        method, path, data = invented(random.Random(seed))
        reply = server.ask(method, path, data, headers={"Content-Type": "application/json"})
        statuses[reply.status] = statuses.get(reply.status, 0) + 1
        assert reply.status < 500, (seed, method, path, data, reply.body)
    assert statuses.get(422, 0) > 500, statuses
    assert statuses.get(200, 0) > 20, statuses
    assert statuses.get(404, 0) > 50, statuses


def invented(rng: random.Random) -> tuple[str, str, bytes | None]:
    route = rng.choice(ROUTES)
    path = route.path.replace("{id}", quoted(rng))
    names = ["id", "file", "path", "directory", "runs", "limit", "before", "campaign", "sweep", "alone", "failed"]
    names += ["attempt", "offset", "after", "subject", "first", "second", "target", "format", "wat"]
    if route.method == "GET":
        chosen = rng.sample(names, rng.choice([0, 0, 1, 1, 2, 4]))
        query = "&".join(f"{name}={quoted(rng)}" for name in chosen)
        return "GET", f"{path}?{query}" if query else path, None
    fields = {name: value(rng, 3) for name in rng.sample(names, rng.choice([0, 1, 2, 3]))}
    if rng.random() < 0.4:
        fields = {"runs": [{**RUN, rng.choice([*RUN, "env", "gpus", "delay", "slots"]): value(rng, 3)}]}
    if rng.random() < 0.2:
        fields = {"file": rng.choice(["campaign: a\nsweeps: {}", text(rng), "a: &a [*a]"]), "directory": text(rng)}
    data = json.dumps(fields).encode()
    if rng.random() < 0.2:
        place = rng.randrange(len(data))
        data = data[:place] + bytes([rng.randrange(256)]) + data[place + 1 :]
    return "POST", path, data


def value(rng: random.Random, depth: int) -> Any:
    kinds = [
        lambda: rng.choice([None, True, False]),
        lambda: rng.choice([0, -1, 1, 2**31, 2**63, -(2**63), 2**64, 10**30]),
        lambda: rng.choice([0.0, -0.0, 1e308, 5e-324, 0.1]),
        lambda: text(rng),
    ]
    if depth:
        kinds += [
            lambda: [value(rng, depth - 1) for _ in range(rng.randrange(4))],
            lambda: {text(rng): value(rng, depth - 1) for _ in range(rng.randrange(4))},
        ]
    return rng.choice(kinds)()


def text(rng: random.Random) -> str:
    alphabet = rng.choice(
        [string.printable, "\0\x1b\x7f\u202e\ufeff\U0001f680ä", "0123456789abcdef", "../\\%*?[]{}$`'\";"]
    )
    return "".join(rng.choice(alphabet) for _ in range(rng.choice([0, 1, 3, 12, 200])))


def quoted(rng: random.Random) -> str:
    if rng.random() < 0.3:
        return rng.choice(["0", "1", "-1", "true", "%00", "%ff", "%", "1e9", "nan", "here", "markdown", "%F0%9F%9A%80"])
    return "".join(f"%{byte:02x}" for byte in text(rng).encode())[:3_000]
