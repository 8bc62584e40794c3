"""What an ended attempt means, from evidence, and what becomes of its run."""

from __future__ import annotations

import pytest

from overnight.domain.plan import Retry
from overnight.domain.reasons import INTERRUPTIONS_ALLOWED, Reason
from overnight.planner.judge import Outcome, Standing, Verdict, back_off, outcome_of, verdict_of

FRESH = Standing(0, 0, False)
ONCE = Retry()


@pytest.mark.parametrize(
    ("record", "missing", "reason"),
    [
        ({"reason": "exited", "code": 0}, (), Reason.OK),
        ({"reason": "exited", "code": 0}, ("a.json",), Reason.MISSING_OUTPUT),
        ({"reason": "exited", "code": 3}, (), Reason.NONZERO_EXIT),
        ({"reason": "exited", "code": 137, "usage": {"oom_kills": 0}}, (), Reason.NONZERO_EXIT),
        ({"reason": "exited", "code": 137, "usage": {"oom_kills": 1}}, (), Reason.HOST_OOM),
        ({"reason": "exited", "code": 0, "usage": {"oom_kills": 1}}, (), Reason.OK),
        ({"reason": "signalled", "code": None, "signal": 9}, (), Reason.KILLED),
        ({"reason": "signalled", "code": None, "signal": 9, "usage": {"oom_kills": 2}}, (), Reason.HOST_OOM),
        ({"reason": "time_limit", "code": None, "signal": 15}, (), Reason.TIME_LIMIT),
        ({"reason": "stopped", "code": None, "signal": 15}, (), Reason.STOPPED),
        ({"reason": "start_failed", "code": None, "detail": "no such folder"}, (), Reason.START_FAILED),
    ],
)
def test_the_reason_comes_from_evidence_in_a_fixed_order(
    record: dict[str, object], missing: tuple[str, ...], reason: Reason
) -> None:
    assert outcome_of(record, missing).reason is reason


def test_details_name_what_happened() -> None:
    assert outcome_of({"reason": "exited", "code": 3}, ()).detail == "exit code 3"
    assert outcome_of({"reason": "exited", "code": 0}, ("a", "b", "c", "d")).detail == "exit 0, but no fresh a, b, c"
    assert outcome_of({"reason": "stopped", "detail": "by hand"}, ()).detail == "by hand"
    assert outcome_of({"reason": "start_failed", "detail": "no such folder"}, ()).detail == "no such folder"


def verdict(reason: Reason, retry: Retry = ONCE, standing: Standing = FRESH) -> Verdict:
    return verdict_of(Outcome(reason, "why"), retry, standing, 100.0)


def test_success_is_success_even_while_it_is_being_cancelled() -> None:
    assert verdict(Reason.OK).transition == "succeed"
    assert verdict(Reason.OK, standing=Standing(0, 0, True)).transition == "succeed"


def test_a_cancelled_run_is_never_tried_again() -> None:
    for reason in (Reason.STOPPED, Reason.NONZERO_EXIT, Reason.INTERRUPTED, Reason.NEVER_STARTED):
        made = verdict(reason, Retry(attempts=5), Standing(0, 0, True))
        assert (made.transition, made.reason) == ("stopped", Reason.CANCELLED)


def test_a_failure_is_tried_again_after_its_back_off_until_its_attempts_are_used_up() -> None:
    first = verdict(Reason.NONZERO_EXIT, Retry(attempts=2, delay=10.0))
    assert (first.transition, first.failures, first.not_before) == ("delay", 1, 110.0)
    last = verdict(Reason.NONZERO_EXIT, Retry(attempts=2), Standing(1, 0, False))
    assert (last.transition, last.failures, last.not_before) == ("fail", 2, None)


@pytest.mark.parametrize("reason", [Reason.TIME_LIMIT, Reason.START_FAILED, Reason.STOPPED])
def test_what_would_only_repeat_itself_is_not_tried_again(reason: Reason) -> None:
    assert verdict(reason, Retry(attempts=5)).transition == "fail"


def test_interruptions_are_tried_again_at_once_and_apart_from_the_policy() -> None:
    made = verdict(Reason.INTERRUPTED, Retry(attempts=1))
    assert (made.transition, made.failures, made.interruptions) == ("requeue", 0, 1)
    assert verdict(Reason.INTERRUPTED, standing=Standing(0, INTERRUPTIONS_ALLOWED, False)).transition == "fail"


def test_an_attempt_that_never_started_costs_nothing() -> None:
    made = verdict(Reason.NEVER_STARTED, standing=Standing(1, 2, False))
    assert (made.transition, made.failures, made.interruptions) == ("requeue", 1, 2)


def test_back_off_grows_to_its_bound_and_never_overflows() -> None:
    retry = Retry(attempts=99, delay=10.0, factor=2.0, longest=600.0)
    assert [back_off(retry, n) for n in (1, 2, 3, 7, 1_000_000)] == [10.0, 20.0, 40.0, 600.0, 600.0]
