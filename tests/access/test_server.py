"""Tokens at a running server: from their first request to their last, and those of jobs."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from overnight.domain.errors import Denied, LimitExceeded
from overnight.surfaces.client import Client
from tests.surfaces.http.harness import Reply, Server, poll, serving

LIMITS = "[limits]\nrequests_per_second = 2.0\nburst = 40\nstreams = 3\ncells = 5\n"
NONE: dict[str, str | None] = {"X-Auth-Token": None}
ASK = """
import json, os, pathlib, sys, urllib.request

def ask(path, body=None, method=None):
    request = urllib.request.Request(os.environ["OVERNIGHT_URL"] + path, body and json.dumps(body).encode(),
        {"X-Auth-Token": os.environ["OVERNIGHT_TOKEN"], "Content-Type": "application/json"}, method=method)
    try:
        return urllib.request.urlopen(request).status
    except urllib.error.HTTPError as error:
        return error.code

own = os.environ["OVERNIGHT_RUN_ID"]
found = {
    "own": ask("/runs/" + own),
    "own native": ask("/v1/things/" + own),
    "metrics": ask("/runs/" + own + "/metrics", {"rows": [{"loss": 1.0}]}),
    "other": ask("/runs/" + sys.argv[1]),
    "stop itself": ask("/runs/" + own + "/stop", method="POST"),
    "create": ask("/runs", {"name": "n", "command": "true"}),
    "token": os.environ["OVERNIGHT_TOKEN"],
}
pathlib.Path(sys.argv[2] + ".new").write_text(json.dumps(found))
os.rename(sys.argv[2] + ".new", sys.argv[2])
while not os.path.exists(sys.argv[2] + ".end"):
    pathlib.Path("/dev/null").read_bytes()
    import time; time.sleep(0.05)
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    home = tmp_path_factory.mktemp("home")
    (home / "config.toml").write_text(LIMITS)
    with serving(home) as running:
        yield running


def token(server: Server, name: str, role: str = "agent", **fields: Any) -> str:
    reply = server.ask("POST", "/v1/tokens", {"name": name, "role": role, **fields})
    assert reply.status == 201, reply.body
    return str(reply.json["secret"])


def asked(server: Server, secret: str, method: str, path: str, body: object | None = None, **headers: str) -> Reply:
    return server.ask(method, path, body, headers={"X-Auth-Token": secret, **headers})


def test_a_token_is_taken_from_either_header_and_only_with_a_right_companion(server: Server) -> None:
    ann, bob = token(server, "ann"), token(server, "bob")
    assert asked(server, ann, "GET", "/v1/whoami").json["actor"] == "ann"
    bearer = {**NONE, "Authorization": f"Bearer {bob}"}
    assert server.ask("GET", "/v1/whoami", headers=bearer).json["actor"] == "bob"
    assert asked(server, ann, "GET", "/v1/whoami", Authorization=f"Bearer {ann}").status == 200
    assert asked(server, ann, "GET", "/v1/whoami", Authorization=f"Bearer {bob}").status == 401
    assert asked(server, ann, "GET", "/v1/whoami", Authorization="Bearer wrong").status == 401


def test_the_homes_token_may_everything(server: Server) -> None:
    assert server.ask("GET", "/v1/whoami").json["role"] == "admin"


def test_a_refused_verb_is_403_with_a_code_in_both_dialects(server: Server) -> None:
    vera = token(server, "vera", "viewer")
    native = asked(server, vera, "POST", "/v1/things/abc/cancel")
    assert (native.status, native.json["code"]) == (403, "denied")
    wild = asked(server, vera, "POST", "/runs", {"name": "n", "command": "true"})
    assert wild.status == 403
    assert isinstance(wild.json["detail"], str)


