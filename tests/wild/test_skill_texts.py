"""What the texts for agents teach is true: every command in them is run, by a shell, against a real server."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from overnight import skills
from tests.surfaces.http.harness import Server, serving

PREFACE = f"""
set -eu -o pipefail
overnight() {{ {sys.executable} -m overnight "$@"; }}
"""
VARIABLES = ("OVERNIGHT_URL", "OVERNIGHT_TOKEN", "OVERNIGHT_HOME", "OVERNIGHT_DATABASE_URL")

TOKEN = 'export OVERNIGHT_TOKEN="$(cat "$OVERNIGHT_HOME/token")"\n'
QUEUE = skills.built_in()["overnight_queue"].template


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(tmp_path_factory.mktemp("taught") / "home") as server:
        yield server


def blocks(skill: str, language: str) -> str:
    text = skills.built_in()[skill].template
    return "\n".join(re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL))


def shell(server: Server, folder: Path, script: str, **variables: str) -> str:
    """Run a script as an agent on the server's machine would; it ends at the first command that fails."""
    kept = {name: value for name, value in os.environ.items() if name not in VARIABLES}
    ours = {"OVERNIGHT_HOME": str(server.home), "OVERNIGHT_URL": f"http://127.0.0.1:{server.port}"}
    done = subprocess.run(
        ["bash", "-c", PREFACE + script],
        check=False, capture_output=True, text=True, cwd=folder, env={**kept, **ours, **variables}, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, (done.stdout, done.stderr)
    return done.stdout


def test_the_protocol_can_be_followed_to_the_letter(server: Server, tmp_path: Path) -> None:
    said = shell(server, tmp_path, blocks("wild_v2_execution_ops_protocol", "bash"), CHAT="chat-protocol")
    assert "preflight passed" in said
    (run,) = re.findall(r'"message":"Run started".*?"id":"([0-9a-f]{12})"', said)
    audit = blocks("wild_v2_sweep_run_audit_protocol", "bash")
    assert "3 runs, 0 to explain" in shell(server, tmp_path, TOKEN + audit, CHAT="chat-protocol", RUN=run)
    scheduling = blocks("wild_v2_gpu_discovery_parallel_scheduling", "bash")
    assert "target_parallel" in shell(server, tmp_path, TOKEN + scheduling)


def test_the_queue_can_be_filled_and_looked_at(server: Server, tmp_path: Path) -> None:
    (tmp_path / "queue.yaml").write_text(blocks("overnight_queue", "yaml"))
    plan, submit, *looks = blocks("overnight_queue", "bash").strip().splitlines()
    shell(server, tmp_path, f"{plan}\n{submit}\novernight run queue.yaml")
    assert len(list(tmp_path.glob("out_*_*.txt"))) == 4
    assert "4 done / 0 running / 0 pending" in shell(server, tmp_path, "\n".join(looks))
    told = re.findall(r"`(overnight (?:pause|resume|priority|submit)[^`]*)`", QUEUE)
    assert len(told) == 4
    shell(server, tmp_path, "\n".join(told))


def test_the_commands_of_operating_find_nothing_wrong(server: Server, tmp_path: Path) -> None:
    commands = blocks("overnight_operating", "bash").strip().splitlines()
    shell(server, tmp_path, "\n".join(f"{line.split('#')[0]} || test $? = 1" for line in commands if "doctor" in line))
    shell(server, tmp_path, "\n".join(line for line in commands if "doctor" not in line))
    shell(server, tmp_path, "overnight token create NAME --role agent")


def test_values_to_render_with_are_no_unknown_fields(server: Server) -> None:
    answer = server.ask("POST", "/prompt-skills/overnight_queue/render", {"goal": "win"})
    assert (answer.status, list(answer.json)) == (200, ["rendered"])


@pytest.mark.parametrize("path", ["%2e%2e%2f__init__.py", "..%5c__init__.py", "%2fetc%2fpasswd", "a%00b"])
def test_no_spelling_of_a_path_leaves_the_folder_of_a_skill(server: Server, path: str) -> None:
    assert server.ask("GET", f"/prompt-skills/overnight_queue/files/{path}").status == 400
