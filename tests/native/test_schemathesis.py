"""Requests as the description allows them, and as it does not, by every role: nothing fails, and every answer is as it
is described."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.native.storm import Judge, Made, World, asked, made, sent
from tests.surfaces.http.harness import Server, poll, serving, start

VALID, INVALID = 10, 5
"""Requests of each operation."""
LEAST = 20_000
"""Requests in all."""
ANSWERED_WELL = {"attempt": 20, "viewer": 30, "agent": 70, "admin": 75}
"""Operations that each role gets good answers from: the requests do reach what stands behind the checks."""
ROLES = ("attempt", "none", "viewer", "agent", "admin")
LIMITS = "[limits]\nrequests_per_second = 1000000\nburst = 1000000\nstreams = 1000\n"
NOTHING_STARTS = "[local]\nslots = 0\n[capacity]\nmax_concurrent = 1\n"
"""Beside the one run that goes on: what the requests make must not be carried out."""
FILE = """
campaign: night
workdir: {folder}
goal: {{metric: acc, direction: maximize}}
sweeps:
  train:
    grid: {{lr: [1, 2], seed: [1, 2]}}
    replicates: [seed]
    name: t-${{lr}}-${{seed}}
    command: echo acc=${{lr}}; exit $((${{lr}} - 1))
"""


@dataclass
class Stage:
    server: Server
    tokens: dict[str, str | None]
    world: World


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """A server with something of everything: a campaign that has ended, runs, an open sweep, a loop, a question."""
    home = tmp_path_factory.mktemp("storm")
    (home / "config.toml").write_text(LIMITS)
    first = start(home)
    try:
        tokens, things = prepare(first, home)
    finally:
        first.stop()  # without its runner: the one run goes on
    (home / "config.toml").write_text(LIMITS + NOTHING_STARTS)
    with serving(home) as server:
        everybody = {**tokens, "none": None, "admin": server.token}
        yield Stage(server, everybody, World(things, str(tmp_path_factory.mktemp("work"))))


def prepare(server: Server, folder: Path) -> tuple[dict[str, str | None], dict[str, list[str]]]:
    def post(path: str, body: Any) -> Any:
        reply = server.ask("POST", path, body)
        assert reply.status in (200, 201), reply.body
        return reply.json

    campaign = post("/v1/campaigns", {"file": FILE.format(folder=folder), "directory": str(folder)})["campaign"]["id"]
    poll(lambda: server.ask("GET", f"/v1/things/{campaign}").json["state"] == "failed")
    runs = [it["id"] for it in server.ask("GET", f"/v1/runs?campaign={campaign}").json["runs"]]
    sweep = server.ask("GET", f"/v1/things/{campaign}").json["sweeps"][0]["id"]
    wild = post("/sweeps/wild", {"goal": "g", "chat_session_id": "c"})["id"]
    runs += [post(f"/sweeps/{wild}/runs", {"name": f"w{place}", "command": "true"})["id"] for place in range(3)]
    loop = post("/wild/v2/start", {"goal": "g", "chat_session_id": "c"})["session_id"]
    alert = post(f"/runs/{runs[-1]}/alerts", {"message": "?", "choices": ["yes", "no"]})["alert_id"]
    post(f"/runs/{runs[-1]}/metrics", {"rows": [{"step": step, "loss": 1 / (step + 1)} for step in range(20)]})
    skill = post("/prompt-skills", {"name": "s", "description": "d", "template": "{{a}} and {{b}}"})["id"]
    tokens = {role: post("/v1/tokens", {"name": role, "role": role})["secret"] for role in ("viewer", "agent")}
    spare = post("/v1/tokens", {"name": "spare", "role": "viewer"})["id"]
    kept = folder / "attempt-token"
    server.run(f'printf %s "$OVERNIGHT_TOKEN" > {kept}.part; mv {kept}.part {kept}; exec sleep 3600')
    tokens["attempt"] = poll(lambda: kept.exists() and kept.read_text())
    things = {
        "runs": runs,
        "sweeps": [wild, campaign],
        "campaigns": [campaign, wild],
        "things": [campaign, sweep, wild, *runs],
        "wild": [loop],
        "alerts": [alert],
        "prompt-skills": [skill],
        "tokens": [spare],
    }
    return tokens, things


@pytest.fixture(scope="module")
def document(stage: Stage) -> dict[str, Any]:
    return dict(stage.server.ask("GET", "/openapi.json").json)


@pytest.fixture(scope="module")
def cases(document: dict[str, Any]) -> list[Made]:
    return list(made(document, VALID, INVALID))


@pytest.mark.timeout(300)
@pytest.mark.parametrize("role", ROLES)
def test_no_request_fails_and_every_answer_is_as_described(
    stage: Stage, document: dict[str, Any], cases: list[Made], role: str
) -> None:
    requests = list(asked(cases, stage.world, random.Random(role)))
    found = sent(stage.server.port, stage.tokens[role], requests, Judge(document))
    assert found.troubles == [], f"{len(found.troubles)} of {len(requests)}"
    assert len(requests) * len(ROLES) >= LEAST
    well = {operation for operation, status in found.statuses if status < 300}
    assert len(well) >= ANSWERED_WELL.get(role, 0), sorted(well)


def test_afterwards_the_record_agrees_with_itself_and_nothing_was_started(stage: Stage) -> None:
    verified = stage.server.ask("GET", "/v1/verification", timeout=120).json
    assert verified["ok"], json.dumps(verified["violations"][:5])
    assert len(stage.server.ask("GET", "/v1/status").json["running"]) == 1