def test_a_revoked_token_is_refused_at_the_next_request_and_after_a_restart(tmp_path: Path) -> None:
    with serving(tmp_path) as server:
        ann, bob = token(server, "ann"), token(server, "bob")
        assert asked(server, ann, "GET", "/v1/status").status == 200
        server.ask("POST", "/v1/tokens/ann/revoke")
        assert asked(server, ann, "GET", "/v1/status").status == 401
        server.stop()
    with serving(tmp_path) as server:
        assert asked(server, ann, "GET", "/v1/status").status == 401
        assert asked(server, bob, "GET", "/v1/status").status == 200


def test_no_secret_is_in_any_file_of_the_home_but_the_first_tokens(server: Server) -> None:
    secret = token(server, "sam", "operator")
    asked(server, secret, "POST", "/v1/runs", {"runs": [{"name": "one", "command": "true", "workdir": "/"}]})
    for path in server.home.rglob("*"):
        if path.is_file():
            data = path.read_bytes()
            assert secret.encode() not in data, path
            assert server.token.encode() not in data or path.name == "token", path
    assert (server.home / "attempt.key").stat().st_mode & 0o777 == 0o600


def test_too_many_requests_are_told_when_to_come_back_and_hinder_nobody_else(server: Server) -> None:
    fast = token(server, "fast")
    replies = [asked(server, fast, "GET", "/v1/whoami") for _ in range(60)]
    refused = [it for it in replies if it.status == 429]
    assert refused
    assert {it.status for it in replies} == {200, 429}
    assert refused[0].json["code"] == "limit_exceeded"
    assert int(refused[0].headers["retry-after"]) >= 1
    assert asked(server, fast, "GET", "/runs").json["detail"]
    assert asked(server, token(server, "slow"), "GET", "/v1/whoami").status == 200
    assert all(server.ask("GET", "/v1/whoami").status == 200 for _ in range(60))


def test_the_client_waits_as_long_as_it_is_told(server: Server) -> None:
    client = Client(server.url, token(server, "patient"))
    assert {client.call("whoami")["actor"] for _ in range(43)} == {"patient"}


def test_a_token_has_only_so_many_streams_open(server: Server) -> None:
    nosy = token(server, "nosy")
    with ExitStack() as stack:
        for _ in range(3):
            assert _stream(server, nosy, stack).startswith(b"HTTP/1.1 200")
        fourth = asked(server, nosy, "GET", "/v1/events/stream")
        assert (fourth.status, fourth.json["code"]) == (429, "limit_exceeded")
        assert asked(server, nosy, "GET", "/v1/events?after=999999&wait=5").status == 429
        assert asked(server, nosy, "GET", "/v1/whoami").status == 200
        assert _stream(server, server.token, stack).startswith(b"HTTP/1.1 200")
    poll(lambda: asked(server, nosy, "GET", "/v1/events?after=0&wait=5").status == 200)


def test_streams_of_a_token_end_with_it(server: Server) -> None:
    gone = token(server, "gone")
    with ExitStack() as stack:
        connection = stack.enter_context(socket.create_connection(("127.0.0.1", server.port), timeout=10))
        connection.sendall(_head(server, gone))
        assert connection.recv(4096).startswith(b"HTTP/1.1 200")
        server.ask("POST", "/v1/tokens/gone/revoke")
        received = b""
        while part := connection.recv(4096):
            received += part
            if b"event: problem" in received:
                break
    assert b"counts no more" in received


@pytest.mark.parametrize(
    "path", ["/v1/events/stream", "/v1/events?after=9999999&wait=100", "/v1/runs/{run}/log/stream"]
)
def test_streams_and_waiting_requests_end_with_the_time_of_their_token(server: Server, path: str) -> None:
    run = server.run(gpus=64)
    short = token(server, f"short-{len(path)}", expires_in=1.0)
    head = _head(server, short, path.format(run=run))
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        connection.sendall(head)
        received = b""
        while b"counts no more" not in received:
            part = connection.recv(4096)
            assert part, received
            received += part


