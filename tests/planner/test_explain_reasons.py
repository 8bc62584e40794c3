"""Each reason of the queue is explained with the way on."""

from __future__ import annotations

import pytest

from overnight.domain.reasons import Reason
from overnight.planner.explain import explain
from tests.planner.test_explain import RUN_, SWEEP, run, situation

CAMPAIGN = RUN_.campaign_id


def test_a_run_that_waits_for_files_names_them() -> None:
    waiting = run("waiting", reason=Reason.PRECONDITION_MISSING, detail="ckpt/384.pt is not there")
    made = explain(situation(run=waiting))
    assert (made.code, made.sentence) == ("precondition_missing", "it waits for files: ckpt/384.pt is not there")
    assert explain(situation(run=waiting, unmet=[("t", "running")])).code == "needs"


@pytest.mark.parametrize(
    ("reason", "commands"),
    [
        (Reason.BREAKER, (f"overnight explain {SWEEP.id}", f"overnight retry {SWEEP.id} --failed")),
        (Reason.BUDGET, (f"overnight submit FILE --update {CAMPAIGN}", f"overnight retry {CAMPAIGN} --blocked")),
        (Reason.PRECONDITION_MISSING, (f"overnight show {RUN_.id}", f"overnight retry {RUN_.id}")),
        (Reason.NEED_FAILED, (f"overnight retry {CAMPAIGN} --failed",)),
        (None, (f"overnight retry {CAMPAIGN} --failed",)),
    ],
)
def test_a_blocked_run_names_the_way_on(reason: Reason | None, commands: tuple[str, ...]) -> None:
    assert explain(situation(run=run("blocked", reason=reason, detail="why"))).next == commands


def test_a_failure_that_lies_in_the_surroundings_points_to_the_doctor() -> None:
    assert "overnight doctor" in explain(situation(run=run("failed", reason=Reason.ENV_ERROR))).next
    assert "overnight doctor" not in explain(situation(run=run("failed", reason=Reason.CODE_ERROR))).next


def test_a_run_that_the_file_has_no_more_says_so() -> None:
    assert "no more" in explain(situation(run=run("cancelled", reason=Reason.REMOVED))).sentence
    assert explain(situation(run=run("cancelled", reason=Reason.CANCELLED))).sentence == "it was cancelled"


def test_a_run_that_a_paused_loop_holds_back_names_the_loop_before_all_else() -> None:
    made = explain(situation(paused_loop="wild-0000000a"))
    assert (made.code, made.next) == ("loop_paused", ("overnight resume wild-0000000a",))
    assert "wild-0000000a" in made.sentence
