"""Alerts as the record keeps them."""

from __future__ import annotations

import pytest

from overnight.domain.alerts import ANALYSIS, DEFAULT_KINDS, Alert, AlertKind


@pytest.mark.parametrize(
    ("tries", "next_at", "sent_at", "standing"),
    [(0, 5.0, None, "waiting"), (3, 9.0, None, "waiting"), (1, None, 7.0, "sent"), (1, None, 5.0, "sent"),
     (0, None, 5.0, "unwanted"), (40, None, None, "given up")],
)  # fmt: skip
def test_an_alert_says_how_it_stands(tries: int, next_at: float | None, sent_at: float | None, standing: str) -> None:
    assert Alert(1, "stuck", "a.1", None, "t", "d", 5.0, tries, next_at, None, sent_at).standing == standing


def test_the_request_for_an_analysis_is_nothing_to_tell() -> None:
    assert ANALYSIS not in list(AlertKind)
    assert set(DEFAULT_KINDS) < set(AlertKind)
