"""Two servers, homes and users share one box, and know nothing of each other."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.devices.machine import Made
from tests.hosts.site import Site
from tests.hosts.witness import FOLDER, at_once
from tests.parts.hosts import Rack

pytestmark = pytest.mark.real("hosts", "network", "namespaces", "sshd")
GPUS = 4
RUNS = 4
"""Of each server."""


@pytest.fixture
def sites(tmp_path: Path) -> Iterator[list[Site]]:
    """Servers of root and of ann."""
    (tmp_path / "rack").mkdir()
    with ExitStack() as stack:
        rack = stack.enter_context(
            Rack(tmp_path / "rack", "box1", gpus=[Made(f"GPU-{it}") for it in range(GPUS)], users=True)
        )
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
    """Both see all GPUs free and start at once; who comes second at one waits until it looks again."""
    cells = [(number, 1.0, "exit 0") for number in range(RUNS)]
    with ThreadPoolExecutor() as together:
        plans = [site.work(cells, "box1", resources={"gpus": 1}) for site in sites]
        list(together.map(Site.campaign, sites, plans))
    for site in sites:
        assert {run["state"] for run in site.settled().values()} == {"succeeded"}
        site.assert_verified()
    executions = sorted((it for found in sites[0].executions().values() for it in found), key=lambda it: it.start)
    assert len(executions) == 2 * RUNS
    used = {it.gpus for it in executions}
    assert len(used) == GPUS
    assert [wrong for gpu in used for wrong in at_once([it for it in executions if it.gpus == gpu])] == []
