"""What questions offer."""

from __future__ import annotations

from dataclasses import FrozenInstanceError

import pytest

from overnight.domain.questions import IGNORE, SEVERITIES, STOP_RUN, USUAL_SEVERITY, Question


def test_the_usual_severity_is_one_of_them() -> None:
    assert USUAL_SEVERITY in SEVERITIES


def test_an_answer_that_ends_the_run_is_not_the_harmless_one() -> None:
    assert IGNORE != STOP_RUN


def test_a_question_is_a_value_that_nobody_changes() -> None:
    asked = Question("0" * 32, "r", 1, None, "info", "m", ("a",), 0.0, None, None, None, None, None)
    with pytest.raises(FrozenInstanceError):
        asked.response = "a"  # type: ignore[misc]
