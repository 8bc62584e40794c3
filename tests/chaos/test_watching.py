"""Jobs that truly hang: a declared hang is ended and tried again; what moves, or is only silent, lives."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.chaos.plane import Plane, eventually

HANGS = """\
import os, pathlib, signal, sys, threading
if pathlib.Path("second").exists():
    sys.exit(0)
pathlib.Path("second").touch()
{before}
lock = threading.Lock()
lock.acquire()
print("in", flush=True)
lock.acquire()
"""
OBSTINATE_CHILD = """\
if os.fork() == 0:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    print("child", os.getpid(), flush=True)
    while True:
        signal.pause()
"""
CHECKPOINTS = """\
import os, pathlib, time
folder = pathlib.Path(os.environ["OVERNIGHT_RUN_DIR"], "checkpoints")
folder.mkdir()
for step in range(60):
    (folder / "last").write_text(str(step))
    time.sleep(0.1)
"""
SILENT = """\
import pathlib, time
while not pathlib.Path("go").exists():
    time.sleep(0.02)
"""


def submit(plane: Plane, program: str, **settings: Any) -> tuple[str, str]:
    """A campaign of one run of a Python program; returns the ids of both."""
    (plane.marks / "program.py").write_text(program, encoding="utf-8")
    sweep = {"command": ["python3", "program.py"], **settings}
    text = json.dumps({"campaign": "c", "sweeps": {"s": sweep}})
    campaign = plane.ask("submit", file=text, path="c.yaml", directory=str(plane.marks))["campaign"]["id"]
    (run,) = plane.ask("list_runs", campaign=campaign)["runs"]
    return campaign, run["id"]


def events(plane: Plane, kind: str) -> list[dict[str, Any]]:
    found = plane.ask("events", after=0, limit=1000)["events"]
    return [event for event in found if event["kind"] == kind]


def test_a_job_that_hangs_is_ended_and_tried_again(plane: Plane) -> None:
    retry = {"attempts": 2, "delay": "0s"}
    _, run = submit(plane, HANGS.format(before=""), hang="1s", grace="5s", retry=retry)
    final = plane.final(run)
    assert final["state"] == "succeeded"
    first, second = final["attempts_made"]
    assert first["reason"] == "hang"
    assert first["detail"].startswith("hang: no output and no progress for ")
    assert second["reason"] == "ok"
    (order,) = events(plane, "attempt.order_stop")
    assert order["payload"]["reason"] == "hang"
    assert f"{first['pid']} python3 sleeping" in order["payload"]["doing"]
    plane.assert_nobody_left()
    plane.assert_verified()


def test_a_child_that_ignores_its_end_is_gone_after_the_grace(plane: Plane) -> None:
    _, run = submit(plane, HANGS.format(before=OBSTINATE_CHILD), hang="1s", grace="1s")
    final = plane.final(run)
    assert (final["state"], final["reason"]) == ("failed", "hang")
    plane.assert_nobody_left()
    plane.assert_verified()


def test_a_job_that_prints_nothing_but_moves_a_checkpoint_lives(plane: Plane) -> None:
    campaign, run = submit(plane, CHECKPOINTS, hang="2s", stale_after="2s")
    final = plane.final(run)
    assert final["state"] == "succeeded", final
    assert len(final["attempts_made"]) == 1
    assert [it["payload"]["alert"] for it in events(plane, "alert.raise")] == ["settled"], campaign


def test_a_silent_job_is_flagged_and_lives(plane: Plane) -> None:
    _, run = submit(plane, SILENT, stale_after="1s", estimate="0.5s")
    eventually(lambda: len(events(plane, "attempt.annotate")) == 2, "it is called slow and silent")
    assert plane.run(run)["state"] == "running"
    Path(plane.marks, "go").touch()
    assert plane.final(run)["state"] == "succeeded"
    kinds = [it["payload"]["alert"] for it in events(plane, "alert.raise")]
    assert sorted(kinds) == ["settled", "silent", "slow"]


def test_a_hang_that_was_ordered_before_the_server_died_is_a_hang(plane: Plane) -> None:
    """The order stands in the record, with its reason: the next server repeats it."""
    before = "signal.signal(signal.SIGTERM, signal.SIG_IGN)"
    _, run = submit(plane, HANGS.format(before=before), hang="1s", grace="4s")
    eventually(lambda: events(plane, "attempt.order_stop"), "its end is ordered")
    assert plane.server is not None
    plane.server.kill()
    plane.up()
    final = plane.final(run)
    assert (final["state"], final["reason"]) == ("failed", "hang")
