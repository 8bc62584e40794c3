"""The script of an agent that has nothing but curl and the text of the protocol: a grid of twelve on the digits."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.surfaces.http.harness import Server, serving

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "examples" / "agent" / "protocol.sh"
PROTOCOL = ROOT / "src" / "overnight" / "skills" / "wild_v2_execution_ops_protocol" / "SKILL.md"
TOGETHER = 2
"""Runs at once, as the home's configuration says."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    home = tmp_path_factory.mktemp("home")
    (home / "config.toml").write_text(f"[capacity]\nmax_concurrent = {TOGETHER}\n")
    with serving(home) as running:
        yield running


def blocks(section: str) -> list[str]:
    """The commands that the protocol's text gives in one of its sections."""
    text = PROTOCOL.read_text(encoding="utf-8")
    chapter = re.search(rf"^## {section}\..*?(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    assert chapter, section
    return re.findall(r"```bash\n(.*?)```", chapter[0], re.DOTALL)


@pytest.mark.parametrize("section", ["1", "2", "6"])
def test_the_script_has_the_commands_of_the_protocol_word_for_word(section: str) -> None:
    script = SCRIPT.read_text(encoding="utf-8")
    found = blocks(section)
    assert found
    assert all(block in script for block in found)


def test_an_agent_runs_a_grid_of_twelve_by_the_text_of_the_protocol(server: Server) -> None:
    made = server.ask("POST", "/v1/tokens", {"name": "night", "role": "agent"})
    before = server.ask("GET", "/v1/status").json["last_event"]
    done = subprocess.run(
        [SCRIPT],
        env={
            **os.environ,
            "OVERNIGHT_URL": server.url,
            "OVERNIGHT_TOKEN": made.json["secret"],
            "CHAT": "night-1",
            "EPOCHS": "10",
            "POLL": "0.5",
            "PYTHON": sys.executable,
        },
        check=False,
        capture_output=True,
        text=True,
        timeout=110,
    )
    assert done.returncode == 0, done.stderr + done.stdout
    assert "preflight passed" in done.stdout
    assert "the sweep is completed" in done.stdout
    assert done.stdout.count(" finished ") == 12
    assert "12 runs: 12 succeeded" in done.stdout

    listed = server.ask("GET", "/runs?chat_session_id=night-1").json
    assert len({run["id"] for run in listed}) == 12
    assert len({run["command"] for run in listed}) == 12
    assert all(run["compliance"]["attributed"] and run["compliance"]["in_sweep"] for run in listed)
    assert most_at_once(server, before) <= TOGETHER


def most_at_once(server: Server, after: int) -> int:
    """Live attempts, from the log of events."""
    events = server.ask("GET", f"/v1/events?after={after}&limit=10000").json["events"]
    live, most = 0, 0
    for event in events:
        live += {"run.claim": 1, "run.succeed": -1}.get(event["kind"], 0)
        most = max(most, live)
    assert most > 0
    return most
