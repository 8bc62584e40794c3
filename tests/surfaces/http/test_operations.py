"""Every operation of the table, over HTTP."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import overnight
from overnight.service.routes import ROUTES
from tests.surfaces.http.harness import Server, poll

FILE = """
campaign: over-http
workdir: {folder}
sweeps:
  first:
    grid: {{seed: [1, 2]}}
    name: first-${{seed}}
    command: echo seed ${{seed}}
  broken:
    name: broken
    command: exit 3
"""


@pytest.fixture(scope="module")
def campaign(server: Server, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A campaign that has settled: two runs succeeded, one failed."""
    folder = tmp_path_factory.mktemp("work")
    body = {"file": FILE.format(folder=folder), "path": "c.yaml", "directory": str(folder)}
    reply = server.ask("POST", "/v1/campaigns", body)
    assert reply.status == 201, reply.body
    name = str(reply.json["campaign"]["id"])
    poll(lambda: server.ask("GET", f"/v1/things/{name}").json["state"] == "failed")
    return name


def first_run(server: Server, campaign: str, state: str = "succeeded") -> str:
    listed = server.ask("GET", f"/v1/runs?campaign={campaign}").json["runs"]
    return str(next(run["id"] for run in listed if run["state"] == state))


def test_health_tells_the_version(server: Server) -> None:
    assert server.ask("GET", "/health").json == {"status": "ok", "version": overnight.__version__}


def test_plan_shows_the_cells_and_changes_nothing(server: Server, tmp_path: Path) -> None:
    before = server.ask("GET", "/v1/status").json["last_event"]
    body = {"file": FILE.format(folder=tmp_path).replace("over-http", "planned"), "directory": str(tmp_path)}
    planned = server.ask("POST", "/v1/plan", body)
    assert planned.status == 200
    assert [cell["id"] for cell in planned.json["cells"]] == ["first-1", "first-2", "broken"]
    kinds = [event["kind"] for event in server.ask("GET", f"/v1/events?after={before}").json["events"]]
    assert not [kind for kind in kinds if kind.startswith("campaign")]


def test_a_refused_file_comes_with_all_its_problems_and_their_lines(server: Server, tmp_path: Path) -> None:
    text = "campaign: x\nworkdir: /\nsweeps:\n  a:\n    comand: 1\n  b:\n    command: [1, {}]\n    gpus: many\n"
    reply = server.ask("POST", "/v1/campaigns", {"file": text, "path": "bad.yaml", "directory": str(tmp_path)})
    assert reply.status == 422
    problem = reply.json
    assert (problem["code"], problem["status"], problem["place"]) == ("invalid_file", 422, "bad.yaml")
    assert len(problem["problems"]) >= 2
    assert {found["line"] for found in problem["problems"]} >= {5}


def test_listings_and_things_agree(server: Server, campaign: str) -> None:
    listed = server.ask("GET", "/v1/campaigns").json["campaigns"]
    assert [it["name"] for it in listed if it["id"] == campaign] == ["over-http"]
    shown = server.ask("GET", f"/v1/things/{campaign}").json
    assert shown["counts"]["succeeded"] == 2
    assert shown["counts"]["failed"] == 1
    assert server.ask("GET", "/v1/things/over-http").json["id"] == campaign
    sweep = shown["sweeps"][0]["id"]
    assert len(server.ask("GET", f"/v1/runs?sweep={sweep}&limit=1").json["runs"]) == 1
    assert server.ask("GET", f"/v1/things/{sweep}").json["kind"] == "sweep"


def test_log_events_and_explanation_of_a_run(server: Server, campaign: str) -> None:
    run = first_run(server, campaign)
    log = server.ask("GET", f"/v1/runs/{run}/log?attempt=1&offset=0").json
    assert "seed" in log["content"]
    assert log["done"] is True
    about = server.ask("GET", f"/v1/events?subject={run}").json["events"]
    assert about
    assert {event["subject"] for event in about} == {run}
    assert server.ask("GET", f"/v1/things/{first_run(server, campaign, 'failed')}/explanation").json["reason"]


def test_summary_report_and_comparison(server: Server, campaign: str) -> None:
    assert server.ask("GET", f"/v1/campaigns/{campaign}/summary").json["counts"]["total"] == 3
    report = server.ask("GET", f"/v1/campaigns/{campaign}/report?format=markdown")
    assert report.status == 200
    pair = f"first={first_run(server, campaign)}&second={first_run(server, campaign, 'failed')}"
    assert server.ask("GET", f"/v1/comparison?{pair}").status == 200


