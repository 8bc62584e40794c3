"""Who may ask, and where a server may listen."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from overnight.service.routes import ROUTES
from tests.surfaces.http.harness import Server, launch, serving

PATHS = sorted({(route.method, route.path.replace("{id}", "abc")) for route in ROUTES})


@pytest.mark.parametrize(("method", "path"), [*PATHS, ("GET", "/v1/events/stream"), ("GET", "/v1/nowhere")])
def test_nothing_of_anybodys_work_is_answered_without_the_token(server: Server, method: str, path: str) -> None:
    bare = server.ask(method, path, {} if method == "POST" else None, headers={"X-Auth-Token": None})
    wrong = server.ask(
        method, path, {} if method == "POST" else None, headers={"X-Auth-Token": server.token[:-1] + "~"}
    )
    assert (bare.status, wrong.status) == (401, 401)
    assert bare.json["code"] == "unauthenticated"
    assert bare.headers["www-authenticate"].startswith("Bearer")
    assert bare.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("path", ["/health", "/docs", "/openapi.json"])
def test_liveness_and_documentation_need_no_token(server: Server, path: str) -> None:
    assert server.ask("GET", path, headers={"X-Auth-Token": None}).status == 200
    assert server.ask("HEAD", path, headers={"X-Auth-Token": None}).body == b""


@pytest.mark.parametrize(
    "headers",
    [
        {"X-Auth-Token": "{token}"},
        {"Authorization": "Bearer {token}"},
        {"Authorization": "bearer  {token} "},
        {"Authorization": "Bearer {token}", "X-Auth-Token": "{token}"},
    ],
)
def test_both_headers_carry_the_token(server: Server, headers: dict[str, str]) -> None:
    filled = {name: value.format(token=server.token) for name, value in headers.items()}
    assert server.ask("GET", "/v1/status", headers={"X-Auth-Token": None, **filled}).status == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"X-Auth-Token": ""},
        {"X-Auth-Token": "{token}x"},
        {"X-Auth-Token": "{token}, {token}"},
        {"Authorization": "{token}"},
        {"Authorization": "Basic {token}"},
        {"Authorization": "Bearer"},
        {"Authorization": "Bearer wrong", "X-Auth-Token": "{token}"},
        {"Authorization": "Bearer {token}", "X-Auth-Token": "wrong"},
        {"Cookie": "token={token}"},
    ],
)
def test_a_wrong_token_is_refused_also_beside_a_right_one(server: Server, headers: dict[str, str]) -> None:
    filled = {name: value.format(token=server.token) for name, value in headers.items()}
    assert server.ask("GET", "/v1/status", headers={"X-Auth-Token": None, **filled}).status == 401


def test_no_token_is_taken_from_the_query(server: Server) -> None:
    reply = server.ask("GET", f"/v1/status?token={server.token}", headers={"X-Auth-Token": None})
    assert reply.status == 401
    assert server.token.encode() not in reply.body


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:{port}",
        "127.0.0.1",
        "127.0.0.1:1",
        "localhost.evil.example:{port}",
        "127.0.0.1:{port}.evil.example",
        "127.0.0.2:{port}",
        "",
        "127.0.0.1:{port}/",
        "user@127.0.0.1:{port}",
        "0x7f000001:{port}",
    ],
)
@pytest.mark.parametrize("path", ["/v1/status", "/health", "/docs"])
def test_requests_to_a_foreign_host_are_refused_whatever_they_ask(server: Server, host: str, path: str) -> None:
    reply = server.ask("GET", path, headers={"Host": host.format(port=server.port)})
    assert reply.status == 403
    assert reply.json["code"] == "foreign_host"


@pytest.mark.parametrize("host", ["localhost:{port}", "LOCALHOST:{port}", "127.0.0.1:{port}", "[::1]:{port}"])
def test_every_name_of_loopback_is_ours(server: Server, host: str) -> None:
    assert server.ask("GET", "/v1/status", headers={"Host": host.format(port=server.port)}).status == 200


def test_a_request_without_or_with_two_hosts_is_refused(server: Server) -> None:
    assert server.ask("GET", "/v1/status", headers={"Host": None}).status in (400, 403)
    twice = (
        f"GET /v1/status HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\nHost: evil.example\r\nConnection: close\r\n\r\n"
    )
    assert server.raw(twice.encode()).startswith(b"HTTP/1.1 400")


@pytest.mark.parametrize(
    "origin",
    [
        "http://evil.example",
        "null",
        "https://127.0.0.1",
        "http://127.0.0.1:1",
        "file://",
        "127.0.0.1:{port}",
        "http://",
    ],
)
@pytest.mark.parametrize(
    ("method", "path"), [("POST", "/v1/runs"), ("GET", "/v1/events/stream"), ("GET", "/v1/status")]
)
def test_foreign_pages_are_refused(server: Server, origin: str, method: str, path: str) -> None:
    reply = server.ask(
        method, path, {} if method == "POST" else None, headers={"Origin": origin.format(port=server.port)}
    )
    assert reply.status == 403
    assert reply.json["code"] == "foreign_origin"


def test_our_own_pages_may_ask_and_nobody_gets_cross_origin_headers(server: Server) -> None:
    reply = server.ask("GET", "/v1/status", headers={"Origin": f"http://localhost:{server.port}"})
    assert reply.status == 200
    assert not [name for name in reply.headers if name.startswith("access-control")]
    preflight = server.ask("OPTIONS", "/v1/runs", headers={"Origin": f"http://localhost:{server.port}"})
    assert preflight.status == 405
    assert not [name for name in preflight.headers if name.startswith("access-control")]


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", None, "json"]
)
def test_what_a_form_can_send_is_no_request(server: Server, kind: str | None) -> None:
    body = {"runs": [{"name": "a", "command": "true", "workdir": "/"}]}
    reply = server.ask("POST", "/v1/runs", body, headers={"Content-Type": kind})
    assert reply.status == 415


@pytest.mark.parametrize("host", ["0.0.0.0", "::"])
def test_an_address_that_others_reach_must_be_insisted_upon(tmp_path: Path, host: str) -> None:
    process = launch(tmp_path / "home", host=host)
    out, complaint = process.communicate(timeout=30)
    assert process.returncode == 2
    assert "--insecure-bind" in complaint
    assert out == ""
    assert not (tmp_path / "home").exists()


def test_insisted_upon_it_serves_literal_addresses_but_no_foreign_names(tmp_path: Path) -> None:
    with serving(tmp_path / "home", "--insecure-bind", host="0.0.0.0") as server:
        assert server.ask("GET", "/v1/status", headers={"Host": f"10.1.2.3:{server.port}"}).status == 200
        assert server.ask("GET", "/v1/status", headers={"Host": f"evil.example:{server.port}"}).status == 403
        assert server.ask("GET", "/v1/status", headers={"X-Auth-Token": None}).status == 401


def test_a_port_in_use_is_told_before_anything_happens(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        process = launch(tmp_path / "home", port=port)
        _, complaint = process.communicate(timeout=30)
    assert process.returncode == 2
    assert f"port {port}" in complaint
    assert "in use" in complaint
    assert not (tmp_path / "home").exists()


def test_trusting_loopback_asks_nobody_here_for_a_token_but_checks_one_that_comes(tmp_path: Path) -> None:
    with serving(tmp_path / "home", "--trust-loopback") as server:
        assert server.ask("GET", "/v1/status", headers={"X-Auth-Token": None}).status == 200
        assert server.ask("GET", "/v1/status", headers={"X-Auth-Token": "wrong"}).status == 401
        assert server.ask("GET", "/v1/status", headers={"X-Auth-Token": None, "Host": "evil.example"}).status == 403
        assert server.ask("GET", "/v1/status", headers={"X-Auth-Token": None, "Origin": "http://evil"}).status == 403
