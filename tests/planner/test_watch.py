"""What is said of attempts that live, and what is never held against them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from overnight.domain.reasons import Mark, Reason
from overnight.planner.watch import (
    FASTEST_PACE,
    SLOWEST_PACE,
    Glimpse,
    Limits,
    Watched,
    all_idle,
    first_look,
    length,
    next_look,
    notices,
)

STILL = Glimpse(100, 5.0, whole=True, idle=False)
IDLE = Glimpse(100, 5.0, whole=True, idle=True)
LIMITS = Limits(None, 60.0, 120.0)


def watched(limits: Limits, glimpses: list[Glimpse], step: float = 10.0) -> Watched:
    """Look at each, `step` seconds apart."""
    seen = first_look(glimpses[0], 0.0, 1000.0)
    for number, glimpse in enumerate(glimpses[1:], start=1):
        seen = next_look(seen, glimpse, limits, 1000.0 + number * step)
    return seen


def kinds(limits: Limits, seen: Watched) -> list[Mark | Reason]:
    return [notice.kind for notice in notices(limits, seen)]


def test_an_attempt_whose_log_and_files_are_still_is_silent_and_later_hung() -> None:
    assert kinds(LIMITS, watched(LIMITS, [STILL] * 6)) == []
    assert kinds(LIMITS, watched(LIMITS, [STILL] * 7)) == [Mark.SILENT]
    found = notices(LIMITS, watched(LIMITS, [STILL] * 13))
    assert [notice.kind for notice in found] == [Mark.SILENT, Reason.HANG]
    assert found[1].detail == "hang: no output and no progress for 2 min"


@pytest.mark.parametrize(
    "moved",
    [
        Glimpse(101, 5.0, whole=True, idle=False),
        Glimpse(100, 6.0, whole=True, idle=False),
        Glimpse(100, 4.0, whole=True, idle=False),
        Glimpse(100, None, whole=True, idle=False),
        Glimpse(100, 5.0, whole=False, idle=False),
    ],
    ids=["output", "a checkpoint", "a file went away", "all files went away", "nobody can say"],
)
def test_whatever_moves_or_cannot_be_seen_makes_it_start_anew(moved: Glimpse) -> None:
    assert watched(LIMITS, [STILL] * 12 + [moved]).still == 0.0


def test_an_attempt_is_slow_beyond_twice_its_estimate() -> None:
    limits = Limits(30.0, None, None)
    assert kinds(limits, first_look(STILL, 60.0, 0.0)) == []
    found = notices(limits, first_look(STILL, 61.0, 0.0))
    assert [notice.kind for notice in found] == [Mark.SLOW]
    assert found[0].detail == "has run for 61 s, more than twice its estimate of 30 s"
    assert kinds(limits, watched(limits, [STILL] * 8)) == [Mark.SLOW]


def test_an_attempt_is_idle_when_its_gpus_are_for_the_whole_time() -> None:
    limits = Limits(None, 60.0, None)
    moving = [Glimpse(number, 5.0, whole=True, idle=True) for number in range(7)]
    assert kinds(limits, watched(limits, moving)) == [Mark.IDLE]
    moving[3] = Glimpse(3, 5.0, whole=True, idle=False)
    assert kinds(limits, watched(limits, moving)) == []
    assert kinds(limits, watched(limits, [IDLE] * 7)) == [Mark.SILENT, Mark.IDLE]


def test_nothing_is_said_where_nothing_is_declared() -> None:
    limits = Limits(None, None, None)
    assert not limits.any
    assert kinds(limits, watched(limits, [IDLE] * 1000)) == []
    assert LIMITS.any


@pytest.mark.parametrize(
    ("limits", "pace"),
    [
        (Limits(None, None, None), SLOWEST_PACE),
        (Limits(None, 1800.0, None), SLOWEST_PACE),
        (Limits(None, 1800.0, 8.0), 2.0),
        (Limits(2.0, 1800.0, None), 1.0),
        (Limits(None, None, 0.1), FASTEST_PACE),
    ],
)
def test_looks_are_as_frequent_as_the_shortest_length_needs(limits: Limits, pace: float) -> None:
    assert limits.pace == pace


def test_time_that_nobody_watched_is_not_held_against_an_attempt() -> None:
    asleep = next_look(first_look(IDLE, 0.0, 0.0), IDLE, LIMITS, 30_000.0)
    assert kinds(LIMITS, asleep) == []
    assert (asleep.still, asleep.idle, asleep.age) == (30.0, 30.0, 30.0)


def test_clocks_that_stand_wrong_do_not_age_an_attempt() -> None:
    assert first_look(STILL, -3600.0, 0.0).age == 0.0
    assert next_look(first_look(STILL, 5.0, 100.0), STILL, LIMITS, 50.0).age == 5.0


@given(
    hang=st.floats(0.1, 1e5),
    looks=st.lists(st.tuples(st.floats(0.0, 1e6), st.booleans()), min_size=1, max_size=60),
)
def test_an_attempt_that_moved_at_the_last_look_is_never_hung(hang: float, looks: list[tuple[float, bool]]) -> None:
    limits = Limits(None, None, hang)
    now, log, seen = 0.0, 0, first_look(Glimpse(0, None, whole=True, idle=False), 0.0, 0.0)
    still_for = 0.0
    for gap, moves in looks:
        now, log = now + gap, log + moves
        still_for = 0.0 if moves else still_for + gap
        seen = next_look(seen, Glimpse(log, None, whole=True, idle=False), limits, now)
        if notices(limits, seen):
            assert not moves
            assert still_for >= hang * 0.999


@pytest.mark.parametrize(
    ("utilisations", "idle"), [([], False), ([4], True), ([0, 5], False), ([0, None], False), ([0, 4, 1], True)]
)
def test_gpus_are_idle_when_all_are_known_to_be(utilisations: list[int | None], idle: bool) -> None:
    assert all_idle(utilisations) == idle


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.4, "0 s"), (119, "119 s"), (1860, "31 min"), (7199, "120 min"), (9000, "2.5 h")]
)
def test_lengths_are_told_in_one_unit(seconds: float, text: str) -> None:
    assert length(seconds) == text
