"""The state tables are whole, and errors keep their sentences."""

from __future__ import annotations

import pytest

from overnight.domain.errors import InvalidFile, OvernightError, Problem
from overnight.domain.states import FINAL_RUN, LIVE_ATTEMPT, LIVE_RUN, MACHINES, RUN, Machine


@pytest.mark.parametrize("machine", MACHINES, ids=lambda machine: f"{machine.noun}.{machine.column}")
def test_terminal_states_are_left_only_by_reopening_arrows(machine: Machine) -> None:
    for arrow in machine.arrows:
        if machine.terminal & set(arrow.sources):
            assert arrow.transition in machine.reopening


@pytest.mark.parametrize("machine", MACHINES, ids=lambda machine: f"{machine.noun}.{machine.column}")
def test_every_state_can_be_reached(machine: Machine) -> None:
    reached = set(machine.initial)
    for _ in machine.arrows:
        reached |= {arrow.target for arrow in machine.arrows if reached & set(arrow.sources)}
    assert reached == set(machine.states)
    assert machine.terminal <= reached


def test_an_arrow_is_found_by_name_and_an_unknown_one_is_an_error() -> None:
    assert RUN.arrow("claim").target == "running"
    with pytest.raises(KeyError, match="run has no transition 'fly'"):
        RUN.arrow("fly")


def test_live_states_are_states() -> None:
    assert {*LIVE_RUN, *FINAL_RUN} <= set(RUN.states)
    assert len(LIVE_ATTEMPT) == 3


def test_errors_keep_sentence_place_and_next_step() -> None:
    error = OvernightError("it is so", place="here", next_step="do that")
    assert (str(error), error.place, error.next_step) == ("it is so", "here", "do that")
    one = InvalidFile("c.yaml", [Problem("a", "b", 1)])
    assert (one.message, one.next_step) == (
        "c.yaml: 1 problem",
        "Correct the file and check it with: overnight plan c.yaml",
    )
    assert InvalidFile("c.yaml", [Problem("a", "b"), Problem("c", "d")]).message == "c.yaml: 2 problems"