def test_retry_pause_resume_and_cancel(server: Server, campaign: str) -> None:
    assert server.ask("POST", f"/v1/things/{campaign}/pause").json["paused"] is True
    assert server.ask("POST", f"/v1/things/{campaign}/retry", {"failed": True}).json["retried"] == 1
    held = [run["state"] for run in server.ask("GET", f"/v1/runs?campaign={campaign}").json["runs"]]
    assert "queued" in held
    assert server.ask("POST", f"/v1/things/{campaign}/cancel", {}).json["cancelled"] == 1
    assert server.ask("POST", f"/v1/things/{campaign}/resume").json["paused"] is False
    poll(lambda: server.ask("GET", f"/v1/things/{campaign}").json["counts"]["cancelled"] == 1)
    again = server.ask("POST", f"/v1/things/{campaign}/retry", {"failed": True})
    assert (again.status, again.json["code"]) == (409, "conflict")


def test_doctor_and_verification(server: Server, campaign: str) -> None:
    assert server.ask("GET", "/v1/doctor").json["checks"]
    assert server.ask("GET", "/v1/doctor?target=mars").status == 404
    verified = server.ask("GET", "/v1/verification").json
    assert verified["ok"] is True, verified["violations"]


def test_the_request_id_stands_in_the_events(server: Server) -> None:
    reply = server.ask(
        "POST",
        "/v1/runs",
        {"runs": [{"name": "traced", "command": "true", "workdir": "/"}]},
        headers={"X-Request-Id": "night-7"},
    )
    assert reply.headers["x-request-id"] == "night-7"
    events = server.ask("GET", f"/v1/events?subject={reply.json['ids'][0]}").json["events"]
    assert {event["request_id"] for event in events if event["actor"] == "admin"} <= {"night-7"}
    recent = server.ask("GET", "/v1/events?limit=1000").json["events"]
    assert "night-7" in {event["request_id"] for event in recent}


def test_an_odd_request_id_is_replaced(server: Server) -> None:
    reply = server.ask("GET", "/v1/status", headers={"X-Request-Id": "a b\t<script>"})
    assert reply.headers["x-request-id"].isalnum()


def test_ten_thousand_runs_in_one_request_are_all_there(server: Server) -> None:
    runs = [{"name": f"many-{number}", "command": "true", "workdir": "/", "gpus": 64} for number in range(10_000)]
    reply = server.ask("POST", "/v1/runs", {"runs": runs}, timeout=60)
    assert reply.status == 201
    ids = reply.json["ids"]
    assert len(set(ids)) == 10_000
    names = {server.ask("GET", f"/v1/things/{ids[place]}").json["name"] for place in (0, 4_999, 9_999)}
    assert names == {"many-0", "many-4999", "many-9999"}
    sweep = server.ask("GET", f"/v1/things/{ids[0]}").json["sweep_id"]
    assert server.ask("POST", f"/v1/things/{sweep}/cancel").json["cancelled"] == 10_000


def test_one_bad_run_among_many_refuses_them_all(server: Server) -> None:
    good = {"name": "good", "command": "true", "workdir": "/"}
    before = server.ask("GET", "/v1/status").json["last_event"]
    reply = server.ask("POST", "/v1/runs", {"runs": [good] * 50 + [{**good, "workdir": "relative"}]})
    assert reply.status == 422
    events = server.ask("GET", f"/v1/events?after={before}&limit=1000").json["events"]
    assert not [event for event in events if event["actor"] == "admin"]


def test_the_document_describes_every_operation_and_all_its_references_resolve(server: Server) -> None:
    document = server.ask("GET", "/openapi.json").json
    for route in ROUTES:
        described = document["paths"][route.path][route.method.lower()]
        assert described["operationId"] == route.name
        assert str(route.status) in described["responses"]
        headers = {parameter["name"] for parameter in described["parameters"] if parameter["in"] == "header"}
        assert ("Idempotency-Key" in headers) == route.changes
        paths = [parameter["name"] for parameter in described["parameters"] if parameter["in"] == "path"]
        assert paths == (["id"] if "{id}" in route.path else [])
    for reference in references(document):
        kind, name = reference.removeprefix("#/components/").split("/")
        assert name in document["components"][kind], reference
    page = server.ask("GET", "/docs")
    assert all(route.path.encode() in page.body for route in ROUTES)
    assert "default-src 'none'" in page.headers["content-security-policy"]


def references(node: Any) -> list[str]:
    if isinstance(node, dict):
        return [str(node["$ref"])] if "$ref" in node else [it for value in node.values() for it in references(value)]
    return [it for value in node for it in references(value)] if isinstance(node, list) else []
