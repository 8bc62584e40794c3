"""Answers reach the folder of the attempt that asked, also after a crash, and never get in the way of anything else."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from overnight.daemon.answers import AGAIN_SECONDS, Answers
from overnight.domain.errors import Unavailable
from overnight.domain.plan import CampaignPlan, CellPlan, SweepPlan
from overnight.store import runs
from overnight.store.base import SYSTEM
from overnight.targets.base import Files
from overnight.targets.files import LocalFiles
from tests.service.desk import Desk


class Asking(Desk):
    """A desk with one run that lives in a real folder."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.run_folder = folder / "attempt"
        self.run_folder.mkdir()
        campaign = self.submit(CampaignPlan("study", (SweepPlan("s", (CellPlan("a", {}, "true"),), "/tmp"),)))
        self.run = self.runs(campaign)["a"]
        self.files: dict[str, Files] = {"here": LocalFiles()}
        self.answers = Answers(self.store, self.files.get)

    def begin(self) -> None:
        claim = {"target": "here", "folder": str(self.run_folder), "devices": []}
        assert self.store.write(SYSTEM, lambda s: runs.claim(s, self.run.id, 1, **claim))

    def answered(self, choice: str = "Go on") -> str:
        """The id of a question that has its answer."""
        asked = self.ask("create_alert", id=self.run.id, message="Well?", choices=["Go on", "Stop"])["alert_id"]
        self.ask("respond_to_alert", id=asked, choice=choice)
        return str(asked)

    def file(self, asked: str) -> Path:
        return self.run_folder / "alerts" / f"{asked}.response"

    def told(self) -> list[Any]:
        return [it["undeliverable"] for it in self.events("question.deliver")]


@pytest.fixture
def asking(tmp_path: Path) -> Iterator[Asking]:
    made = Asking(tmp_path)
    yield made
    made.check()
    made.store.close()


def test_an_answer_is_put_into_the_folder_once(asking: Asking) -> None:
    asking.begin()
    asked = asking.answered("Stop")
    assert asking.woken > 0
    assert asking.answers.turn() is None
    assert asking.file(asked).read_text() == "Stop"
    asking.file(asked).unlink()
    assert asking.answers.turn() is None
    assert not asking.file(asked).exists()
    assert asking.told() == [None]


def test_what_was_not_asked_by_an_attempt_is_for_nobody(asking: Asking) -> None:
    asking.answered()
    assert asking.answers.turn() is None
    assert asking.told() == ["no attempt was made by us"]


def test_an_answer_that_cannot_be_written_now_is_written_later_and_keeps_no_other_back(asking: Asking) -> None:
    asking.begin()
    first, second = asking.answered(), asking.answered()

    class Full(LocalFiles):
        def put(self, folder: str, name: str, text: str) -> None:
            if first in name:
                raise Unavailable("no room")
            super().put(folder, name, text)

    assert Answers(asking.store, {"here": Full()}.get).turn() == AGAIN_SECONDS
    assert (asking.file(first).exists(), asking.file(second).exists()) == (False, True)
    assert asking.answers.turn() is None
    assert asking.file(first).read_text() == "Go on"


def test_a_folder_that_is_gone_is_not_tried_for_ever(asking: Asking) -> None:
    asking.begin()
    asking.answered()
    asking.run_folder.rmdir()
    assert asking.answers.turn() is None
    assert "attempt" in asking.told()[0]


def test_a_target_that_is_not_configured_any_more_has_nobody_to_read_it(asking: Asking) -> None:
    asking.begin()
    asking.answered()
    assert Answers(asking.store, {}.get).turn() is None
    assert asking.told() == ["there is no target here"]


def test_a_crash_between_the_file_and_its_mark_writes_it_again(asking: Asking, monkeypatch: pytest.MonkeyPatch) -> None:
    asking.begin()
    asked = asking.answered()

    def crash(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("overnight.daemon.answers._note", crash)
    with pytest.raises(KeyboardInterrupt):
        asking.answers.turn()
    monkeypatch.undo()
    asking.file(asked).unlink()
    assert asking.answers.turn() is None
    assert asking.file(asked).read_text() == "Go on"


def test_an_answer_reaches_a_target_that_came_while_the_server_ran(asking: Asking) -> None:
    here = asking.files.pop("here")
    asking.begin()
    asked = asking.answered()
    asking.files["here"] = here
    assert asking.answers.turn() is None
    assert asking.file(asked).exists()
