"""Errors say everything that they know."""

from __future__ import annotations

from overnight.domain.errors import InvalidRequest, LimitExceeded, PreflightFailed, Problem, Refused


def test_a_failed_preflight_names_the_first_trouble_and_counts_the_others() -> None:
    one = PreflightFailed("f.yaml", [Problem("sweeps.a", "no folder (cwd_missing)")])
    assert one.message == "f.yaml: nothing was submitted, for no folder (cwd_missing)"
    two = PreflightFailed("f.yaml", [*one.problems, Problem("sweeps.b", "no GPU (gpu_missing)")])
    assert two.message.endswith("(cwd_missing), and 1 more")
    assert len(two.problems) == 2


def test_a_failed_preflight_is_a_failure_and_no_wrong_request() -> None:
    assert not issubclass(PreflightFailed, Refused)


def test_a_malformed_request_keeps_every_field_that_is_wrong() -> None:
    details = [{"type": "missing", "loc": ["body", "name"], "msg": "Field required", "input": None}]
    assert InvalidRequest("name: Field required", place="name", details=details).details == tuple(details)
    assert InvalidRequest("odd").details == ()


def test_who_asked_too_much_is_told_when_to_ask_again_where_waiting_helps() -> None:
    assert LimitExceeded("slower", retry_after=1.5).retry_after == 1.5
    assert LimitExceeded("the budget is used up").retry_after is None
