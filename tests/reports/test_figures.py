"""Numbers, lengths and hostile text as text."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as some

from overnight.reports.axis import fit
from overnight.reports.duration import duration
from overnight.reports.figures import measured, moment, number
from overnight.reports.visible import visible


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, "–"),
        (math.nan, "–"),
        (-3.0, "0 s"),
        (0.0, "0 s"),
        (0.0001, "< 1 ms"),
        (0.85, "850 ms"),
        (0.9996, "1.0 s"),
        (9.94, "9.9 s"),
        (42.4, "42 s"),
        (59.6, "1 min 00 s"),
        (200.0, "3 min 20 s"),
        (3599.7, "1 h 00 min"),
        (3840.0, "1 h 04 min"),
        (86_399.0, "1 d 00 h"),
        (2 * 86_400 + 3 * 3_600, "2 d 03 h"),
    ],
)
def test_lengths_read_as_people_say_them(seconds: float | None, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "–"),
        (0.95412, "0.9541"),
        (12.3456, "12.35"),
        (123_456.7, "123457"),
        (64.0, "64"),
        (-0.5, "-0.5000"),
        (0.00001234, "1.234e-05"),
        (1e12, "1.000e+12"),
        (math.nan, "NaN"),
        (-math.inf, "-Infinity"),
    ],
)
def test_numbers_have_four_digits_and_no_more(value: float | None, text: str) -> None:
    assert number(value) == text


@pytest.mark.parametrize(
    ("mean", "deviation", "text"),
    [
        (0.95412, 0.00312, "0.9541 ± 0.0031"),
        (0.95412, None, "0.9541"),
        (0.5, 0.0, "0.5000 ± 0"),
        (1234.5, 56.7, "1234 ± 57"),
        (1e12, 3e10, "1.000e+12 ± 3.0e+10"),
        (0.5, 1e-12, "5.000e-01 ± 1.0e-12"),
        (None, None, "–"),
    ],
)
def test_a_mean_is_read_as_far_as_its_deviation_lets_it(mean: float | None, deviation: float | None, text: str) -> None:
    assert measured(mean, deviation) == text


def test_moments_that_no_calendar_has_are_a_dash() -> None:
    assert moment(0.0) == "1970-01-01 00:00 UTC"
    assert [moment(seconds) for seconds in (None, 1e300, math.nan, -1e18)] == ["–"] * 4


@given(some.text(), some.integers(min_value=2, max_value=50))
def test_visible_text_is_one_short_line_that_can_be_encoded(text: str, most: int) -> None:
    shown = visible(text, most)
    assert len(shown) <= most
    assert shown.splitlines() in ([], [shown])
    shown.encode("utf-8")
    assert not any(letter < " " or letter in "\x7f\u202e\u2066\u200b\ufeff" for letter in shown)


FINITE = some.floats(allow_nan=False, allow_infinity=False)


@given(some.lists(FINITE, min_size=1, max_size=8))
def test_an_axis_has_a_few_ticks_inside_itself_for_whatever_values(values: list[float]) -> None:
    axis = fit(values, left=100, right=600)
    places = [axis.x(value) for value, _ in axis.ticks()]
    assert len(places) <= 8
    assert all(99 <= place <= 601 for place in places)
    assert all(100 <= axis.x(value) <= 600 for value in values)


def test_ticks_are_round() -> None:
    axis = fit([0.741, 0.977], left=0, right=1)
    assert [text for _, text in axis.ticks()] == ["0.75", "0.80", "0.85", "0.90", "0.95"]
