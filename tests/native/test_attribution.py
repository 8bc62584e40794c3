"""For whom something was created: said by who asks, kept with it, and shown."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from overnight.domain.errors import Conflict, InvalidRequest
from tests.native.test_listing import plan, singles
from tests.service.desk import Desk


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def file(folder: Path, **more: Any) -> dict[str, Any]:
    sweeps = {name: {"name": name, "command": "true"} for name in more.pop("runs", ["a"])}
    text = json.dumps({"campaign": "study", "workdir": str(folder), "sweeps": sweeps})
    return {"file": text, "directory": str(folder), **more}


def said(desk: Desk, thing: str) -> tuple[Any, ...]:
    shown = desk.ask("show", id=thing)
    return shown["chat"], shown["attributed"], shown["intentional"]


@pytest.mark.parametrize(
    ("fields", "shown"),
    [
        ({}, (None, False, False)),
        ({"chat_session_id": None}, (None, False, True)),
        ({"chat_session_id": "chat-7"}, ("chat-7", True, False)),
    ],
)
def test_what_was_said_of_a_conversation_is_kept(
    desk: Desk, tmp_path: Path, fields: dict[str, Any], shown: tuple[Any, ...]
) -> None:
    (run,) = singles(desk, "one", **fields)
    campaign = desk.ask("submit", **file(tmp_path), **fields)["campaign"]["id"]
    assert [it["name"] for it in desk.ask("list_runs", alone=True, chat=shown[0])["runs"]] == ["one"]
    assert said(desk, run) == said(desk, campaign) == said(desk, "study/a/a") == shown
    assert desk.ask("show", id=run)["actor"] == "ada"
    assert desk.ask("show", id=run)["origin"] == "native"


def test_runs_that_an_update_adds_belong_to_the_conversation_that_asked(desk: Desk, tmp_path: Path) -> None:
    desk.ask("submit", **file(tmp_path, chat_session_id="first"))
    desk.ask("update", id="study", **file(tmp_path, runs=["a", "b"]))
    desk.ask("update", id="study", **file(tmp_path, runs=["a", "b", "c"], chat_session_id="second"))
    assert [said(desk, f"study/{name}/{name}")[0] for name in "abc"] == ["first", "first", "second"]
    assert said(desk, "study")[0] == "first"
    desk.check()


@pytest.mark.parametrize("chat", ["", "a\0b", "x" * 401])
def test_names_of_conversations_that_could_not_be_kept_are_refused(desk: Desk, chat: str) -> None:
    with pytest.raises(InvalidRequest, match="chat_session_id"):
        singles(desk, "one", chat_session_id=chat)


def test_an_edited_file_leaves_what_has_ended_as_it_was(desk: Desk, tmp_path: Path) -> None:
    campaign = desk.ask("submit", **file(tmp_path))["campaign"]["id"]
    run = desk.runs(campaign)["a"]
    desk.carry_out(run)
    before = desk.ask("show", id=run.id)
    edited = file(tmp_path)
    edited["file"] = edited["file"].replace('"true"', '"false"')
    assert desk.ask("update", id=campaign, **edited)["untouched"] == ["a"]
    assert desk.ask("show", id=run.id) == before


def test_a_run_that_has_succeeded_is_neither_cancelled_nor_tried_again(desk: Desk) -> None:
    run = desk.runs(desk.submit(plan("one", [1])))["one-0"]
    desk.carry_out(run)
    assert desk.ask("cancel", id=run.id)["cancelled"] == 0
    with pytest.raises(Conflict, match="has succeeded"):
        desk.ask("retry", id=run.id)
    assert desk.ask("show", id=run.id)["state"] == "succeeded"
