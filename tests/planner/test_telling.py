"""When people are told, and of how much at once."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from overnight.domain.alerts import Alert
from overnight.planner.telling import (
    FIRST_PAUSE,
    GATHERING,
    GIVING_UP,
    LONGEST_PAUSE,
    MOST_A_MINUTE,
    Messages,
    Sent,
    messages,
    next_try,
)

NOW = 1_772_000_000.0


def alert(seq: int = 1, kind: str = "stuck", campaign: str | None = "c", **given: float) -> Alert:
    made = Alert(seq, kind, f"s{seq}", campaign, "t", "d", NOW, 0, NOW, None, None)
    return replace(made, **given)


def test_nothing_waits_and_nothing_is_due() -> None:
    assert messages([], [], NOW) == Messages((), None)


def test_news_is_gathered_for_a_moment_and_goes_out_together() -> None:
    waiting = [alert(seq) for seq in range(5_000)]
    assert messages(waiting, [], NOW) == Messages((), GATHERING[0])
    found = messages(waiting, [], NOW + GATHERING[0])
    assert [len(message) for message in found.now] == [5_000]
    assert found.wait is None


def test_other_kinds_and_other_campaigns_are_messages_of_their_own() -> None:
    waiting = [alert(1), alert(2, "settled"), alert(3, campaign="d"), alert(4), alert(5, "disk_full", None)]
    found = messages(waiting, [], NOW + GATHERING[0])
    assert [[it.seq for it in message] for message in found.now] == [[1, 4], [2], [3], [5]]


@pytest.mark.parametrize("before", range(6))
def test_the_more_was_said_in_the_last_hour_the_longer_is_gathered(before: int) -> None:
    recent = [Sent(("stuck", "c"), 3000.0)] * before + [Sent(("stuck", "c"), 3600.0), Sent(("stuck", "d"), 5.0)]
    expected = GATHERING[min(before, len(GATHERING) - 1)]
    assert messages([alert()], recent, NOW) == Messages((), expected)


def test_no_more_messages_go_out_in_a_minute_than_allowed() -> None:
    waiting = [alert(seq, campaign=str(seq)) for seq in range(MOST_A_MINUTE + 3)]
    later = NOW + 60.0
    first = messages(waiting, [], later)
    assert len(first.now) == MOST_A_MINUTE
    assert first.wait == 60.0
    recent = [Sent(("stuck", str(seq)), 20.0) for seq in range(MOST_A_MINUTE)]
    assert messages(waiting[MOST_A_MINUTE:], recent, later) == Messages((), 40.0)
    assert len(messages(waiting[MOST_A_MINUTE:], [replace(it, ago=60.0) for it in recent], later).now) == 3


def test_in_a_hurry_nothing_is_gathered_but_the_bound_holds() -> None:
    waiting = [alert(seq, campaign=str(seq)) for seq in range(MOST_A_MINUTE + 3)]
    assert len(messages(waiting, [], NOW, hurry=True).now) == MOST_A_MINUTE


def test_a_message_that_was_not_delivered_waits_for_its_next_try() -> None:
    again = alert(tries=2, next_at=NOW + 60.0)
    assert messages([again], [], NOW) == Messages((), 60.0)
    assert messages([again], [], NOW + 60.0).now == ((again,),)


def test_fresh_news_takes_what_could_not_be_delivered_along() -> None:
    again, fresh = alert(1, tries=2, next_at=NOW + 600.0), alert(2)
    assert messages([again, fresh], [], NOW + GATHERING[0]).now == ((again, fresh),)


@pytest.mark.parametrize("waits", [alert(), alert(tries=3, next_at=NOW + 60.0)])
def test_what_waits_since_before_the_clock_was_set_back_is_due_at_once(waits: Alert) -> None:
    assert messages([waits], [], NOW - 1e6) == Messages(((waits,),), None)


def test_a_small_correction_of_the_clock_sends_nothing_before_it_was_gathered() -> None:
    assert messages([alert()], [], NOW - 0.5) == Messages((), GATHERING[0] + 0.5)


def test_pauses_double_up_to_the_longest_until_a_day_is_over() -> None:
    assert [next_try(alert(tries=tries), NOW) for tries in range(9)] == [
        NOW + min(FIRST_PAUSE * 2**tries, LONGEST_PAUSE) for tries in range(9)
    ]
    assert next_try(alert(tries=10_000), NOW) == NOW + LONGEST_PAUSE
    assert next_try(alert(), NOW + GIVING_UP) is None


@given(
    st.lists(st.tuples(st.sampled_from(["stuck", "settled"]), st.sampled_from(["c", "d", None]), st.floats(-100, 100))),
    st.lists(st.tuples(st.sampled_from(["stuck", "settled"]), st.floats(0, 3600))),
    st.booleans(),
)
def test_every_alert_is_either_delivered_now_or_looked_at_again(
    made: list[tuple[str, str | None, float]], before: list[tuple[str, float]], hurry: bool
) -> None:
    waiting = [alert(seq, kind, campaign, at=NOW + at) for seq, (kind, campaign, at) in enumerate(made)]
    found = messages(waiting, [Sent((kind, "c"), ago) for kind, ago in before], NOW, hurry=hurry)
    told = [it for message in found.now for it in message]
    assert len({it.seq for it in told}) == len(told) <= len(waiting)
    if len(told) < len(waiting):
        assert found.wait is not None
        assert found.wait > 0
