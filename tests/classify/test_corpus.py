"""Failures are classified right over real-shaped logs, and no text makes a healthy run a failed one."""

from __future__ import annotations

import pytest

from overnight.domain.reasons import Reason
from tests.classify.corpus import Case, corpus

CASES = corpus()
FEWEST = 200
"""Cases that it takes to speak of a share."""
RIGHT = 0.99
"""Share of them that must be right."""


def wrong(cases: list[Case], piece: int = 64 * 1024) -> list[str]:
    found = []
    for case in cases:
        outcome = case.judged(piece)
        if outcome.reason != case.reason:
            found.append(f"{case.name}: {outcome.reason} instead of {case.reason} ({outcome.detail})")
    return found


def test_the_classes_of_the_corpus_are_right() -> None:
    found = wrong(CASES)
    assert len(CASES) >= FEWEST
    assert len(found) <= (1 - RIGHT) * len(CASES), "\n".join(found)


def test_no_healthy_run_is_a_failure_for_what_its_log_says() -> None:
    healthy = [case for case in CASES if case.reason == Reason.OK]
    assert len(healthy) >= 10
    assert wrong(healthy) == []


@pytest.mark.parametrize("piece", [1, 7, 4096])
def test_it_makes_no_difference_where_a_log_is_cut_into_pieces(piece: int) -> None:
    for case in CASES:
        assert case.read(piece) == case.read(), case.name


def test_every_text_of_the_queue_is_recognised() -> None:
    classes = {case.reason for case in CASES}
    assert {str(reason) for reason in (
        Reason.VRAM_OOM, Reason.NEIGHBOUR_OOM, Reason.HOST_OOM, Reason.KILLED, Reason.DISK_FULL, Reason.SHM,
        Reason.NO_GPU, Reason.HARDWARE, Reason.TRANSIENT, Reason.PREEMPTED, Reason.TIME_LIMIT, Reason.CODE_ERROR,
        Reason.MISSING_DEPENDENCY, Reason.DIVERGED, Reason.NONZERO_EXIT, Reason.MISSING_OUTPUT, Reason.ENV_ERROR,
    )} <= classes  # fmt: skip
