"""When an attempt on a host that is not heard of may be called dead."""

import pytest

from overnight.domain.lease import bears_out
from overnight.planner.lease import GRACE_SECONDS, Term, evidence, proof_of_end


def term(policy: str = "requeue", renewed: float | None = 100.0, since: float = 0.0) -> Term:
    return Term(policy, 900.0, since, renewed)


def test_nothing_is_dead_before_its_lease_and_the_grace_are_over() -> None:
    end = 100.0 + 900.0 + GRACE_SECONDS
    assert proof_of_end(term(), end - 0.001) is None
    assert "was last heard of 930 s ago" in str(proof_of_end(term(), end))


@pytest.mark.parametrize("policy", ["requeue", "kill"])
def test_both_policies_wait_for_the_same_moment(policy: str) -> None:
    assert term(policy).ends == 1030.0


def test_a_held_run_is_never_dead_by_the_clock() -> None:
    assert term("hold").ends == float("inf")
    assert proof_of_end(term("hold"), 1e12) is None


def test_a_new_server_waits_for_a_whole_term() -> None:
    assert term(renewed=None, since=5000.0).ends == 5930.0
    assert term(renewed=100.0, since=5000.0).ends == 5930.0
    assert term(renewed=5001.0, since=5000.0).ends == 5931.0


def test_the_numbers_on_record_bear_the_proof_out() -> None:
    assert bears_out(evidence(term(), term().ends), 900.0)
    assert not bears_out(evidence(term(), term().ends - 1), 900.0)
