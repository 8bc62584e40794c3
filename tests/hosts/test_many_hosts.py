"""One server looks after fifty hosts: over one connection each, and without work while nothing changes."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.chaos.plane import eventually
from tests.hosts.site import Site
from tests.parts.hosts import Rack

pytestmark = pytest.mark.real("hosts", "network", "namespaces", "sshd")
HOSTS = 50
SECONDS = 8.0
"""How long its work is measured."""
MOST = 0.05
"""Seconds of a processor in one second."""
LONG = 600.0
"""Seconds of a job that outlives the test."""


@pytest.fixture
def many(tmp_path: Path) -> Iterator[Site]:
    (tmp_path / "rack").mkdir()
    with Rack(tmp_path / "rack", *(f"box{number}" for number in range(1, HOSTS + 1))) as rack:
        made = Site(tmp_path, rack, slots=1)
        try:
            made.up()
            yield made
        finally:
            made.clean()


def used(pid: int) -> float:
    """Seconds of a processor that a process and its living children have used."""
    return sum(_used(each) for each in [pid, *children(pid)])


def _used(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def children(pid: int) -> list[int]:
    """Of all its threads."""
    return [int(child) for path in Path(f"/proc/{pid}/task").glob("*/children") for child in path.read_text().split()]


def programs(pid: int, name: str) -> int:
    """Children of that name."""
    return [Path(f"/proc/{child}/comm").read_text(encoding="utf-8").strip() for child in children(pid)].count(name)


def connections(pid: int) -> int:
    """Established ones to a port 22, in the network of a process."""
    rows = [row.split() for row in Path(f"/proc/{pid}/net/tcp").read_text(encoding="ascii").splitlines()[1:]]
    return sum(row[2].endswith(":0016") and row[3] == "01" for row in rows)


@pytest.mark.timeout(180)
def test_fifty_hosts_cost_one_connection_each_and_no_work(
    many: Site, record_hosts: Callable[[str, Mapping[str, Any]], None]
) -> None:
    assert many.server is not None
    pid = many.server.pid
    runs = many.campaign(many.work([(number, LONG, "exit 0") for number in range(HOSTS)], *many.rack.hosts))
    eventually(lambda: {many.run(run)["state"] for run in runs} == {"running"}, "each host has a job")
    assert {many.run(run)["attempts_made"][0]["target"] for run in runs} == set(many.rack.hosts)
    eventually(lambda: connections(pid) == HOSTS, "there is one connection for each host")
    before = used(pid)
    threading.Event().wait(SECONDS)
    share = (used(pid) - before) / SECONDS
    record_hosts("fifty hosts", {"connections": connections(pid), "of_a_core": f"{share:.2%}"})
    assert (connections(pid), programs(pid, "ssh")) == (HOSTS, HOSTS)
    assert set(many.reached().values()) == {"reachable"}
    assert share < MOST
