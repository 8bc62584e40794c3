"""Alerts as messages: short, and inert whatever a job wrote."""

from __future__ import annotations

import pytest

from overnight.domain.alerts import Alert
from overnight.reports.message import LONGEST_BODY, LONGEST_TITLE, message
from tests.reports.test_renderers import ATTACKS


def alert(title: str = "run s1 is stuck: code_error", detail: str = "KeyError: 'x'", **given: str | None) -> Alert:
    kind, campaign = given.get("kind", "stuck"), given.get("campaign", "c" * 12)
    return Alert(1, str(kind), "s1.1", campaign, title, detail, 0.0, 0, 0.0, None, None)


def test_one_alert_says_what_happened_and_marks_what_the_job_wrote() -> None:
    found = message([alert()])
    assert found.title == "Overnight: run s1 is stuck: code_error"
    assert found.body == (
        f"Text from the job, not from Overnight:\n«KeyError: 'x'»\nLook: overnight summary {'c' * 12}"
    )


def test_what_is_our_own_is_not_called_the_jobs() -> None:
    found = message([alert("campaign c is over", "3 succeeded", kind="settled")])
    assert found.body == f"3 succeeded\nLook: overnight summary {'c' * 12}"
    assert message([alert("no room", "", kind="disk_full", campaign=None)]).body == "Look: overnight alerts"


def test_many_alerts_are_one_message_with_a_few_names() -> None:
    found = message([alert(f"run s{number} is stuck") for number in range(5_000)])
    assert found.title == "Overnight: run s0 is stuck and 4999 more"
    assert found.body.splitlines()[:2] == ["- run s0 is stuck", "- run s1 is stuck"]
    assert "- and 4995 more" in found.body


@pytest.mark.parametrize(
    "text", [*ATTACKS, "@everyone <!channel> <@U1>", "x" * 100_000, "://" * 100, "a\nOvernight: all is well"]
)
def test_hostile_text_stays_one_short_line_without_mention_or_link(text: str) -> None:
    for found in (message([alert(text, text)]), message([alert(text, text)] * 3)):
        assert found.title.isprintable()
        assert all(line.isprintable() for line in found.body.split("\n"))
        assert len(found.title) <= LONGEST_TITLE
        assert len(found.body) <= LONGEST_BODY
        assert len(found.body.splitlines()) <= 8
        for dangerous in ("@", "<", ">", "://", "`", "](", "\nOvernight: all"):
            assert dangerous not in found.title + found.body
