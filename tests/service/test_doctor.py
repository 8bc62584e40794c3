"""Doctor says what keeps work from going on, and changes nothing."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from overnight.config import LocalSettings
from overnight.domain.plan import CampaignPlan, CellPlan, SweepPlan
from overnight.domain.reasons import Reason
from overnight.fleet import CUDA
from overnight.service import doctor
from overnight.store.base import SYSTEM
from overnight.store.marks import hold
from tests.service.desk import Desk


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(tmp_path)
    yield made
    made.store.close()


def checks(desk: Desk) -> dict[str, dict[str, Any]]:
    return {it["check"]: it for it in desk.ask("doctor")["checks"]}


def test_a_well_machine_has_nothing_held_and_nothing_blocked(desk: Desk) -> None:
    found = checks(desk)
    assert {name: it["verdict"] for name, it in found.items() if name in {"clock", "holds", "blocked runs"}} == {
        "clock": "ok", "holds": "ok", "blocked runs": "ok",
    }  # fmt: skip
    assert "256 MiB are kept in reserve" in found["disk"]["value"]


def test_what_is_held_is_told_with_its_reason(desk: Desk) -> None:
    desk.store.write(SYSTEM, lambda session: hold(session, "here", "disk_full", "/home has 1 MiB free"))
    assert (checks(desk)["holds"]["verdict"], "1 MiB free" in checks(desk)["holds"]["value"]) == ("warn", True)


def test_a_disk_below_the_reserve_fails(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "is_low", lambda _, reserve: reserve.bytes == 2**20 * 7)
    assert checks(desk)["disk"]["verdict"] != "fail"
    configuration = replace(desk.context.configuration, local=LocalSettings(disk_reserve_mib=7))
    desk.context = replace(desk.context, configuration=configuration)
    assert checks(desk)["disk"]["verdict"] == "fail"
    assert desk.ask("doctor")["ok"] is False


def test_runs_that_cannot_start_by_themselves_are_listed_up_to_a_bound(desk: Desk) -> None:
    cells = tuple(CellPlan(f"r{n}", {}, "true", requires=("gone",)) for n in range(30))
    desk.submit(CampaignPlan("p", (SweepPlan("s", cells, "/w"),)))
    reason = Reason.PRECONDITION_MISSING
    desk.store.write(
        SYSTEM,
        lambda session: [
            session.rows("run_waits", id=run, reason=reason, detail="gone is not there")
            for (run,) in session.connection.execute("SELECT id FROM runs")
        ],
    )
    answer = desk.ask("doctor")
    assert len(answer["blocked"]) == doctor.LISTED
    assert answer["blocked"][0]["detail"] == "gone is not there"
    assert checks(desk)["blocked runs"]["value"].startswith("p/r0: gone is not there (precondition_missing)")


def test_a_clock_before_the_newest_event_is_a_warning(desk: Desk) -> None:
    late = "UPDATE events SET wall = wall + 3600"
    desk.submit(CampaignPlan("p", (SweepPlan("s", (CellPlan("r", {}, "true"),), "/w"),)))
    desk.store.write(SYSTEM, lambda session: session.connection.execute(late))
    assert checks(desk)["clock"]["verdict"] == "warn"


def test_a_call_to_cuda_that_fails_says_why_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "torch.py").write_text("raise RuntimeError('no CUDA GPUs are available')\n", encoding="utf-8")
    argv = [sys.executable, "-c", CUDA]
    done = subprocess.run(argv, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stderr) == (1, "RuntimeError: no CUDA GPUs are available\n")
