"""W1–W9: what an agent does first, and who may ask."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from overnight.service.wild.routes import WILD_ROUTES
from tests.protocol.harness import Protocol

SECTION_2 = re.compile(r"^/(runs|sweeps|cluster|alerts|wild|prompt-skills)")


@pytest.mark.parametrize("path", ["/docs", "/openapi.json"])
def test_the_documentation_needs_no_token(wild: Protocol, path: str) -> None:
    assert wild.curl("GET", path, token=False).status == 200


def test_the_protocol_text_needs_no_token(wild: Protocol) -> None:
    reply = wild.curl("GET", "/prompt-skills/wild_v2_execution_ops_protocol", token=False)
    assert reply.status == 200
    assert reply.json["id"] == "wild_v2_execution_ops_protocol"
    assert reply.json["template"]


def test_an_unknown_skill_is_not_found(wild: Protocol) -> None:
    reply = wild.curl("GET", "/prompt-skills/nope", token=False)
    assert (reply.status, reply.detail) == (404, "Prompt skill 'nope' not found")


def test_health_shows_counts_only_without_a_token(wild: Protocol) -> None:
    reply = wild.curl("GET", "/wild/v2/system-health", token=False)
    assert reply.status == 200
    assert {"running", "queued", "completed", "failed", "total", "max_concurrent"} <= reply.json.keys()
    assert all(isinstance(value, int) and not isinstance(value, bool) for value in reply.json.values())


def test_the_document_has_every_route_and_both_schemes(wild: Protocol) -> None:
    document = wild.get("/openapi.json")
    for route in WILD_ROUTES:
        assert route.method.lower() in document["paths"][route.path], route
    for path in ("/runs/{id}/logs/stream", "/runs/{id}/sidecar-logs/stream"):
        assert "get" in document["paths"][path]
    schemes = list(document["components"]["securitySchemes"].values())
    assert {"type": "http", "scheme": "bearer"} in schemes
    assert any(it["type"] == "apiKey" and it["in"] == "header" and it["name"] == "X-Auth-Token" for it in schemes)


def test_every_route_of_the_protocol_is_served(wild: Protocol) -> None:
    """404 and 405 of the router itself would say that it is not there."""
    for route in WILD_ROUTES:
        path = re.sub(r"\{\w+\}", "ffffffffffff", route.path)
        reply = wild.curl(route.method, path, token=False)
        assert reply.status in ((200, 404, 422) if route.public else (401,)), (route, reply)


@pytest.mark.parametrize("headers", [{}, {"X-Auth-Token": "wrong"}, {"Authorization": "Bearer wrong"}])
def test_without_the_right_token_nothing_else_is_answered(wild: Protocol, headers: dict[str, str]) -> None:
    reply = wild.curl("GET", "/runs", headers=headers, token=False)
    assert (reply.status, reply.detail) == (401, "Unauthorized - invalid or missing X-Auth-Token")


def test_both_headers_carry_the_token(wild: Protocol) -> None:
    for headers in ({"X-Auth-Token": wild.token}, {"Authorization": f"Bearer {wild.token}"}):
        assert wild.curl("GET", "/runs", headers=headers, token=False).status == 200


def test_a_server_that_other_machines_reach_has_a_token_first(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    it = Protocol(home)
    with pytest.raises(AssertionError):
        it.up("--host", "0.0.0.0")
    it.down()
    it.up("--host", "0.0.0.0", "--insecure-bind")
    try:
        assert len(it.token) >= 40
        assert it.curl("GET", "/runs", token=False).status == 401
        assert it.curl("GET", "/runs").status == 200
    finally:
        it.down()


def test_a_foreign_page_is_refused(wild: Protocol) -> None:
    asked = {"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"}
    assert wild.curl("OPTIONS", "/runs", headers=asked).status >= 400
    reply = wild.curl("POST", "/runs", {"name": "x", "command": "true"}, headers={"Origin": "https://evil.example"})
    assert reply.status == 403
    assert "access-control-allow-origin" not in reply.headers


def test_runs_and_sweeps_are_not_deleted(wild: Protocol) -> None:
    run, sweep = wild.run("true"), wild.post("/sweeps/wild", {})
    assert wild.curl("DELETE", f"/runs/{run['id']}").status == 405
    assert wild.curl("DELETE", f"/sweeps/{sweep['id']}").status == 405


def test_internal_skills_cannot_be_deleted(wild: Protocol) -> None:
    assert wild.curl("DELETE", "/prompt-skills/wild_v2_execution_ops_protocol").status == 403


@pytest.mark.parametrize("body", ["{", '{"name": "x"', "\xff", "[]", "null", '"text"'])
def test_a_body_that_is_no_object_is_unprocessable(wild: Protocol, body: str) -> None:
    reply = wild.curl("POST", "/runs", body)
    assert reply.status == 422, reply
    assert isinstance(reply.detail, list)
    assert {"type", "loc", "msg"} <= reply.detail[0].keys()
