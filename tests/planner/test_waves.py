"""When dependants and waves behind a barrier may start, and when a campaign is over."""

from __future__ import annotations

from dataclasses import replace

import pytest

from overnight.domain.nouns import Device
from overnight.domain.plan import Need
from overnight.domain.states import FINAL_RUN, RUN, UNFINISHED_RUN
from overnight.planner.waves import FRESH_SECONDS, Standing, Wave, campaign_end, standing, unsettled


@pytest.mark.parametrize("state", UNFINISHED_RUN)
def test_a_sweep_is_open_while_any_run_is_at_no_end(state: str) -> None:
    assert standing({state: 1, "succeeded": 5, "failed": 1}) is Standing.OPEN
    assert campaign_end({state: 1, "failed": 3}) is None


def test_every_state_is_either_unfinished_or_final() -> None:
    assert {*UNFINISHED_RUN, *FINAL_RUN} == set(RUN.states)


def test_a_need_is_met_only_by_success_of_every_run() -> None:
    assert standing({"succeeded": 3}) is Standing.MET
    assert standing({}) is Standing.MET
    assert standing({"succeeded": 3, "failed": 0}) is Standing.MET
    for state in ("failed", "cancelled", "blocked"):
        assert standing({"succeeded": 3, state: 1}) is Standing.LOST


def test_a_campaign_without_runs_is_not_over() -> None:
    assert campaign_end({}) is None
    assert campaign_end({"succeeded": 0}) is None


def test_a_campaign_ends_as_its_worst_run() -> None:
    assert campaign_end({"succeeded": 2}) == "succeed"
    assert campaign_end({"succeeded": 2, "cancelled": 1}) == "cancel"
    assert campaign_end({"cancelled": 1, "blocked": 1}) == "fail"
    assert campaign_end({"failed": 1, "cancelled": 1}) == "fail"


NOW = 1000.0
GPU = Device("here/GPU-1", "here", "gpu", 0, "GPU-1", "H100", 80_000, "healthy", None, None, NOW)
NEED = Need(gpus=1)


def waits_for(*devices: Device, need: Need = NEED, **left: object) -> str | None:
    wave = Wave(**{"going_on": {}, "holding": [], "devices": devices, **left})  # type: ignore[arg-type]
    return unsettled(wave, need, NOW)


def test_a_barrier_is_open_when_nothing_of_the_phases_before_is_left() -> None:
    assert waits_for() is None
    assert waits_for(GPU) is None


def test_a_barrier_names_the_phases_that_are_not_over() -> None:
    found = waits_for(going_on={"a": 1, "b": 2, "c": 3, "d": 4})
    assert found == "its barrier waits for a (1 run not over), b (2 runs not over), c (3 runs not over) and 1 more"


def test_a_barrier_waits_for_devices_that_were_not_proven_to_be_left() -> None:
    found = waits_for(GPU, holding=["here/slot0"])
    assert found == "its barrier waits until processes and memory of earlier runs are gone from here/slot0"


@pytest.mark.parametrize(
    ("device", "need", "why"),
    [
        (replace(GPU, busy="pid 7"), NEED, "H100 0: pid 7"),
        (replace(GPU, used_mib=400), Need(gpus=1, free_below_mib=300), "H100 0: 400 MiB of its memory are in use"),
        (replace(GPU, seen_at=NOW - FRESH_SECONDS - 1), NEED, "H100 0: it was not looked at lately"),
    ],
)
def test_a_barrier_waits_for_allowed_gpus_that_are_not_clean(device: Device, need: Need, why: str) -> None:
    assert waits_for(device, need=need) == f"its barrier waits for clean GPUs: {why}"


def test_a_barrier_does_not_wait_for_gpus_that_its_runs_never_get() -> None:
    busy = replace(GPU, busy="pid 7")
    assert waits_for(busy, need=Need(gpus=1, devices=(1,))) is None
    assert waits_for(replace(busy, state="quarantined")) is None
    assert waits_for(replace(busy, kind="slot")) is None
