"""A pulled cable is told as unknown in time, changes nothing else, and the truth comes back with the link."""

from __future__ import annotations

import time

import pytest

from tests.chaos.plane import eventually
from tests.hosts.site import Site

pytestmark = pytest.mark.real("hosts", "network", "namespaces", "sshd")
UNKNOWN_WITHIN = 30.0
"""Seconds from the cut to the word."""
TRUTH_WITHIN = 10.0
"""Seconds from the link's return to what became of the jobs meanwhile."""
LONG = 600.0
"""Seconds of a job that outlives the test."""


def test_a_cut_is_told_as_unknown_and_the_truth_comes_back_with_the_link(site: Site) -> None:
    lasting, ending = site.campaign(site.work([(1, LONG, "exit 0"), (2, 5.0, "exit 7")], "box1"))
    site.in_state(lasting, "running")
    site.in_state(ending, "running")
    eventually(lambda: site.reached()["box1"] == "reachable", "it is reachable")
    eventually(lambda: len(site.executions()) == 2, "both have begun")
    site.rack["box1"].cut()
    cut_at = time.monotonic()
    eventually(lambda: site.reached()["box1"] == "unknown", "it is unknown", UNKNOWN_WITHIN)
    told_after = time.monotonic() - cut_at
    assert [site.run(run)["state"] for run in (lasting, ending)] == ["running", "running"]
    assert site.reached()["box2"] == "reachable"
    site.rack["box1"].join()
    eventually(lambda: site.run(ending)["state"] == "failed", "its end is known", TRUTH_WITHIN)
    assert (site.run(ending)["reason"], site.run(ending)["attempts_made"][0]["code"]) == ("nonzero_exit", 7)
    assert site.reached()["box1"] == "reachable"
    assert site.run(lasting)["state"] == "running"
    assert [len(site.executions()[run]) for run in (lasting, ending)] == [1, 1]
    site.assert_verified()
    assert told_after < UNKNOWN_WITHIN
