"""Codes that stand between a destructive call and what it does."""

from __future__ import annotations

import pytest

from overnight.domain.errors import Conflict
from overnight.surfaces.mcp.confirm import MOST_CODES, VALID_SECONDS, Confirmations
from overnight.testing.clock import FakeClock

CALL = ("ada", "cancel", {"id": "abc"})


def test_a_code_is_good_once() -> None:
    codes = Confirmations(FakeClock())
    code = codes.give(*CALL)
    codes.take(code, *CALL)
    with pytest.raises(Conflict, match="not known"):
        codes.take(code, *CALL)


@pytest.mark.parametrize(
    "other",
    [("eve", "cancel", {"id": "abc"}), ("ada", "stop_run", {"id": "abc"}), ("ada", "cancel", {"id": "abd"})],
)
def test_a_code_of_another_call_does_nothing_and_is_used_up(other: tuple[str, str, dict[str, str]]) -> None:
    codes = Confirmations(FakeClock())
    code = codes.give(*CALL)
    with pytest.raises(Conflict, match="another call"):
        codes.take(code, *other)
    with pytest.raises(Conflict, match="not known"):
        codes.take(code, *CALL)


def test_a_code_ends_after_its_time() -> None:
    clock = FakeClock()
    codes = Confirmations(clock)
    early, late = codes.give(*CALL), codes.give(*CALL)
    clock.advance(VALID_SECONDS)
    codes.take(early, *CALL)
    clock.advance(0.001)
    with pytest.raises(Conflict, match="older"):
        codes.take(late, *CALL)


def test_codes_that_nobody_uses_do_not_pile_up() -> None:
    codes = Confirmations(FakeClock())
    first = codes.give(*CALL)
    last = [codes.give(*CALL) for _ in range(MOST_CODES)][-1]
    codes.take(last, *CALL)
    with pytest.raises(Conflict, match="not known"):
        codes.take(first, *CALL)
