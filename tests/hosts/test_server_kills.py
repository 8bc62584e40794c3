"""The server dies in the middle of a launch, a fetch and a stop on other machines: the next one finishes them, once."""

from __future__ import annotations

import os
import random
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.chaos.plane import eventually, kill
from tests.hosts.load import Load
from tests.hosts.site import Site

pytestmark = pytest.mark.real("hosts", "network", "namespaces", "sshd")
ROUNDS = int(os.environ.get("OVERNIGHT_HOSTS_ROUNDS", "30"))
"""Of each moment."""
SEED = int(os.environ.get("OVERNIGHT_HOSTS_SEED", "6"))
MOMENTS: Mapping[str, str] = {
    "launch": "SELECT 1 FROM attempts WHERE state = 'launching' AND target <> 'here' LIMIT 1",
    "fetch": "SELECT 1 FROM runs WHERE state = 'collecting' LIMIT 1",
    "stop": "SELECT 1 FROM attempts WHERE state = 'stopping' AND target <> 'here' LIMIT 1",
}
DEAF = ["sh", "-c", "trap '' TERM; echo up; sleep 60 & wait; sleep 60"]


@dataclass
class Kills:
    """Deaths of the server in the middle of its work; most hit several things at once."""

    site: Site
    rng: random.Random
    count: Counter[str] = field(default_factory=Counter)
    cancelled: list[str] = field(default_factory=list)
    """Runs whose stop was acknowledged or interrupted."""

    def strike(self, moment: str) -> None:
        """Wait until the server is in the middle of it, kill it and start the next one."""
        if moment == "stop":
            self._order_a_stop()
        eventually(lambda: self.site.record(MOMENTS[moment]), f"it is in the middle of a {moment}")
        assert self.site.server is not None
        kill(self.site.server.pid)
        self.site.server.process.wait()
        self.count.update(name for name, query in MOMENTS.items() if self.site.record(query))
        self.site.up()

    def _order_a_stop(self) -> None:
        sweep = {"command": DEAF, "grace": "2s"}
        name = f"deaf {len(self.cancelled)}"  # the same file again would be the same campaign
        plan = {"campaign": name, "targets": ["box1", "box2"], "priority": 9, "sweeps": {"deaf": sweep}}
        (run,) = self.site.campaign(plan)
        self.site.in_state(run, "running")
        self.cancelled.append(run)
        self.site.ask("cancel", id=run)


@pytest.mark.timeout(900)
def test_deaths_of_the_server_in_the_middle_of_work_on_hosts_lose_nothing(
    site: Site, record_hosts: Callable[[str, Mapping[str, Any]], None]
) -> None:
    print(f"seed {SEED}")
    load = Load(site, random.Random(SEED), longest=0.5)
    kills = Kills(site, random.Random(SEED + 1))
    load.begin()
    try:
        while rest := [moment for moment in MOMENTS if kills.count[moment] < ROUNDS]:
            kills.strike(kills.rng.choice(rest))
    finally:
        load.finish()
    found = site.settled()
    record_hosts("deaths of the server", {
        "seed": SEED, "deaths": dict(kills.count), "runs": len(load.acknowledged),
        "slowest_ready_seconds": round(max(site.ready), 3),
    })  # fmt: skip
    assert load.wrong() == []
    assert [found[run]["state"] for run in kills.cancelled] == ["cancelled"] * len(kills.cancelled)
    assert set(found) == {*load.acknowledged, *kills.cancelled}, "a repeated request made further runs"
    site.assert_verified()
    for host in site.rack.hosts.values():
        assert host.pids("sleep") == [], "a job that was stopped is still there"
