"""When dependants may start, and when a campaign is over."""

from __future__ import annotations

import pytest

from overnight.domain.states import FINAL_RUN, OPEN_RUN, RUN
from overnight.planner.waves import Standing, campaign_end, standing


@pytest.mark.parametrize("state", OPEN_RUN)
def test_a_sweep_is_open_while_any_run_goes_on_by_itself(state: str) -> None:
    assert standing({state: 1, "succeeded": 5, "failed": 1}) is Standing.OPEN
    assert campaign_end({state: 1, "failed": 3}) is None


def test_every_state_is_either_open_or_final() -> None:
    assert {*OPEN_RUN, *FINAL_RUN} == set(RUN.states)


def test_a_need_is_met_only_by_success_of_every_run() -> None:
    assert standing({"succeeded": 3}) is Standing.MET
    assert standing({}) is Standing.MET
    assert standing({"succeeded": 3, "failed": 0}) is Standing.MET
    for state in ("failed", "cancelled", "blocked"):
        assert standing({"succeeded": 3, state: 1}) is Standing.LOST


def test_a_campaign_ends_as_its_worst_run() -> None:
    assert campaign_end({"succeeded": 2}) == "succeed"
    assert campaign_end({"succeeded": 2, "cancelled": 1}) == "cancel"
    assert campaign_end({"cancelled": 1, "blocked": 1}) == "fail"
    assert campaign_end({"failed": 1, "cancelled": 1}) == "fail"
