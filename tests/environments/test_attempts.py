"""Environments and secrets through a real server and its runner: what is recorded of them, and what is not."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.chaos.plane import Plane

VALUES = {"BY_VARIABLE": "hunter2-correct-horse", "BY_FILE": "battery-staple-7f3a"}
SHOW = """\
import hashlib, os, pathlib, sys
for name in ("BY_VARIABLE", "BY_FILE", "OVERNIGHT_TEST_SECRET"):
    print(name, hashlib.sha256(os.environ.get(name, "").encode()).hexdigest())
pid = os.getpid()
while pid > 1:
    process = pathlib.Path("/proc", str(pid))
    print(process.joinpath("cmdline").read_bytes())
    pid = int(process.joinpath("stat").read_text().rpartition(")")[2].split()[1])
sys.exit(int(sys.argv[1]))
"""


@pytest.fixture
def plane(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Plane]:
    """A home whose server knows two secrets."""
    monkeypatch.setenv("OVERNIGHT_TEST_SECRET", VALUES["BY_VARIABLE"])
    (tmp_path / "key").write_text(VALUES["BY_FILE"] + "\n", encoding="utf-8")
    made = Plane(tmp_path)
    try:
        made.up()
        yield made
    finally:
        made.clean()


def submit(plane: Plane, **sweeps: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Carry a campaign out; its runs by name once they are final."""
    text = json.dumps({"campaign": "c", "sweeps": sweeps})
    campaign = plane.ask("submit", file=text, path="c.yaml", directory=str(plane.marks))["campaign"]["id"]
    return {it["name"]: plane.final(it["id"]) for it in plane.ask("list_runs", campaign=campaign)["runs"]}


def references(plane: Plane) -> dict[str, str]:
    return {"BY_VARIABLE": "env:OVERNIGHT_TEST_SECRET", "BY_FILE": f"file:{plane.home.parent}/key"}


def log_of(run: dict[str, Any]) -> str:
    return Path(run["attempts_made"][-1]["folder"], "log").read_text(encoding="utf-8")


def digest(value: str) -> str:
    return hashlib.sha256(value.encode()).hexdigest()


def test_a_secret_reaches_its_job_and_nothing_that_is_kept(plane: Plane) -> None:
    (plane.marks / "show.py").write_text(SHOW, encoding="utf-8")
    (plane.marks / "program").touch(0o700)
    sweeps = {
        "well": {"command": ["python3", "show.py", "0"], "secrets": references(plane)},
        "ill": {"command": "python3 show.py 3", "secrets": references(plane)},
        "removes": {"command": "rm program"},
        "never": {"command": ["./program"], "secrets": references(plane), "needs": "removes"},
        "without": {"command": ["python3", "show.py", "0"]},
    }
    runs = submit(plane, **sweeps)
    assert [runs[name]["state"] for name in sweeps] == ["succeeded", "failed", "succeeded", "failed", "succeeded"]
    for name in ("well", "ill"):
        for variable, value in VALUES.items():
            assert f"{variable} {digest(value)}" in log_of(runs[name])
    for variable in (*VALUES, "OVERNIGHT_TEST_SECRET"):
        assert f"{variable} {digest('')}" in log_of(runs["without"])
    assert plane.server is not None
    plane.server.kill()
    kept = [path for path in (*plane.home.rglob("*"), plane.home.parent / "server.stderr") if path.is_file()]
    assert {"overnight.db", "journal", "runner.log", "log", "exit.json"} <= {path.name for path in kept}
    for path in kept:
        for value in VALUES.values():
            assert value.encode() not in path.read_bytes(), path


def test_a_secret_that_is_gone_when_its_run_starts_is_named_and_nothing_runs(plane: Plane) -> None:
    runs = submit(
        plane,
        first={"command": f"rm {plane.home.parent}/key"},
        second={"command": "touch ran", "secrets": references(plane), "needs": "first"},
    )
    attempt = runs["second"]["attempts_made"][-1]
    assert (runs["second"]["state"], attempt["reason"]) == ("failed", "start_failed")
    assert f"the secret BY_FILE (file:{plane.home.parent}/key) cannot be read" in attempt["detail"]
    assert not (plane.marks / "ran").exists()
    plane.assert_verified()


def test_an_environment_that_fails_is_its_own_class_with_the_words_in_the_log(plane: Plane) -> None:
    folder = plane.marks / "env" / "bin"
    folder.mkdir(parents=True)
    (folder / "python").write_text("", encoding="utf-8")
    (folder / "python").chmod(0o700)
    run = submit(
        plane,
        breaks={"command": "rm -r env"},
        suffers={"command": "touch ran", "environment": {"venv": "env"}, "needs": "breaks", "retry": {"attempts": 3}},
    )["suffers"]
    assert (run["state"], run["reason"], len(run["attempts_made"])) == ("failed", "env_error", 1)
    assert "there is no virtual environment at" in run["attempts_made"][0]["detail"]
    assert "overnight: there is no virtual environment at" in log_of(run)
    assert not (plane.marks / "ran").exists()


def test_a_command_that_ends_as_an_activation_does_is_not_taken_for_one(plane: Plane) -> None:
    run = submit(plane, s={"command": "echo 'overnight: there is no virtual environment at x' >&2; exit 126"})["s"]
    assert (run["state"], run["reason"]) == ("failed", "nonzero_exit")
