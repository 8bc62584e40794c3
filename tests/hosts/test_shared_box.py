"""Two servers, homes and users share one box with one GPU, and know nothing of each other."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from itertools import pairwise
from pathlib import Path

import pytest

from tests.devices.machine import Made
from tests.hosts.site import Site
from tests.hosts.witness import FOLDER
from tests.parts.hosts import Rack

pytestmark = pytest.mark.real("hosts", "network", "namespaces", "sshd")
RUNS = 6
"""Of each server."""


@pytest.fixture
def sites(tmp_path: Path) -> Iterator[list[Site]]:
    """Servers of root and of ann."""
    (tmp_path / "rack").mkdir()
    with ExitStack() as stack:
        rack = stack.enter_context(Rack(tmp_path / "rack", "box1", gpus=[Made("GPU-1")], users=True))
        marks = rack["box1"].path(FOLDER)
        marks.mkdir()
        marks.chmod(0o1777)
        made = []
        for alias in ("box1", "box1-ann"):
            folder = tmp_path / alias
            folder.mkdir()
            made.append(Site(folder, rack, aliases={"box1": alias}))
            stack.callback(made[-1].clean)
            made[-1].up()
        yield made


def test_a_gpu_is_never_used_by_two_servers_at_once(sites: list[Site]) -> None:
    for site in sites:
        cells = [(number, 0.1, "exit 0") for number in range(RUNS)]
        site.campaign(site.work(cells, "box1", resources={"gpus": 1}))
    for site in sites:
        assert {run["state"] for run in site.settled().values()} == {"succeeded"}
        site.assert_verified()
    executions = sorted((it for found in sites[0].executions().values() for it in found), key=lambda it: it.start)
    assert len(executions) == 2 * RUNS
    for before, after in pairwise(executions):
        assert before.end is not None
        assert after.start >= before.end - 0.011, "both had the GPU at once"
