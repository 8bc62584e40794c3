"""A night on six hosts and this machine while everything happens to the hosts: nothing is lost, doubled or harmed."""

from __future__ import annotations

import os
import random
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import pytest

from tests.hosts.faults import FAULTS, Night
from tests.hosts.load import Load
from tests.hosts.site import Site
from tests.hosts.witness import begun

pytestmark = pytest.mark.real("hosts", "network", "namespaces", "firewall", "sshd")
HOSTS = 6
ROUNDS = int(os.environ.get("OVERNIGHT_HOSTS_ROUNDS", "30"))
"""Of each kind of fault, over all hosts."""
SEED = int(os.environ.get("OVERNIGHT_HOSTS_SEED", "5"))


@pytest.fixture
def names() -> Sequence[str]:
    return [f"box{number}" for number in range(1, HOSTS + 1)]


@pytest.mark.timeout(900)
def test_faults_of_hosts_harm_no_job_and_double_none(
    site: Site, record_hosts: Callable[[str, Mapping[str, Any]], None]
) -> None:
    print(f"seed {SEED}")
    load = Load(site, random.Random(SEED))
    nights = [
        Night(host, random.Random(SEED + number), (ROUNDS + number) // HOSTS, works=partial(begun, host))
        for number, host in enumerate(site.rack.hosts.values())
    ]
    load.begin()
    try:
        for night in nights:
            night.begin()
        for night in nights:
            night.over()
    finally:
        load.finish()
    site.settled()
    executions = site.executions()
    counts = sum((night.count for night in nights), Counter[str]())
    sites = [it.site for run in executions.values() for it in run]
    record_hosts("faults of hosts", {
        "seed": SEED, "faults": dict(counts), "runs": len(load.acknowledged),
        "executions": {name: sites.count(name) for name in sorted(set(sites))},
    })  # fmt: skip
    assert load.wrong() == []
    assert set(site.settled()) == set(load.acknowledged), "a repeated request made further runs"
    site.assert_verified()
    site.assert_nobody_left()
    assert set(sites) == {*site.rack.hosts, "here"}, "there was no load"
    assert all(counts[name] == ROUNDS for name in FAULTS)
