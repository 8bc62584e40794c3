"""The simulator finds what it is made to find: each planted defect breaks an invariant within few seeds."""

from __future__ import annotations

import statistics

import pytest

from tests.sim.campaign import simulate
from tests.sim.defects import DEFECTS

FIRST_SEED = 500_000
SEEDS = 1_000
"""Within so many schedules every defect must show."""
MEDIAN = 30
"""Half of the defects must show within so many."""


@pytest.fixture(scope="module")
def needed() -> dict[str, int]:
    """Defect -> schedules until it showed."""
    return {}


@pytest.mark.timeout(600)
@pytest.mark.parametrize("sentence", DEFECTS)
def test_is_found(sentence: str, monkeypatch: pytest.MonkeyPatch, needed: dict[str, int]) -> None:
    DEFECTS[sentence](monkeypatch)
    summary = simulate(range(FIRST_SEED, FIRST_SEED + SEEDS), enough=1)
    assert summary.failures, f"{SEEDS} schedules went by and nobody noticed: {sentence}"
    needed[sentence] = summary.schedules
    print(f"{summary.schedules} schedules: {summary.failures[0].splitlines()[0]}")


def test_half_of_them_show_at_once(needed: dict[str, int]) -> None:
    if not needed:
        pytest.skip("no defect was planted")
    assert len(DEFECTS) >= 18
    assert statistics.median(needed.values()) <= MEDIAN, needed
