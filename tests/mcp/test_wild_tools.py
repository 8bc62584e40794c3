"""Operations of the Wild V2 protocol as tools: their answers keep to their schemas, what ends things asks twice."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from mcp import Client
from mcp_types import CallToolResult

from overnight.surfaces.mcp import tools
from tests.mcp.parts import error_of, values_of, with_client
from tests.mcp.test_http import http
from tests.surfaces.http.harness import Server, serving


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(tmp_path_factory.mktemp("home")) as running:
        yield running


def use(server: Server, name: str, /, **arguments: Any) -> CallToolResult:
    async def work(client: Client) -> CallToolResult:
        await client.list_tools()  # the client holds answers to the schemas that it has seen
        found = await client.call_tool(name, arguments)
        assert isinstance(found, CallToolResult)
        return found

    return with_client(http(server), work)


def made(server: Server, **fields: Any) -> tuple[str, str]:
    """A sweep and a run in it."""
    sweep = values_of(use(server, "create_wild_sweep", chat_session_id="c"))["id"]
    run = values_of(use(server, "create_sweep_run", id=sweep, name="one", command="sleep 60", **fields))["id"]
    return sweep, run


def test_every_tool_that_looks_answers_in_the_shape_that_it_declares(server: Server) -> None:
    sweep, run = made(server)
    session = values_of(use(server, "start_session", goal="g", chat_session_id="c"))["session_id"]
    skill = "wild_v2_execution_ops_protocol"
    ids = {"/runs/": run, "/sweeps/": sweep, "/wild/v2/": session, "/prompt-skills/": skill, "/v1/campaigns/": sweep}
    more: dict[str, dict[str, Any]] = {
        "compare": {"first": run, "second": run},
        "search_skills": {"q": "sweep"},
        "get_skill_file": {"path": "SKILL.md"},
        "plan": {"file": "campaign: x\nsweeps: {a: {command: 'true'}}", "directory": "/"},
        "convert": {"file": "campaign: x\nsweeps: {a: {command: 'true'}}", "directory": "/"},
        "wait": {"wait": 0},
    }
    looking = {name: it for name, it in tools.reachable().items() if not it.changes}

    async def work(client: Client) -> dict[str, Any]:
        await client.list_tools()
        answers = {}
        for name, operation in looking.items():
            prefix = next((prefix for prefix in ids if operation.path.startswith(prefix)), "")
            arguments = {"id": ids.get(prefix, run)} if "{id}" in operation.path else {}
            answers[name] = await client.call_tool(name, {**arguments, **more.get(name, {})})
        return answers

    answers = with_client(http(server), work)
    assert len(answers) > 30
    wrong = {name: error_of(it) for name, it in answers.items() if it.is_error}
    assert wrong == {}


@pytest.mark.parametrize(
    ("tool", "more", "about"),
    [
        ("stop_run", {}, "run"),
        ("cancel_sweep", {}, "sweep"),
        ("edit_sweep", {"status": "canceled"}, "sweep"),
        ("edit_sweep", {"status": " CANCELED "}, "sweep"),
    ],
)
def test_what_ends_runs_asks_twice(server: Server, tool: str, more: dict[str, Any], about: str) -> None:
    sweep, run = made(server)
    arguments = {"id": {"run": run, "sweep": sweep}[about], **more}
    first = use(server, tool, **arguments)
    assert server.ask("GET", f"/runs/{run}").json["status"] == "ready"
    assert server.ask("GET", f"/sweeps/{sweep}").json["status"] == "pending"
    assert (values_of(first)["runs"], values_of(first)["live"]) == (1, 0)
    assert not use(server, tool, **arguments, confirm=values_of(first)["confirm"]).is_error
    assert server.ask("GET", f"/runs/{run}").json["status"] == "stopped"


def test_an_edit_that_ends_nothing_is_done_at_once(server: Server) -> None:
    sweep, _ = made(server)
    assert values_of(use(server, "edit_sweep", id=sweep, name="other"))["name"] == "other"


def test_a_text_of_ones_own_is_deleted_only_when_that_is_confirmed(server: Server) -> None:
    skill = values_of(use(server, "create_skill", name="mine", description="d", template="t"))["id"]
    code = values_of(use(server, "delete_skill", id=skill))["confirm"]
    assert server.ask("GET", f"/prompt-skills/{skill}").status == 200
    assert not use(server, "delete_skill", id=skill, confirm=code).is_error
    assert server.ask("GET", f"/prompt-skills/{skill}").status == 404


def test_an_answer_that_stops_a_run_asks_twice_and_any_other_does_not(server: Server) -> None:
    _, run = made(server)
    alert = values_of(use(server, "create_alert", id=run, message="m", choices=["Ignore", "Stop run"]))["alert_id"]
    session = values_of(use(server, "start_session", goal="g", chat_session_id="d"))["session_id"]
    first = use(server, "respond_to_alert", id=alert, choice="Stop run")
    assert "Stop the run" in values_of(first)["would"]
    resolve = use(server, "resolve_session_events", id=session, event_ids=[alert], choice="Stop run")
    assert values_of(resolve)["done"] is False
    assert [it["status"] for it in server.ask("GET", "/alerts").json if it["id"] == alert] == ["pending"]
    assert values_of(use(server, "respond_to_alert", id=alert, choice="Ignore"))["message"]
