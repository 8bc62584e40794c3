"""What operations answer is what their shapes say: nothing less, nothing more, nothing of another type."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter

from overnight.domain.reasons import Reason
from overnight.service.table import BY_NAME, NATIVE
from overnight.store import runs
from overnight.store.base import SYSTEM, Session
from tests.service.desk import Desk

FILE = """
campaign: study
workdir: {folder}
goal: {{metric: acc, direction: maximize}}

sweeps:
  train:
    grid: {{lr: [1, 2], seed: [1, 2]}}
    replicates: [seed]
    name: t-${{lr}}-${{seed}}
    command: echo ${{lr}}
  after:
    needs: [train]
    name: after
    command: [echo, done]
"""


def strictly(operation: str, answer: Any) -> None:
    """Fails where the answer and the shape of its operation differ in any way."""
    adapter: TypeAdapter[Any] = TypeAdapter(BY_NAME[operation].answer)
    kept = adapter.dump_python(adapter.validate_json(json.dumps(answer), strict=True), mode="json")
    assert kept == answer, f"{operation} answers what its shape does not have"


class Asking:
    """Asks, and holds each answer against the shape of its operation."""

    def __init__(self, desk: Desk, folder: Path) -> None:
        self.desk = desk
        self.file = {"file": FILE.format(folder=folder)}
        self.file |= {"directory": str(folder)}
        self.asked: set[str] = set()

    def __call__(self, operation: str, **fields: Any) -> dict[str, Any]:
        answer = self.desk.ask(operation, **fields)
        strictly(operation, answer)
        self.asked.add(operation)
        return answer


@pytest.fixture(scope="module")
def ask(tmp_path_factory: pytest.TempPathFactory) -> Asking:
    folder = tmp_path_factory.mktemp("answers")
    return Asking(Desk(folder), folder)


def results(ask: Asking, run: str, **numbers: float) -> None:
    def keep(session: Session) -> None:
        runs.keep_results(session, run, numbers)

    ask.desk.store.write(SYSTEM, keep)


def test_each_operation_answers_as_its_shape_says(ask: Asking) -> None:
    desk = ask.desk
    ask("plan", **ask.file)
    assert ask("plan", **{**ask.file, "file": "campaign: 7"})["errors"]
    ask("convert", **ask.file)
    campaign = ask("submit", **ask.file, chat_session_id="night")["campaign"]["id"]
    ask("submit_runs", runs=[{"name": "alone", "command": ["true"], "workdir": "/"}])
    ask("list_campaigns")
    found = desk.runs(campaign)
    for place, name in enumerate(("t-1-1", "t-1-2", "t-2-1")):
        desk.carry_out(found[name])
        results(ask, found[name].id, acc=0.5 + place, loss=float("nan"))
    desk.start(found["t-2-2"], None)
    ask("status")
    ask("show", id="study/t-2-2")
    desk.end(found["t-2-2"], "fail", Reason.NONZERO_EXIT, "exit code 1")
    for operation in ("queue", "summary"):
        ask(operation, id="study")
    for thing in ("study", "study/train", "study/after/after"):
        ask("show", id=thing)
        ask("explain", id=thing)
    for kind in ("markdown", "html", "svg", "tables"):
        ask("report", id="study", format=kind)
    ask("compare", first="study/t-1-1", second="study/t-2-2")
    ask("log", id="study/after/after")
    ask("list_runs", campaign=campaign)
    ask("events", limit=1000)
    ask("alerts")
    ask("doctor")
    ask("list_targets")
    ask("brief", id="study")
    ask("wait", id="study", until="final", wait=1)
    ask("verify_log")
    ask("label", id="study", set={"a": "1"})
    ask("priority", id="study", priority=3)
    ask("update", id="study", **{**ask.file, "file": ask.file["file"].replace("echo, done", "echo, over")})
    ask("pause", id="study")
    ask("resume", id="study")
    ask("retry", id="study", failed=True)
    ask("start", id="study")
    ask("cancel", id="study")
    token = ask("create_token", name="ci", role="viewer")["id"]
    ask("list_tokens")
    ask("revoke_token", id=token)
    ask("whoami")


def test_every_native_operation_was_asked(ask: Asking) -> None:
    assert {operation.name for operation in NATIVE} == ask.asked


def test_every_operation_says_what_it_answers() -> None:
    assert [operation.name for operation in BY_NAME.values() if operation.answer is None] == []
