"""Steering real processes: what is cancelled is gone, what is paused goes on, what failed is tried again."""

from __future__ import annotations

import itertools
import signal
import sys
from typing import Any

import pytest

from overnight.domain.states import FINAL_RUN
from tests.chaos.plane import Plane, eventually, kill
from tests.runner.harness import is_alive

DEAF_TREE = """\
import os, signal, time
for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT): signal.signal(number, signal.SIG_IGN)
for _ in range(3):
    if os.fork() == 0: os.setsid()
print('up', flush=True)
time.sleep(60)
"""
"""Eight processes in several sessions, none of which minds a SIGTERM."""
MARK = 'mark() { echo "$1" >> "$MARKS"; }; '


def python(code: str) -> list[str]:
    return [sys.executable, "-S", "-E", "-c", code]


def says(plane: Plane, run_id: str, word: str, times: int = 1) -> None:
    """Wait until the log of a run's newest attempt has `word`."""
    eventually(
        lambda: plane.ask("log", id=run_id)["content"].count(word) >= times, f"{run_id} says {word} {times} times"
    )


def test_cancelling_a_deaf_tree_ends_all_of_it_and_frees_its_slots(plane: Plane) -> None:
    run = plane.submit(python(DEAF_TREE), slots=4, grace=0.2)
    says(plane, run, "up", times=8)
    assert plane.ask("cancel", id=run)["stopping"] == 1
    next_one = plane.submit("exit 0", slots=4)
    ended = plane.final(run)
    assert (ended["state"], ended["reason"]) == ("cancelled", "cancelled")
    assert (ended["attempts_made"][0]["reason"], ended["attempts_made"][0]["signal"]) == ("stopped", signal.SIGKILL)
    assert not plane.survivors().get(f"{run}.1")
    assert plane.final(next_one)["state"] == "succeeded"
    plane.assert_nobody_left()
    plane.assert_verified()


def test_a_cancel_outlives_the_server_and_the_runner_that_took_it(plane: Plane) -> None:
    run = plane.submit(python(DEAF_TREE), grace=1.0)
    says(plane, run, "up", times=8)
    assert plane.server is not None
    plane.ask("cancel", id=run)
    runner = plane.runner()
    plane.server.kill()
    assert runner is not None
    kill(runner)
    plane.up()
    ended = plane.final(run)
    assert (ended["state"], ended["attempts_made"][0]["reason"]) == ("cancelled", "stopped")
    plane.assert_nobody_left()
    plane.assert_verified()


def test_a_cancel_of_what_waits_starts_nothing(plane: Plane) -> None:
    block = plane.submit("echo up; sleep 60", slots=4)
    says(plane, block, "up")
    waiting = plane.submit("exit 0")
    assert plane.ask("cancel", id=waiting) == {"id": waiting, "kind": "run", "cancelled": 1, "stopping": 0}
    plane.ask("cancel", id=block)
    assert plane.final(block)["state"] == "cancelled"
    assert plane.run(waiting)["attempts_made"] == []
    plane.assert_verified()


def test_the_time_limit_ends_the_tree_and_is_the_reason(plane: Plane) -> None:
    run = plane.submit(python(DEAF_TREE), time_limit=0.5, grace=0.2, attempts=3)
    ended = plane.final(run)
    assert (ended["state"], ended["reason"], len(ended["attempts_made"])) == ("failed", "time_limit", 1)
    plane.assert_nobody_left()


def test_a_failing_run_is_tried_again_after_growing_pauses_until_it_succeeds(plane: Plane) -> None:
    command = 'echo x >> tries; [ "$(wc -l < tries)" -ge 4 ] || exit 3'
    run = plane.submit(command, attempts=5, delay=0.2)
    ended = plane.final(run)
    tried = ended["attempts_made"]
    assert ended["state"] == "succeeded"
    assert [attempt["code"] for attempt in tried] == [3, 3, 3, 0]
    pauses = [after["claimed_at"] - before["ended_at"] for before, after in itertools.pairwise(tried)]
    assert pauses[0] >= 0.2
    assert pauses[1] >= 0.4
    assert pauses[2] >= 0.8
    plane.assert_verified()


def test_a_back_off_outlives_the_server(plane: Plane) -> None:
    run = plane.submit('echo x >> tries; [ "$(wc -l < tries)" -ge 2 ] || exit 3', attempts=2, delay=1.0)
    plane.in_state(run, "delayed")
    assert plane.server is not None
    plane.server.kill()
    plane.up()
    ended = plane.final(run)
    first, second = ended["attempts_made"]
    assert ended["state"] == "succeeded"
    assert second["claimed_at"] - first["ended_at"] >= 1.0


def test_a_missing_working_directory_fails_with_its_name(plane: Plane) -> None:
    run = plane.submit("exit 0", workdir="/no/such/place", attempts=3)
    ended = plane.final(run)
    assert (ended["state"], ended["reason"], len(ended["attempts_made"])) == ("failed", "start_failed", 1)
    assert "/no/such/place" in ended["detail"]


CAMPAIGN = """\
campaign: school
workdir: .
sweeps:
  teachers:
    grid: {width: [1, 2]}
    command: echo started; test -e ready-${width} || exit 4
  students:
    needs: {teachers: [width]}
    grid: {width: [1, 2], seed: [0, 1]}
    command: echo done
"""


def submit_campaign(plane: Plane, text: str) -> str:
    answer = plane.ask("submit", file=text, path="school.yaml", directory=str(plane.marks))
    found: str = answer["campaign"]["id"]
    return found


def states(plane: Plane, campaign: str) -> dict[str, str]:
    """State of every run of a campaign, by name."""
    listed: list[dict[str, Any]] = plane.ask("list_runs", campaign=campaign, limit=1000)["runs"]
    return {run["name"]: run["state"] for run in listed}


def settled(plane: Plane, campaign: str) -> dict[str, str]:
    return eventually(
        lambda: found if set((found := states(plane, campaign)).values()) <= set(FINAL_RUN) else None,
        "the campaign is settled",
    )


def test_a_failed_teacher_blocks_its_own_students_until_it_is_retried(plane: Plane) -> None:
    (plane.marks / "ready-1").touch()
    campaign = submit_campaign(plane, CAMPAIGN)
    found = settled(plane, campaign)
    assert [found[f"teachers-width{width}"] for width in (1, 2)] == ["succeeded", "failed"]
    assert [found[f"students-width{width}-seed{seed}"] for width in (1, 2) for seed in (0, 1)] == [
        "succeeded",
        "succeeded",
        "blocked",
        "blocked",
    ]
    (plane.marks / "ready-2").touch()
    plane.ask("retry", id=campaign, failed=True)
    assert set(settled(plane, campaign).values()) == {"succeeded"}
    plane.assert_verified()


PAUSED = """\
campaign: slow
workdir: .
sweeps:
  work:
    grid: {n: [1, 2, 3, 4, 5, 6]}
    command: echo up; while [ ! -e go ]; do sleep 0.02; done
"""


def test_a_pause_lets_run_what_runs_and_starts_nothing_new(plane: Plane) -> None:
    campaign = submit_campaign(plane, PAUSED)
    eventually(lambda: list(states(plane, campaign).values()).count("running") == 4, "all slots are used")
    plane.ask("pause", id=campaign)
    assert plane.server is not None
    plane.server.kill()
    plane.up()
    (plane.marks / "go").touch()
    eventually(lambda: list(states(plane, campaign).values()).count("succeeded") == 4, "what ran has ended")
    alone = plane.submit("exit 0")
    assert plane.final(alone)["state"] == "succeeded"
    assert list(states(plane, campaign).values()).count("queued") == 2
    plane.ask("resume", id=campaign)
    assert set(settled(plane, campaign).values()) == {"succeeded"}
    plane.assert_verified()


@pytest.mark.parametrize("ends", ["server", "runner"])
def test_a_running_job_does_not_notice_that_others_died(plane: Plane, ends: str) -> None:
    run = plane.submit("echo up; while [ ! -e go ]; do sleep 0.02; done; exit 5")
    says(plane, run, "up")
    plane.in_state(run, "running")
    pid = eventually(lambda: plane.run(run)["attempts_made"][0]["pid"], "its pid is known")
    assert plane.server is not None
    if ends == "server":
        plane.server.kill()
        plane.up()
    else:
        runner = plane.runner()
        assert runner is not None
        kill(runner)
        eventually(lambda: plane.runner() not in (None, runner), "there is a new runner")
    assert is_alive(pid)
    (plane.marks / "go").touch()
    ended = plane.final(run)
    assert (ended["reason"], [it["code"] for it in ended["attempts_made"]]) == ("nonzero_exit", [5])
    assert ended["attempts_made"][0]["pid"] == pid
