"""The Wild V2 protocol as HTTP speaks it: tokens, errors, bodies, cursors. Source: the protocol, 2.1."""

from __future__ import annotations

import json
import os
import random
from collections.abc import Iterator
from typing import Any

import pytest

from overnight.service.wild.routes import WILD_ROUTES
from tests.surfaces.http.harness import Reply, Server, poll, serving

UNAUTHORIZED = {"detail": "Unauthorized - invalid or missing X-Auth-Token"}
STREAMS = [("GET", "/runs/{id}/logs/stream"), ("GET", "/runs/{id}/sidecar-logs/stream")]
PROTECTED = [*((it.method, it.path) for it in WILD_ROUTES if not it.public), *STREAMS]
PUBLIC = ["/docs", "/openapi.json", "/health", "/wild/v2/system-health"]
RUN = {"name": "one", "command": "true"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(tmp_path_factory.mktemp("home")) as running:
        yield running


def create(server: Server, **fields: Any) -> str:
    reply = server.ask("POST", "/runs", {**RUN, **fields})
    assert reply.status == 200, reply.body
    return str(reply.json["id"])


def details(reply: Reply) -> list[dict[str, Any]]:
    """The validation errors of a refused request."""
    assert reply.status == 422, reply.body[:300]
    found: list[dict[str, Any]] = reply.json["detail"]
    assert all(it.keys() == {"type", "loc", "msg", "input"} for it in found)
    return found


@pytest.mark.parametrize("path", PUBLIC)
def test_the_preflight_needs_no_token(server: Server, path: str) -> None:
    """W1, W4."""
    assert server.ask("GET", path, headers={"X-Auth-Token": None}).status == 200


def test_public_health_holds_whole_numbers_alone(server: Server) -> None:
    """W4, W65."""
    found = server.ask("GET", "/wild/v2/system-health", headers={"X-Auth-Token": None}).json
    assert {"running", "queued", "completed", "failed", "total", "max_concurrent"} <= found.keys()
    assert all(type(it) is int for it in found.values())


def test_the_protocol_itself_is_read_without_a_token(server: Server) -> None:
    """W2, W3."""
    found = server.ask("GET", "/prompt-skills/wild_v2_execution_ops_protocol", headers={"X-Auth-Token": None})
    assert (found.status, found.json["id"]) == (200, "wild_v2_execution_ops_protocol")
    assert found.json["template"]
    missing = server.ask("GET", "/prompt-skills/nope", headers={"X-Auth-Token": None})
    assert (missing.status, missing.json) == (404, {"detail": "Prompt skill 'nope' not found"})


@pytest.mark.parametrize(("method", "path"), PROTECTED)
def test_everything_else_answers_401_in_the_words_of_the_protocol(server: Server, method: str, path: str) -> None:
    """W6."""
    target = path.replace("{id}", "abc").replace("{path}", "a/b")
    body = {} if method in ("POST", "PUT") else None
    for token in (None, "wrong", server.token[:-1]):
        reply = server.ask(method, target, body, headers={"X-Auth-Token": token})
        assert (reply.status, reply.json) == (401, UNAUTHORIZED)


@pytest.mark.parametrize("method", ["DELETE", "PATCH", "OPTIONS", "PUT"])
def test_methods_that_are_not_there_need_the_token_too(server: Server, method: str) -> None:
    assert server.ask(method, "/runs", headers={"X-Auth-Token": None}).json == UNAUTHORIZED


def test_the_token_is_taken_from_both_headers(server: Server) -> None:
    """W7."""
    assert server.ask("GET", "/runs").status == 200
    bearer = {"X-Auth-Token": None, "Authorization": f"Bearer {server.token}"}
    assert server.ask("GET", "/runs", headers=bearer).status == 200


def test_a_page_of_another_origin_may_neither_ask_beforehand_nor_ask(server: Server) -> None:
    """W9."""
    foreign = {"Origin": "http://evil.example", "Access-Control-Request-Method": "POST"}
    preflight = server.ask("OPTIONS", "/runs", headers=foreign)
    assert preflight.status == 403
    assert not [name for name in preflight.headers if name.startswith("access-control")]
    assert server.ask("POST", "/runs", RUN, headers={"Origin": "http://evil.example"}).status == 403
    assert server.ask("GET", "/runs", headers={"Host": "evil.example"}).status == 403


def test_a_wild_sweep_wants_a_body_but_nothing_in_it(server: Server) -> None:
    """W11, W12."""
    assert details(server.ask("POST", "/sweeps/wild"))[0]["loc"] == ["body"]
    made = server.ask("POST", "/sweeps/wild", {})
    assert (made.status, made.json["name"], made.json["goal"]) == (200, "Wild Loop Sweep", "")


def test_a_missing_field_is_named(server: Server) -> None:
    """W13, W25."""
    found = details(server.ask("POST", "/runs", {"name": "x"}))
    assert [(it["type"], it["loc"]) for it in found] == [("missing", ["body", "command"])]
    missing = {tuple(it["loc"]) for it in details(server.ask("POST", "/sweeps", {"name": "x"}))}
    assert missing == {("body", "base_command"), ("body", "parameters")}


@pytest.mark.parametrize(
    ("field", "value"), [("retries", -2), ("retry_delay_seconds", 0), ("retry_delay_seconds", 601), ("enabled", "eh")]
)
def test_each_wrong_setting_of_gpuwrap_is_named(server: Server, field: str, value: object) -> None:
    """W31."""
    found = details(server.ask("POST", "/runs", {**RUN, "gpuwrap_config": {field: value}}))
    assert found[0]["loc"] == ["body", "gpuwrap_config", field]


@pytest.mark.parametrize(
    "target", ["/runs?limit=-1", "/runs?limit=10001", "/runs?limit=many", "/runs?archived=perhaps"]
)
def test_a_wrong_parameter_is_named(server: Server, target: str) -> None:
    """W44."""
    assert details(server.ask("GET", target))[0]["loc"][0] == "query"


def test_a_parameter_beside_a_body_is_wanted_where_the_protocol_says_so(server: Server) -> None:
    """W43."""
    run = create(server)
    assert details(server.ask("POST", f"/runs/{run}/add-to-sweep"))[0]["loc"] == ["query", "sweep_id"]
    assert server.ask("POST", f"/runs/{run}/add-to-sweep?sweep_id=nope").status == 404
    assert details(server.ask("POST", "/sweeps/nope/start?parallel=0"))[0]["loc"] == ["query", "parallel"]


def test_unknown_fields_are_left_out_and_named_and_unknown_parameters_are_nothing(server: Server) -> None:
    reply = server.ask("POST", "/runs?nonsense=1", {**RUN, "commnad": "rm", "auto-start": True})
    assert reply.status == 200
    assert reply.json["warnings"] == ["unknown field 'commnad' was ignored", "unknown field 'auto-start' was ignored"]
    assert "warnings" not in server.ask("POST", "/runs", RUN).json
    assert server.ask("GET", "/runs?nonsense=1&limit=0").json == []
    many = {**RUN, **{f"field{number}": 1 for number in range(1_000)}}
    assert len(server.ask("POST", "/runs", many).json["warnings"]) == 21


@pytest.mark.parametrize("word", ["yes", "true", "on", "1", 1])
def test_words_that_mean_yes_are_taken(server: Server, word: object) -> None:
    run = server.ask("POST", "/runs", {**RUN, "auto_start": word}).json["id"]
    poll(lambda: server.ask("GET", f"/runs/{run}").json["status"] == "finished")


@pytest.mark.parametrize(
    ("method", "path"), [("DELETE", "/runs/{id}"), ("DELETE", "/sweeps/{id}"), ("PATCH", "/runs/{id}")]
)
def test_nothing_is_deleted(server: Server, method: str, path: str) -> None:
    reply = server.ask(method, path.replace("{id}", create(server)))
    assert (reply.status, reply.headers["allow"]) == (405, "GET, PUT")
    assert isinstance(reply.json["detail"], str)


@pytest.mark.parametrize("path", ["/chat", "/models", "/sessions", "/git/status", "/wild-mode", "/runs/a/b/c/d", "/"])
def test_what_is_not_offered_is_not_found(server: Server, path: str) -> None:
    assert server.ask("GET", path).status == 404


def test_head_is_get_without_the_body(server: Server) -> None:
    reply = server.ask("HEAD", f"/runs/{create(server)}")
    assert (reply.status, reply.body) == (200, b"")
    assert int(reply.headers["content-length"]) > 100
    assert server.ask("HEAD", f"/runs/{create(server)}/logs/stream").status == 405


def test_segments_that_are_written_out_go_before_ids(server: Server) -> None:
    made = server.ask("POST", "/sweeps/wild", {}).json
    assert made["is_wild"] is True
    assert server.ask("GET", "/sweeps/wild").json == {"detail": "Sweep not found: wild"}


def test_a_key_means_one_request(server: Server) -> None:
    """W78."""
    key = {"Idempotency-Key": "one"}
    first, again = (server.ask("POST", "/runs", RUN, headers=key) for _ in range(2))
    assert (first.status, again.status, first.json) == (200, 200, again.json)
    assert again.headers["idempotency-replayed"] == "true"
    other = server.ask("POST", "/runs", {**RUN, "name": "other"}, headers=key)
    assert other.status == 409
    assert isinstance(other.json["detail"], str)


def test_following_the_cursor_shows_each_run_once_while_others_are_added(server: Server) -> None:
    """W44, W45."""
    sweep = server.ask("POST", "/sweeps/wild", {}).json["id"]
    made = [create(server, sweep_id=sweep, name=f"run {number}") for number in range(11)]
    target, seen = f"/runs?sweep_id={sweep}&status=ready&limit=3", []
    reply = server.ask("GET", target)
    while True:
        seen += [it["id"] for it in reply.json]
        create(server, sweep_id=sweep)
        cursor = reply.headers.get("x-next-cursor")
        if cursor is None:
            break
        reply = server.ask("GET", f"{target}&cursor={cursor}")
    assert seen == made[::-1]
    assert len(server.ask("GET", "/runs").json) <= 100


def test_a_stop_is_answered_when_the_run_is_gone(server: Server) -> None:
    trap = "trap 'sleep 0.5; exit 0' TERM; echo pid $$; while :; do sleep 0.05; done"
    run = create(server, command=trap, auto_start=True)
    said = poll(lambda: server.ask("GET", f"/runs/{run}/logs").json["content"])
    pid = said.split()[-1]
    assert os.path.exists(f"/proc/{pid}")
    assert server.ask("POST", f"/runs/{run}/stop").status == 200
    assert server.ask("GET", f"/runs/{run}").json["status"] == "stopped"
    assert not os.path.exists(f"/proc/{pid}")
    again = server.ask("POST", f"/runs/{run}/stop")
    assert (again.status, again.json) == (400, {"detail": "Run is not active (status: stopped)"})


def test_stopping_what_never_ran_needs_no_wait(server: Server) -> None:
    """W37."""
    assert server.ask("POST", f"/runs/{create(server)}/stop").json == {"message": "Run stopped"}
    assert server.ask("POST", "/runs/nope/stop").json == {"detail": "Run not found"}


BODIES: dict[str, bytes] = {
    "nothing where fields are needed": b"",
    "null": b"null",
    "a list": b"[]",
    "a number": b"7",
    "half an object": b'{"name": "x", "command": "tr',
    "no UTF-8": b'{"name": "\xff\xfe", "command": "true"}',
    "UTF-16": json.dumps(RUN).encode("utf-16"),
    "half a surrogate pair": b'{"name": "\\ud800", "command": "true"}',
    "a NUL": b'{"name": "a\\u0000b", "command": "true"}',
    "a NUL deep inside": b'{"name": "a", "command": "true", "gpuwrap_config": {"enabled": "\\u0000"}}',
    "brackets without end": b"[" * 100_000,
    "objects without end": b'{"a":' * 100_000,
    "a number of 5,000 digits": b'{"name": "a", "command": "true", "x": ' + b"9" * 5_000 + b"}",
    "a number beyond floats": b'{"name": "a", "command": "true", "x": 1e999}',
    "NaN": b'{"name": "a", "command": "true", "x": NaN}',
    "a huge number of retries": b'{"name": "a", "command": "true", "gpuwrap_config": {"retries": 1e300}}',
    "a command that is a list": b'{"name": "a", "command": ["true"]}',
    "a command that is blank": b'{"name": "a", "command": " \\n "}',
    "a command too long": json.dumps({"name": "a", "command": "x" * (1024 * 1024 + 1)}).encode(),
    "a body too large": b" " * (8 * 1024 * 1024 + 1),
    "two bodies": json.dumps(RUN).encode() * 2,
}


@pytest.mark.parametrize("name", BODIES)
def test_bad_bodies_are_the_askers_fault(server: Server, name: str) -> None:
    for path in ("/runs", "/sweeps"):
        reply = server.ask("POST", path, BODIES[name])
        assert reply.status in (413, 422), (path, reply.status, reply.body[:300])
        assert reply.headers["content-type"] == "application/json"
        assert reply.json["detail"]
        assert len(reply.body) < 10_000


def test_json_that_is_none_is_told_as_such(server: Server) -> None:
    for body in (b"{", b'{"a": 1,}', b"nope"):
        found = details(server.ask("POST", "/runs", body))
        assert (found[0]["type"], found[0]["loc"][0]) == ("json_invalid", "body")


def test_of_two_equal_names_the_last_one_counts(server: Server) -> None:
    reply = server.ask("POST", "/runs", b'{"name": "first", "command": "true", "name": "second"}')
    assert reply.json["name"] == "second"


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", None])
def test_what_a_form_can_send_is_no_request(server: Server, kind: str | None) -> None:
    reply = server.ask("POST", "/runs", RUN, headers={"Content-Type": kind})
    assert (reply.status, list(reply.json)) == (415, ["detail"])


@pytest.mark.parametrize(
    "path", ["/runs/%00", "/runs/%ff", "/runs/%ff/logs", "/runs/a%2Fb", "/sweeps/%00", "/runs/" + "x" * 300]
)
def test_odd_ids_are_refused_or_not_found(server: Server, path: str) -> None:
    reply = server.ask("GET", path)
    assert reply.status in (404, 422)
    assert reply.json["detail"]


def test_a_thousand_random_requests_meet_no_defect(server: Server) -> None:
    """Every operation of the protocol, whatever is sent to it; the seed is in the message."""
    statuses: dict[int, int] = {}
    for seed in range(1_000):
        method, path, body = invented(random.Random(seed))
        reply = server.ask(method, path, body, headers={"Content-Type": "application/json"})
        statuses[reply.status] = statuses.get(reply.status, 0) + 1
        assert reply.status < 500, (seed, method, path, body, reply.body)
    assert statuses.get(404, 0) > 100, statuses
    assert statuses.get(422, 0) > 100, statuses


def invented(rng: random.Random) -> tuple[str, str, bytes | None]:
    route = rng.choice([it for it in WILD_ROUTES if it.name != "detect_cluster"])
    path = route.path.replace("{id}", rng.choice(["abc", "000000000000", "%F0%9F%9A%80", "-1"]))
    path = path.replace("{path}", rng.choice(["a", "../../token", "%2e%2e/token", "a//b"]))
    names = ["limit", "offset", "status", "cursor", "archived", "sweep_id", "parallel", "q", "chat_session_id", "wat"]
    if rng.random() < 0.5:
        path += "?" + "&".join(
            f"{name}={rng.choice(['1', '-1', '', 'x', '1e9', '%00', 'ready'])}" for name in rng.sample(names, 2)
        )
    if route.method in ("GET", "DELETE"):
        return route.method, path, None
    fields = ["name", "command", "workdir", "status", "rows", "message", "choices", "choice", "parameters", "type"]
    fields += ["base_command", "max_runs", "goal", "event_ids", "exit_code", "severity", "gpu_count", "template", "id"]
    values = [None, True, 0, -1, 2**63, 1.5, "", "x", "running", [], [1], ["a"], {}, {"a": [1]}, [{"step": 1}]]
    body = {name: rng.choice(values) for name in rng.sample(fields, rng.choice([0, 2, 5, 9]))}
    return route.method, path, json.dumps(body).encode()
