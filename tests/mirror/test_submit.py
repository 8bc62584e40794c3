"""Campaigns whose runs work in a frozen copy: what is copied when they are submitted, changed and tried again."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from overnight.domain.errors import Refused
from overnight.domain.nouns import SweepSettings
from overnight.domain.plan import CellPlan, SweepPlan
from overnight.domain.reasons import Reason
from overnight.runner import snapshot
from overnight.service.freeze import outputs_of, secrets_of
from overnight.store import campaigns
from tests.service.desk import Desk

CAMPAIGN = """
campaign: study
workdir: {folder}
mirror: true
sweeps:
  teachers:
    grid: {{N: [{numbers}]}}
    name: t_${{N}}
    command: [sh, train.sh]
    outputs: ['out/${{N}}.json']
  here:
    mirror: false
    name: here
    command: [sh, train.sh]
"""


class Study:
    """A working folder, and a campaign in it."""

    def __init__(self, folder: Path) -> None:
        self.desk = Desk(folder / "home")
        self.folder = folder / "work"
        (self.folder / "out").mkdir(parents=True)
        (self.folder / "train.sh").write_text("echo 1\n")
        self.store = folder / "home" / "code"

    def ask(self, operation: str, numbers: str = "1, 2", **more: Any) -> dict[str, Any]:
        text = CAMPAIGN.format(folder=self.folder, numbers=numbers)
        return self.desk.ask(operation, file=text, directory=str(self.folder), **more)

    def settings(self, name: str = "teachers") -> SweepSettings:
        found = self.desk.store.read(lambda s: [s.row("campaigns_active")])
        sweeps = self.desk.store.read(lambda s: campaigns.sweeps_of(s, found[0][0]))
        return next(it.settings for it in sweeps if it.name == name)

    def copies(self) -> list[str]:
        return sorted(it.name for it in self.store.iterdir() if not it.name.startswith("."))


@pytest.fixture
def study(tmp_path: Path) -> Iterator[Study]:
    (tmp_path / "home").mkdir()
    made = Study(tmp_path)
    yield made
    made.desk.check()
    made.desk.store.close()


def test_a_submitted_campaign_works_in_a_copy_of_its_folder(study: Study) -> None:
    (study.folder / "out" / "1.json").write_text("{}")
    study.ask("submit")
    code = study.settings().code
    assert code is not None
    assert [it.listed.path for it in snapshot.read(str(study.store / code))] == ["out", "train.sh"]
    assert study.settings("here").code is None


def test_a_plan_copies_nothing(study: Study) -> None:
    study.ask("plan")
    assert not study.store.exists()


def test_the_same_file_again_is_the_same_campaign_and_copies_nothing(study: Study) -> None:
    first = study.ask("submit")
    (study.folder / "train.sh").write_text("echo 2\n")
    assert study.ask("submit")["campaign"] == first["campaign"]
    assert study.copies() == [study.settings().code]


def test_a_retried_run_works_in_the_copy_that_it_was_submitted_with(study: Study) -> None:
    campaign = study.ask("submit")["campaign"]["id"]
    before = study.settings().code
    run = study.desk.runs(campaign)["t_1"]
    study.desk.carry_out(run, "fail", Reason.NONZERO_EXIT)
    (study.folder / "train.sh").write_text("echo 2\n")
    study.desk.ask("retry", id=run.id)
    assert study.settings().code == before
    shown = study.desk.ask("show", id=run.id)
    assert shown["frozen"]["snapshot"] == before


def test_an_update_works_in_the_folder_as_it_is_now_and_keeps_what_live_attempts_have(study: Study) -> None:
    campaign = study.ask("submit")["campaign"]["id"]
    before = study.settings().code
    attempt = study.desk.start(study.desk.runs(campaign)["t_1"])
    assert not study.ask("update", id=campaign)["changed"]
    (study.folder / "train.sh").write_text("echo 2\n")
    assert study.ask("update", id=campaign)["changed"]
    assert study.settings().code != before
    assert f'"code":"{before}"' in study.desk.store.read(lambda s: s.value("attempt_settings", id=attempt))
    assert study.copies() == sorted([str(before), str(study.settings().code)])
    assert ["code"] in [it["changed"] for it in study.desk.events("sweep.update")]


def test_what_cannot_be_copied_is_refused_and_nothing_is_submitted(study: Study) -> None:
    (study.folder / "data").symlink_to("/etc")
    with pytest.raises(Refused, match=r"data in .* leads out of the folder"):
        study.ask("submit")
    assert study.desk.events("campaign.create") == []


def test_a_folder_that_holds_the_home_is_copied_without_it(tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    study = Study(tmp_path)
    study.folder = tmp_path
    (tmp_path / "train.sh").write_text("echo 1\n")
    study.ask("submit")
    code = study.settings().code
    found = [it.listed.path for it in snapshot.read(str(study.store / str(code)))]
    assert found == ["train.sh", "work/out", "work/train.sh"]
    study.desk.store.close()


def test_outputs_that_lie_elsewhere_leave_nothing_out() -> None:
    outputs = ("out/a.json", "./b.csv", "${run_dir}/c.json", "/abs/d", "../e", "ckpt/${GPU}.pt", "log/*.txt")
    found = outputs_of([SweepPlan("s", (CellPlan("a", {}, "true", outputs),), "/w")])
    assert found.paths == {"out/a.json", "b.csv"}
    assert found.patterns == ("/ckpt/*.pt", "/log/*.txt")


def test_a_file_that_is_named_as_a_secret_lies_in_no_copy(tmp_path: Path) -> None:
    (tmp_path / "work").mkdir()
    (tmp_path / "link").symlink_to("work")
    named = ("file:.env", "file:keys/../api key", f"file:{tmp_path}/link/token", "file:/etc/other", "env:HOME")
    secrets = tuple((f"S{place}", it) for place, it in enumerate(named))
    sweep = SweepPlan("s", (CellPlan("c", {}, "true"),), str(tmp_path / "work"), secrets=secrets)
    assert secrets_of([sweep]) == {".env", "api key", "token"}


def test_secrets_stay_at_home(study: Study) -> None:
    (study.folder / ".env").write_text("canary")
    (study.folder / ".env-example").write_text("KEY=")
    text = CAMPAIGN.format(folder=study.folder, numbers="1")
    text = text.replace("mirror: true", f"mirror: {{exclude: ['!.env']}}\nsecrets: {{K: 'file:{study.folder}/.env'}}")
    study.desk.ask("submit", file=text, directory=str(study.folder))
    left = {it.name for it in study.store.rglob("*")}
    assert ".env-example" in left
    assert ".env" not in left
