"""`overnight mcp`: the SDK's client on its standard input and output, with a server of the home and without."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from mcp import Client
from mcp.client.stdio import StdioServerParameters

from tests.mcp.parts import VERSIONS, error_of, mode_of, text_of, values_of, with_client
from tests.surfaces.http.harness import Server, serving


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(tmp_path_factory.mktemp("home")) as running:
        yield running


def stdio(home: Path, mode: str = "auto", **environment: str) -> Client:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("OVERNIGHT_")}
    command = StdioServerParameters(
        command=sys.executable,
        args=["-m", "overnight", "mcp"],
        env={**kept, "OVERNIGHT_HOME": str(home), **environment},
    )
    return Client(command, mode=mode)


@pytest.mark.parametrize("version", VERSIONS)
def test_every_version_of_the_protocol_is_spoken(server: Server, version: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async def work(client: Client) -> tuple[str, set[str], Any]:
        listed = {tool.name for tool in (await client.list_tools()).tools}
        return client.protocol_version, listed, await client.call_tool("whoami", {})

    spoken, listed, me = with_client(stdio(server.home, mode_of(version, monkeypatch)), work)
    assert spoken == version
    assert {"submit_runs", "cancel"} <= listed
    assert '"actor":"admin"' in text_of(me)


def test_a_run_is_submitted_and_cancelled_in_two_steps_through_the_server(server: Server) -> None:
    runs = [{"name": "one", "command": "sleep 60", "workdir": "/"}]

    async def work(client: Client) -> tuple[str, Any, Any]:
        made = values_of(await client.call_tool("submit_runs", {"runs": runs}))
        run = made["ids"][0]
        first = await client.call_tool("cancel", {"id": run})
        second = await client.call_tool("cancel", {"id": run, "confirm": values_of(first)["confirm"]})
        return run, values_of(first), second

    run, first, second = with_client(stdio(server.home), work)
    assert server.ask("GET", f"/v1/things/{run}").json["origin"] == "mcp"
    assert first["done"] is False
    assert not second.is_error
    server.until(run, "cancelled")


def test_the_wild_protocol_is_spoken_through_the_server(server: Server) -> None:
    async def work(client: Client) -> tuple[Any, Any, Any, Any]:
        await client.list_tools()
        runs = [
            await client.call_tool("create_run", {"name": str(it), "command": "true", "chat_session_id": None})
            for it in range(3)
        ]
        first = values_of(await client.call_tool("get_runs", {"limit": 2}))
        rest = values_of(await client.call_tool("get_runs", {"limit": 2, "cursor": first["next_cursor"]}))
        wrong = await client.call_tool("get_run", {"id": "000000000000"})
        return values_of(runs[0]), first["result"], rest["result"], error_of(wrong)

    run, first, rest, wrong = with_client(stdio(server.home), work)
    assert run["compliance"]["intentional"]
    assert [it["name"] for it in first] == ["2", "1"]
    assert rest[0]["id"] == run["id"]
    assert (wrong["code"], wrong["detail"]) == ("not_found", "Run not found")


def test_a_home_that_nobody_serves_answers_by_itself_and_says_so(tmp_path: Path) -> None:
    runs = [{"name": "one", "command": "true", "workdir": "/"}]

    async def work(client: Client) -> tuple[Any, Any]:
        made = await client.call_tool("submit_runs", {"runs": runs})
        run = values_of(made)["ids"][0]
        assert values_of(await client.call_tool("show", {"id": run}))["origin"] == "mcp"
        return made, await client.call_tool("list_runs", {})

    made, listed = with_client(stdio(tmp_path / "home"), work)
    assert "nothing starts until" in text_of(made)
    assert [it["id"] for it in values_of(listed)["runs"]] == values_of(made)["ids"]


def test_a_server_that_does_not_answer_is_an_error_that_says_so(tmp_path: Path) -> None:
    async def work(client: Client) -> Any:
        return await client.call_tool("status", {})

    away = stdio(tmp_path / "home", "legacy", OVERNIGHT_URL="http://127.0.0.1:9", OVERNIGHT_TOKEN="x")
    found = error_of(with_client(away, work))
    assert found["code"] == "unreachable"
    assert "overnight up" in found["next"]


def test_ctrl_c_ends_it_though_its_input_is_open(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "overnight", "mcp"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "OVERNIGHT_HOME": str(tmp_path / "home")},
    )
    with process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps({"jsonrpc": "2.0", "id": 1, "method": "ping"}).encode() + b"\n")
        process.stdin.flush()
        assert process.stdout.readline()
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=30) == -signal.SIGINT
