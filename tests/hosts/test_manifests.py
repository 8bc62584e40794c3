"""Manifests of the experiment queue whose `ssh` is a host: nothing is copied there, everything is that host's own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from tests.hosts.site import Site

pytestmark = pytest.mark.real("hosts", "network", "namespaces", "sshd")


@pytest.fixture
def names() -> Sequence[str]:
    return ("box1",)


def manifest(**changes: Any) -> dict[str, Any]:
    jobs = [
        {"id": "near", "cmd": "pwd > near.txt", "expected_output": "near.txt"},
        {"id": "never", "cmd": "true", "expected_output": "never.txt"},
    ]
    return {"project": "queue", "ssh": "box1", "gpus": [], "jobs": jobs, **changes}


def test_outputs_are_looked_for_below_the_home_folder_of_the_host(site: Site) -> None:
    home = site.rack["box1"].home()
    (home / "study").mkdir()
    submitted = {"/study": site.campaign(manifest(cwd="~/study")), "": site.campaign(manifest())}
    found = site.settled()
    for below, (near, never) in submitted.items():
        assert (found[near]["state"], found[never]["state"]) == ("succeeded", "failed")
        assert found[never]["reason"] == "missing_output"
        for copy in (home / below[1:], site.home / "runs" / near / "1" / "work"):
            assert (copy / "near.txt").read_text(encoding="utf-8") == f"/run/home/root{below}\n"