def _stream(server: Server, secret: str, stack: ExitStack) -> bytes:
    connection = stack.enter_context(socket.create_connection(("127.0.0.1", server.port), timeout=10))
    connection.sendall(_head(server, secret))
    return connection.recv(4096)


def _head(server: Server, secret: str, path: str = "/v1/events/stream") -> bytes:
    head = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\nX-Auth-Token: {secret}\r\n\r\n"
    return head.encode()


def test_one_request_creates_only_so_many_runs(server: Server) -> None:
    gina = token(server, "gina")
    one = {"name": "one", "command": "true", "workdir": "/", "gpus": 64}
    many = asked(server, gina, "POST", "/v1/runs", {"runs": [one] * 6})
    assert (many.status, many.json["code"]) == (429, "limit_exceeded")
    assert "retry-after" not in many.headers
    assert asked(server, gina, "POST", "/v1/runs", {"runs": [one] * 5}).status == 201
    assert server.ask("POST", "/v1/runs", {"runs": [one] * 6}).status == 201
    grid = {"name": "g", "base_command": "true", "parameters": {"a": [1, 2, 3, 4, 5, 6]}, "max_runs": 6}
    assert asked(server, gina, "POST", "/sweeps", grid).status == 429
    assert asked(server, gina, "POST", "/sweeps", {**grid, "max_runs": 5}).status == 200
    file = "campaign: c\nsweeps:\n  one:\n    grid: {a: [1, 2, 3, 4, 5, 6]}\n    command: 'true ${a}'\n"
    campaign = {"file": file, "directory": str(server.home)}
    assert asked(server, gina, "POST", "/v1/campaigns", campaign).json["code"] == "limit_exceeded"


def test_the_client_does_not_wait_where_waiting_does_not_help(server: Server) -> None:
    client = Client(server.url, token(server, "poor", budget=1))
    one = {"name": "one", "command": "true", "workdir": "/", "gpus": 64}
    client.call("submit_runs", runs=[one])
    with pytest.raises(LimitExceeded, match="budget"):
        client.call("submit_runs", runs=[one])
    with pytest.raises(Denied):
        client.call("create_token", name="x", role="viewer")


def test_loopback_is_trusted_as_an_agent_and_never_more(tmp_path: Path) -> None:
    with serving(tmp_path, "--trust-loopback") as server:
        assert server.ask("GET", "/v1/whoami", headers=NONE).json["role"] == "agent"
        tokens = server.ask("POST", "/v1/tokens", {"name": "x", "role": "viewer"}, headers=NONE)
        assert (tokens.status, tokens.json["code"]) == (403, "denied")
        assert server.ask("POST", "/cluster", {"type": "slurm"}, headers=NONE).status == 403
        assert server.ask("GET", "/v1/tokens", headers=NONE).status == 403
        assert server.ask("GET", "/v1/whoami", headers={"X-Auth-Token": "wrong"}).status == 401
        for name, value in (("X-Forwarded-For", "10.0.0.1"), ("Forwarded", "for=x"), ("Sec-Fetch-Site", "cross-site")):
            assert server.ask("GET", "/v1/whoami", headers={**NONE, name: value}).status == 401, name


def test_a_server_for_other_machines_makes_a_token_before_it_answers(tmp_path: Path) -> None:
    with serving(tmp_path, "--insecure-bind", host="0.0.0.0") as server:
        assert (tmp_path / "token").stat().st_mode & 0o777 == 0o600
        assert len(server.token) >= 43
        assert server.ask("GET", "/v1/status", headers=NONE).status == 401
        assert server.ask("GET", "/runs", headers=NONE).status == 401
        assert server.ask("GET", "/runs").status == 200
        foreign = server.ask("POST", "/runs", {}, headers={"Origin": "http://192.0.2.7"})
        assert (foreign.status, foreign.headers["x-error-code"]) == (403, "foreign_origin")
        assert server.ask("GET", "/runs", headers={"Origin": server.url}).status == 200


