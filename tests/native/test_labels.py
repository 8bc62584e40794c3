"""Labels on campaigns, sweeps and runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from overnight.domain.errors import InvalidRequest, NotFound
from tests.native.test_listing import names, plan, singles
from tests.service.desk import Desk


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def test_a_run_has_the_labels_of_its_campaign_and_sweep_and_its_own_over_them(desk: Desk) -> None:
    campaign = desk.submit(plan("one", [1, 2]))
    desk.ask("label", id=campaign, set={"paper": "icml", "stage": "draft"})
    desk.ask("label", id="one/s", set={"stage": "pilot"})
    desk.ask("label", id="one/one-0", set={"stage": "final"})
    assert desk.ask("show", id="one/one-0")["labels"] == {"paper": "icml", "stage": "final"}
    assert desk.ask("show", id="one/s")["labels"] == {"stage": "pilot"}
    assert names(desk, label="paper") == ["one-1", "one-0"]
    assert names(desk, label="stage=pilot") == ["one-1"]
    assert names(desk, label="stage=draft") == []
    assert names(desk, label="stage=final") == ["one-0"]


def test_each_change_of_a_label_is_on_record_with_before_and_after(desk: Desk) -> None:
    (run,) = singles(desk, "a")
    desk.ask("label", id=run, set={"x": "1", "y": "2"})
    answer = desk.ask("label", id=run, set={"x": "3"}, remove=["y", "nothing"])
    assert answer == {"id": run, "kind": "run", "labels": {"x": "3"}, "changed": True}
    assert desk.events("label.set")[-1] == {"name": "x", "before": "1", "after": "3", "subject": run, "actor": "ada"}
    assert desk.events("label.remove") == [{"name": "y", "before": "2", "subject": run, "actor": "ada"}]
    desk.check()


def test_setting_what_is_set_changes_nothing(desk: Desk) -> None:
    (run,) = singles(desk, "a")
    desk.ask("label", id=run, set={"x": "1"})
    before = desk.last_event()
    assert desk.ask("label", id=run, set={"x": "1"}, remove=["y"])["changed"] is False
    assert desk.last_event() == before


def test_runs_are_labelled_as_they_are_submitted(desk: Desk) -> None:
    asked = [{"name": "a", "command": "true", "workdir": "/", "labels": {"seed": "1"}} for _ in range(2)]
    asked.append({"name": "b", "command": "true", "workdir": "/"})
    first, second, third = desk.ask("submit_runs", runs=asked, labels={"all": "yes", "seed": "0"})["ids"]
    assert desk.ask("show", id=second)["labels"] == {"all": "yes", "seed": "1"}
    assert desk.ask("show", id=third)["labels"] == {"all": "yes", "seed": "0"}
    assert [event["ids"] for event in desk.events("label.set")] == [[first, second], [third]]
    desk.check()


@pytest.mark.parametrize("name", ["", "a=b", "a\0b", "x" * 101])
def test_names_that_no_filter_could_name_are_refused(desk: Desk, name: str) -> None:
    (run,) = singles(desk, "a")
    with pytest.raises(InvalidRequest):
        desk.ask("label", id=run, set={name: "1"})


def test_a_thing_has_at_most_a_hundred_labels(desk: Desk) -> None:
    (run,) = singles(desk, "a")
    desk.ask("label", id=run, set={f"n{place}": "" for place in range(100)})
    with pytest.raises(InvalidRequest, match="at most 100"):
        desk.ask("label", id=run, set={"one more": ""})
    assert len(desk.ask("show", id=run)["labels"]) == 100


def test_what_is_not_there_is_not_labelled_and_nothing_is_both_set_and_removed(desk: Desk) -> None:
    with pytest.raises(NotFound):
        desk.ask("label", id="nobody", set={"a": "1"})
    (run,) = singles(desk, "a")
    with pytest.raises(InvalidRequest, match="set too"):
        desk.ask("label", id=run, set={"a": "1"}, remove=["a"])


def test_hostile_labels_come_back_as_they_were_given(desk: Desk) -> None:
    (run,) = singles(desk, "a")
    words = {"'; DROP TABLE runs; --": '"\\\n\t${x}', "é€😀": "<script>", "%s {0} :name": "=="}
    desk.ask("label", id=run, set=words)
    assert desk.ask("show", id=run)["labels"] == words
    for name, value in words.items():
        assert names(desk, label=f"{name}={value}") == ["a"]
