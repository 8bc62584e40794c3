"""Programs that end in every way there is, through the whole plane: the right class, nobody left, the slot free."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from overnight.runner import identity
from tests.chaos.plane import Plane, eventually
from tests.runner.test_misbehaving_jobs import CASES, PRELUDE, Case

SENT = {signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGKILL, signal.SIGUSR1, signal.SIGUSR2, signal.SIGTERM}
"""Signals that somebody sends; the others a program earns itself."""


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plane]:
    """One plane for all programs: what one of them leaves behind hinders the next."""
    made = Plane(tmp_path_factory.mktemp("plane"), slots=2)
    try:
        made.up()
        yield made
        made.assert_verified()
    finally:
        made.clean()


def expected(case: Case) -> tuple[str, str, str]:
    """State and reason of the run, and reason of its attempt."""
    if case.reason == "stopped":
        return "cancelled", "cancelled", "stopped"
    if case.exit_code == 0:
        return "succeeded", "ok", "ok"
    reason = "killed" if case.signal in SENT or (case.exit_code or 0) - 128 in SENT else "nonzero_exit"
    return "failed", reason, reason


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_every_way_to_end_is_judged_truly_and_frees_the_slot(shared: Plane, case: Case) -> None:
    run = shared.submit([sys.executable, "-S", "-E", "-c", PRELUDE + case.code], **fields(shared, case))
    if case.stop:
        wait_for_its_moment(shared, run, case)
        assert shared.ask("cancel", id=run)["stopping"] == 1
    shown = shared.final(run)
    (attempt,) = shown["attempts_made"]
    assert (shown["state"], shown["reason"], attempt["reason"]) == expected(case)
    assert (attempt["code"], attempt["signal"]) == (case.exit_code, case.signal)
    if case.leftovers is not None:
        assert attempt["leftovers"] == case.leftovers
    assert not shared.survivors()
    assert shared.final(shared.submit("exit 0", slots=2))["state"] == "succeeded"


def fields(plane: Plane, case: Case) -> dict[str, Any]:
    chosen: dict[str, Any] = {"name": "program", "grace": case.grace, "slots": 2}
    if case.changes.get("cwd") == "own":
        own = plane.marks / "own"
        own.mkdir()
        chosen["workdir"] = str(own)
    return chosen


def wait_for_its_moment(plane: Plane, run: str, case: Case) -> None:
    """Until the program has done what it is for, so that the stop finds it so."""
    plane.in_state(run, "running")
    folder = Path(eventually(lambda: plane.run(run)["attempts_made"], "it has an attempt")[0]["folder"])
    pid = eventually(lambda: plane.run(run)["attempts_made"][0]["pid"], "it has started")
    if "own folder" in case.name:
        eventually(lambda: not folder.exists(), "the folder is deleted")
    else:
        eventually(lambda: b"up" in (folder / "log").read_bytes(), "it says up")
    if "stops itself" in case.name:
        eventually(lambda: (stat := identity.read_stat(pid)) is not None and stat.state == "T", "it stops itself")
