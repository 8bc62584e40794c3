"""When the first runs of a sweep speak against the rest, and when a success came too soon."""

from __future__ import annotations

import pytest

from overnight.domain.reasons import Reason
from overnight.planner.breaker import ALIKE, is_due, trips
from overnight.planner.pace import too_fast


@pytest.mark.parametrize("reason", sorted(ALIKE))
def test_equal_failures_of_the_program_or_its_surroundings_trip_it(reason: Reason) -> None:
    assert trips(3, [(reason, "KeyError: 'lr'")] * 3)


@pytest.mark.parametrize(
    "failures",
    [
        [(Reason.CODE_ERROR, "a")] * 2,
        [(Reason.CODE_ERROR, "a"), (Reason.CODE_ERROR, "a"), (Reason.CODE_ERROR, "b")],
        [(Reason.CODE_ERROR, "a"), (Reason.NONZERO_EXIT, "a"), (Reason.CODE_ERROR, "a")],
        [(Reason.CODE_ERROR, None)] * 3,
        [(Reason.NONZERO_EXIT, "")] * 3,
        [(Reason.VRAM_OOM, "a")] * 3,
        [(Reason.DIVERGED, "a")] * 3,
    ],
)
def test_other_failures_do_not(failures: list[tuple[str, str | None]]) -> None:
    assert not trips(3, failures)


def test_it_is_looked_at_when_exactly_so_many_failed_none_succeeded_and_something_is_left() -> None:
    assert is_due(3, {"failed": 3, "queued": 1})
    assert is_due(3, {"failed": 3, "waiting": 1, "running": 2})
    assert not is_due(None, {"failed": 3, "queued": 1})
    assert not is_due(3, {"failed": 2, "queued": 1})
    assert not is_due(3, {"failed": 4, "queued": 1})
    assert not is_due(3, {"failed": 3, "queued": 1, "succeeded": 1})
    assert not is_due(3, {"failed": 3, "running": 4})


def test_a_success_in_less_than_half_the_usual_time_is_suspicious() -> None:
    assert too_fast(49.0, [100.0, 90.0, 500.0], None) == "took 49 s, others of its sweep took 100 s"
    assert too_fast(50.0, [100.0, 90.0, 500.0], None) is None
    assert too_fast(1.0, [100.0, 90.0], None) is None
    assert too_fast(1.0, [10.0, 10.0, 10.0], None) is None


def test_a_success_in_less_than_half_its_estimate_is_suspicious() -> None:
    assert too_fast(20.0, [], 60.0) == "took 20 s, 60 s were estimated"
    assert too_fast(30.0, [30.0, 30.0, 31.0], 60.0) is None
