"""Thousands of random schedules keep every invariant, and meet every fault and every rare situation."""

from __future__ import annotations

import os
import time

import pytest

from tests.sim.campaign import report, simulate_on

SCHEDULES = int(os.environ.get("OVERNIGHT_TEST_SCHEDULES", "3500"))
FIRST_SEED = int(os.environ.get("OVERNIGHT_TEST_SEED", "0"))
"""Where the seeds begin: the same ones every time, unless a soak test asks for others."""
PROCESSES = 2
ENOUGH_TO_MEET_EVERYTHING = 2_000
"""Schedules from which on every fault and every rare situation must have occurred."""


@pytest.mark.timeout(1_800)
def test_no_schedule_breaks_an_invariant_and_nothing_that_can_go_wrong_is_left_out() -> None:
    began = time.monotonic()
    summary = simulate_on(PROCESSES, range(FIRST_SEED, FIRST_SEED + SCHEDULES))
    report(summary, time.monotonic() - began)
    assert not summary.failures, "\n\n".join(summary.failures[:5])
    assert summary.schedules == SCHEDULES
    if SCHEDULES >= ENOUGH_TO_MEET_EVERYTHING:
        assert not summary.missing, f"never met: {summary.missing}"
