"""The digits example on two hosts and this machine, through a cut cable and a power cut: students find teachers."""

from __future__ import annotations

import importlib.util
import shutil
import sys
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from tests.chaos.plane import eventually
from tests.hosts.site import Site
from tests.hosts.witness import power_cut

pytestmark = [
    pytest.mark.real("hosts", "network", "namespaces", "sshd"),
    pytest.mark.skipif(importlib.util.find_spec("sklearn") is None, reason="needs scikit-learn"),
]
DIGITS = Path(__file__).parents[2] / "examples" / "digits"
SHORTER = {"width": [4, 16], "seed": [0]}
RUNS = 5


def plan(workdir: Path) -> dict[str, object]:
    """The example with five of its runs, on all machines."""
    found: dict[str, object] = YAML(typ="safe", pure=True).load((DIGITS / "campaign.yaml").read_text(encoding="utf-8"))
    found |= {
        "workdir": str(workdir),
        "targets": ["box1", "box2", "here"],
        "environment": {"venv": sys.prefix},
    }
    for sweep in found["sweeps"].values():  # type: ignore[attr-defined]
        sweep["grid"] = {axis: SHORTER[axis] for axis in sweep["grid"]}
    return found


@pytest.mark.timeout(180)
def test_students_on_any_machine_learn_from_teachers_on_any_other(site: Site) -> None:
    for path in DIGITS.glob("*.py"):
        shutil.copy(path, site.code)
    runs = site.campaign(plan(site.code))
    assert len(runs) == RUNS
    box1, box2 = site.rack.hosts.values()
    eventually(lambda: any(it["target"] == "box1" for it in _attempts(site, runs)), "box1 works")
    box1.cut()
    eventually(lambda: any(it["target"] == "box2" for it in _attempts(site, runs)), "box2 works")
    box2.power_off()
    power_cut(box2)
    box1.join()
    box2.power_on()
    found = site.settled()
    assert {run: it["state"] for run, it in found.items()} == dict.fromkeys(runs, "succeeded")
    for run in runs:
        shown = site.run(run)
        assert shown["results"]["accuracy"] > 0.5, shown
        model = "teacher.npz" if shown["name"].startswith("teacher") else "student.npz"
        newest = shown["attempts_made"][-1]["number"]
        assert (site.home / "runs" / run / str(newest) / model).stat().st_size > 1000
    assert {it["target"] for it in _attempts(site, runs)} >= {"box1", "box2"}
    site.assert_verified()


def _attempts(site: Site, runs: list[str]) -> list[dict[str, object]]:
    return [attempt for run in runs for attempt in site.run(run)["attempts_made"]]
