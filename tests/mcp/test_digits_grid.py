"""The same grid of twelve as the curl script, through MCP tools alone."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from mcp import Client

from tests.mcp.parts import text_of, values_of, with_client
from tests.mcp.test_http import http
from tests.surfaces.http.harness import Server, serving

DIGITS = Path(__file__).parents[2] / "examples" / "digits"
WIDTHS, SEEDS = (4, 8, 16, 32), (0, 1, 2)
CHAT = "mcp-night"
TOGETHER = 2
ENDED = {"completed", "failed", "canceled"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    home = tmp_path_factory.mktemp("home")
    (home / "config.toml").write_text(f"[capacity]\nmax_concurrent = {TOGETHER}\n")
    with serving(home) as running:
        yield running


class Agent:
    """What an agent does with its tools; every answer must be one."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self.most = 0
        """Live runs at once, as often as it looked."""

    async def use(self, tool: str, **arguments: Any) -> Any:
        values = values_of(await self._client.call_tool(tool, arguments))  # type: ignore[arg-type]
        return values.get("result", values)

    async def preflight(self) -> None:
        skill = await self.use("get_skill", id="wild_v2_execution_ops_protocol")
        assert "max_new_runs" in skill["template"]
        assert (await self.use("system_health"))["total"] == 0
        found = await self.use("detect_cluster")
        assert found["target_parallel"] == TOGETHER

    async def sweep(self) -> str:
        made = await self.use("create_wild_sweep", name="digits", goal="highest accuracy", chat_session_id=CHAT)
        return str(made["id"])

    async def runs(self, sweep: str) -> None:
        for width in WIDTHS:
            for seed in SEEDS:
                await self.use(
                    "create_sweep_run",
                    id=sweep,
                    name=f"w{width} s{seed}",
                    command=f"{sys.executable} train_teacher.py --width {width} --seed {seed} --epochs 10",
                    workdir=str(DIGITS),
                    chat_session_id=CHAT,
                    idempotency_key=f"w{width}-s{seed}",
                )

    async def start_what_fits(self, sweep: str) -> None:
        health = await self.use("system_health")
        self.most = max(self.most, health["running"] + health["launching"])
        ready = await self.use("get_runs", sweep_id=sweep, status="ready")
        for run in ready[: health["max_new_runs"]]:
            await self.use("start_run", id=run["id"])

    async def until_over(self, sweep: str) -> str:
        last = (await self.use("events"))["next"]
        while (status := (await self.use("get_sweep", id=sweep))["status"]) not in ENDED:
            await self.start_what_fits(sweep)
            last = (await self.use("events", after=last, wait=5))["next"]
        return str(status)


def test_an_agent_runs_a_grid_of_twelve_with_tools_alone(server: Server) -> None:
    made = server.ask("POST", "/v1/tokens", {"name": "night", "role": "operator"})

    async def night(client: Client) -> tuple[str, Any, Any, str, int]:
        agent = Agent(client)
        await agent.preflight()
        sweep = await agent.sweep()
        await agent.runs(sweep)
        async with asyncio.timeout(90):
            status = await agent.until_over(sweep)
        runs = await agent.use("get_runs", chat_session_id=CHAT)
        summary = await agent.use("summary", id=sweep)
        read = await client.read_resource(f"overnight://campaigns/{sweep}/summary")
        metrics = text_of(await client.call_tool("run_metrics", {"id": runs[0]["id"]}))  # type: ignore[arg-type]
        assert not metrics.startswith("{")
        return status, runs, summary, getattr(read.contents[0], "text", ""), agent.most

    status, runs, summary, read, most = with_client(http(server, token=made.json["secret"]), night)
    assert status == "completed"
    assert [run["status"] for run in runs] == ["finished"] * 12
    assert all(run["compliance"]["attributed"] and run["creator"] == "night" for run in runs)
    assert summary["counts"]["succeeded"] == 12
    assert len(summary["results"][0]["cells"]) == 12
    assert '"succeeded":12' in read
    assert 0 < most <= TOGETHER
    assert server.ask("GET", f"/v1/things/{runs[0]['id']}").json["origin"] == "mcp"
