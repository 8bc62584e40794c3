"""Questions of jobs and rules: asked, listed, answered once (W80)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from overnight.domain.access import Scope
from overnight.domain.errors import BadRequest, Conflict, InvalidRequest, LimitExceeded, NotFound
from overnight.domain.nouns import Run
from overnight.domain.plan import CampaignPlan, CellPlan, Retry, SweepPlan
from overnight.service.dispatch import perform
from overnight.store.base import Change
from overnight.store.questions import MOST_OPEN
from tests.service.desk import Desk

KEYS = {
    "id", "run_id", "timestamp", "severity", "message", "choices", "status", "response", "responded_at", "session_id",
    "auto_session",
}  # fmt: skip


class Asking(Desk):
    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.campaign = self.submit(
            CampaignPlan("study", (SweepPlan("s", (CellPlan("a", {}, "true"),), "/tmp", retry=Retry(attempts=3)),))
        )

    @property
    def run(self) -> Run:
        return self.runs(self.campaign)["a"]

    def alert(self, **fields: Any) -> str:
        asked = {"message": "Loss is odd. Stop?", "choices": ["Yes", "No"], **fields}
        return str(self.ask("create_alert", id=self.run.id, **asked)["alert_id"])

    def alerts(self) -> list[dict[str, Any]]:
        return list(perform(self.context, "get_alerts", {}))

    def losses(self, *values: Any) -> None:
        self.ask("append_metrics", id=self.run.id, rows=[{"loss": value} for value in values])


@pytest.fixture
def asking(tmp_path: Path) -> Iterator[Asking]:
    made = Asking(tmp_path)
    yield made
    made.check()
    made.store.close()


def test_a_question_is_listed_with_all_keys_newest_first(asking: Asking) -> None:
    first, second = asking.alert(), asking.alert(severity="critical")
    assert re.fullmatch(r"[0-9a-f]{32}", first)
    listed = asking.alerts()
    assert [it["id"] for it in listed] == [second, first]
    assert set(listed[0]) == KEYS
    assert (listed[0]["severity"], listed[1]["severity"]) == ("critical", "warning")
    assert (listed[0]["status"], listed[0]["response"], listed[0]["choices"]) == ("pending", None, ["Yes", "No"])
    assert [it["kind"] for it in asking.ask("alerts")["alerts"]] == ["question", "question"]


@pytest.mark.parametrize("severity", ["info", "warning", "critical"])
def test_known_severities_are_kept(asking: Asking, severity: str) -> None:
    asking.alert(severity=severity)
    assert asking.alerts()[0]["severity"] == severity


@pytest.mark.parametrize("severity", ["fatal", "", None, 3, ["info"], {}])
def test_any_other_severity_is_a_warning(asking: Asking, severity: Any) -> None:
    asking.alert(severity=severity)
    assert asking.alerts()[0]["severity"] == "warning"


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"choices": []}, BadRequest),
        ({"choices": "Yes"}, InvalidRequest),
        ({"choices": ["Yes", 3]}, InvalidRequest),
        ({"choices": ["x"] * 21}, InvalidRequest),
        ({"choices": [""]}, InvalidRequest),
        ({"message": ""}, InvalidRequest),
        ({"message": "x" * 10_001}, InvalidRequest),
    ],
)
def test_a_question_that_nobody_could_answer_is_refused(asking: Asking, fields: dict[str, Any], error: Any) -> None:
    with pytest.raises(error):
        asking.alert(**fields)
    assert asking.alerts() == []


def test_a_question_without_choices_or_about_no_run_is_refused(asking: Asking) -> None:
    with pytest.raises(InvalidRequest):
        asking.ask("create_alert", id=asking.run.id, message="Well?")
    with pytest.raises(NotFound, match=r"^Run not found$"):
        asking.ask("create_alert", id="0" * 12, message="Well?", choices=["Yes"])


def test_the_first_answer_stands(asking: Asking) -> None:
    asked = asking.alert()
    with pytest.raises(BadRequest, match=r"^Invalid choice$"):
        asking.ask("respond_to_alert", id=asked, choice="Maybe")
    with pytest.raises(NotFound):
        asking.ask("respond_to_alert", id="0" * 32, choice="Yes")
    for _ in range(2):
        assert asking.ask("respond_to_alert", id=asked, choice="Yes")["message"]
    with pytest.raises(Conflict):
        asking.ask("respond_to_alert", id=asked, choice="No")
    listed = asking.alerts()[0]
    assert (listed["status"], listed["response"]) == ("resolved", "Yes")
    assert listed["responded_at"] >= listed["timestamp"]
    answered = asking.events("question.answer")
    assert [(it["actor"], it["before"], it["after"], it["question"]) for it in answered] == [
        ("ada", None, "Yes", asked)
    ]


def test_a_question_that_waits_delays_neither_metrics_nor_the_end(asking: Asking) -> None:
    asking.start(asking.run)
    asked = asking.alert()
    asking.losses(1.0)
    asking.end(asking.run, "succeed")
    assert asking.run.state == "succeeded"
    asking.ask("respond_to_alert", id=asked, choice="No")
    assert asking.run.state == "succeeded"


def test_a_job_that_asks_in_a_loop_is_told_to_stop(asking: Asking) -> None:
    asked = [asking.alert() for _ in range(MOST_OPEN)]
    with pytest.raises(LimitExceeded):
        asking.alert()
    asking.ask("respond_to_alert", id=asked[7], choice="No")
    asking.alert()


def test_a_rule_asks_once_per_attempt(asking: Asking) -> None:
    asking.start(asking.run)
    asking.losses(2.0, "NaN", "NaN")
    asking.losses("NaN")
    assert [it["choices"] for it in asking.alerts()] == [["Ignore", "Stop run"]]
    asking.end(asking.run, "delay")
    asking.wake()
    asking.start(asking.run)
    asking.losses(2.0, "NaN")
    assert len(asking.alerts()) == 2


def test_stop_run_orders_the_end_of_the_run(asking: Asking) -> None:
    asking.start(asking.run)
    asking.losses("NaN")
    woken = asking.woken
    asking.ask("respond_to_alert", id=asking.alerts()[0]["id"], choice="Stop run")
    assert asking.run.state == "cancelling"
    assert asking.woken > woken


def test_ignoring_leaves_the_run_alone(asking: Asking) -> None:
    asking.start(asking.run)
    asking.losses("NaN")
    asking.ask("respond_to_alert", id=asking.alerts()[0]["id"], choice="Ignore")
    assert asking.run.state == "running"


def test_an_old_question_does_not_stop_a_newer_attempt(asking: Asking) -> None:
    asking.start(asking.run)
    asking.losses("NaN")
    asking.end(asking.run, "delay")
    asking.wake()
    asking.start(asking.run)
    asking.ask("respond_to_alert", id=asking.alerts()[0]["id"], choice="Stop run")
    assert asking.run.state == "running"


def test_a_job_whose_own_choice_is_called_stop_run_stops_nothing(asking: Asking) -> None:
    asking.start(asking.run)
    asking.ask("respond_to_alert", id=asking.alert(choices=["Stop run"]), choice="Stop run")
    assert asking.run.state == "running"


def test_questions_of_others_are_not_there(asking: Asking) -> None:
    asked = asking.alert()
    scope = Scope("mallory")
    stranger = replace(asking.context, change=Change("mallory", scope=scope), store=asking.context.store)
    with pytest.raises(NotFound, match="Alert not found"):
        perform(stranger, "respond_to_alert", {"id": asked, "choice": "Yes"})
    with pytest.raises(NotFound, match="Run not found"):
        perform(stranger, "append_metrics", {"id": asking.run.id, "rows": [{"loss": 1}]})
