"""Errors say everything that they know."""

from __future__ import annotations

from overnight.domain.errors import PreflightFailed, Problem, Refused


def test_a_failed_preflight_names_the_first_trouble_and_counts_the_others() -> None:
    one = PreflightFailed("f.yaml", [Problem("sweeps.a", "no folder (cwd_missing)")])
    assert one.message == "f.yaml: nothing was submitted, for no folder (cwd_missing)"
    two = PreflightFailed("f.yaml", [*one.problems, Problem("sweeps.b", "no GPU (gpu_missing)")])
    assert two.message.endswith("(cwd_missing), and 1 more")
    assert len(two.problems) == 2


def test_a_failed_preflight_is_a_failure_and_no_wrong_request() -> None:
    assert not issubclass(PreflightFailed, Refused)
