"""A plan counts its runs."""

from __future__ import annotations

from overnight.domain.plan import CampaignPlan, CellPlan, SweepPlan


def test_a_plan_counts_the_cells_of_all_its_sweeps() -> None:
    cells = (CellPlan("a", {}, "true"), CellPlan("b", {}, ("true",)))
    sweep = SweepPlan("s", cells, "/w")
    assert CampaignPlan("c", (sweep, sweep)).cells == 4