def test_a_job_reaches_its_own_run_while_it_lives(server: Server, tmp_path: Path) -> None:
    other = server.run(gpus=64)
    told = tmp_path / "told"
    run = server.run([sys.executable, "-c", ASK, other, str(told)])
    found = poll(lambda: told.exists() and json.loads(told.read_text()))
    secret = found.pop("token")
    assert found == {
        "own": 200, "own native": 200, "metrics": 200, "other": 404, "stop itself": 403, "create": 403,
    }  # fmt: skip
    assert asked(server, secret, "GET", f"/runs/{run}/logs").status == 200
    assert asked(server, secret, "GET", "/v1/whoami").json["run"] == run
    assert {it["id"] for it in asked(server, secret, "GET", "/runs").json} == {run}
    assert [it["id"] for it in asked(server, secret, "GET", "/v1/status").json["running"]] == [run]
    assert asked(server, secret[:-1] + ("0" if secret[-1] != "0" else "1"), "GET", "/v1/whoami").status == 401
    forged = secret.replace(run, other)
    assert asked(server, forged, "GET", "/v1/whoami").status == 401
    Path(f"{told}.end").touch()
    server.until(run, "succeeded")
    late = asked(server, secret, "GET", f"/runs/{run}")
    assert late.status == 403
    assert "has ended" in late.json["detail"]
    told_to_all = b"".join(
        server.ask("GET", path).body
        for path in (f"/v1/things/{run}", f"/v1/runs/{run}/log", "/v1/events?after=0&limit=10000", f"/runs/{run}")
    )
    assert secret.encode() not in told_to_all
    assert b"ovn-attempt-" not in told_to_all
    kept = [path for path in server.home.rglob("*") if path.is_file() and b"ovn-attempt-" in path.read_bytes()]
    assert kept == []


def test_the_tokens_of_jobs_are_in_no_command_line(server: Server, tmp_path: Path) -> None:
    end = tmp_path / "end"
    run = server.run(f"while ! test -e {end}; do sleep 0.05; done")
    server.until(run, "running")
    lines = [entry.joinpath("cmdline") for entry in Path("/proc").iterdir() if entry.name.isdigit()]
    told = b"".join(_read(path) for path in lines)
    end.touch()
    assert str(end).encode() in told
    assert b"ovn-attempt-" not in told
    server.until(run, "succeeded")


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


def test_a_job_sees_neither_the_servers_token_nor_the_homes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OVERNIGHT_TOKEN", "the-servers-own")
    with serving(tmp_path / "home") as server:
        run = server.run("env > seen; cat /proc/self/environ >> seen", workdir=str(tmp_path))
        server.until(run, "succeeded")
        seen = (tmp_path / "seen").read_text()
    assert f"OVERNIGHT_TOKEN=ovn-attempt-{run}.1-" in seen
    assert f"OVERNIGHT_URL={server.url}" in seen
    assert "the-servers-own" not in seen
    assert "OVERNIGHT_HOME" not in seen


@pytest.mark.parametrize("served", [True, False])
def test_the_command_makes_lists_and_revokes_with_a_server_and_without(tmp_path: Path, served: bool) -> None:
    with ExitStack() as stack:
        if served:
            stack.enter_context(serving(tmp_path))
        secret = overnight(tmp_path, "create", "ann", "--role", "agent", "--own", "--budget", "3", "--expires", "2d")
        assert secret.startswith("ovn_")
        listed = overnight(tmp_path, "ls")
        assert "ann" in listed
        assert "0 of 3" in listed
        assert "its own" in listed
        assert secret.strip() not in listed
        assert overnight(tmp_path, "revoke", "ann") == "token ann: revoked\n"


def overnight(home: Path, *arguments: str) -> str:
    command = [sys.executable, "-m", "overnight", "token", *arguments]
    environment = {"OVERNIGHT_HOME": str(home), "PATH": "/usr/bin:/bin"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout
