"""A sweep is a phase of its own unless it says which one it is part of."""

from __future__ import annotations

import pytest

from overnight.domain.nouns import Sweep, SweepSettings
from overnight.domain.plan import EnvironmentPlan, Need, Retry, SweepPlan


@pytest.mark.parametrize(("declared", "expected"), [("", "s"), ("wave", "wave")])
def test_the_phase_of_a_sweep(declared: str, expected: str) -> None:
    assert SweepPlan("s", (), "/", phase=declared).phase_name == expected
    settings = SweepSettings("/", Need(), Retry(), EnvironmentPlan(), None, 10.0, None, (), phase=declared)
    assert Sweep("id", 1, None, "s", "active", "open", 0, settings, 0.0, None).phase == expected
