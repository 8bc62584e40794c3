"""The words of the Wild V2 protocol for runs and sweeps (2.2, 2.3), and what reports about runs mean."""

from __future__ import annotations

from typing import get_args

import pytest

from overnight.domain.states import RUN
from overnight.planner.wild import (
    Ended,
    Progress,
    Report,
    RunStatus,
    Standing,
    error_of,
    exit_code,
    progress_of,
    report_of,
    reported,
    run_status,
    signal_name,
    states_of,
    sweep_status,
)


def test_every_state_has_a_word_and_every_word_its_states() -> None:
    for state in RUN.states:
        assert state in states_of(run_status(state, launching=False))
        assert state in states_of(run_status(state, launching=True))
    assert {run_status(state, launching=launching) for state in RUN.states for launching in (False, True)} == {
        *get_args(RunStatus)
    }


@pytest.mark.parametrize(
    ("state", "word"),
    [("waiting", "queued"), ("delayed", "queued"), ("cancelling", "running"), ("blocked", "stopped")],
)
def test_states_of_other_dialects_have_the_nearest_word(state: str, word: str) -> None:
    assert run_status(state, launching=False) == word


def test_only_what_runs_launches() -> None:
    launching = {state for state in RUN.states if run_status(state, launching=True) == "launching"}
    assert launching == {"running", "external"}


MIXES = [
    # (counts, launching, draft, cancelled) -> word; the first line of the protocol's list that fits decides
    ({"running": 1, "succeeded": 1}, 0, False, True, "canceled"),
    ({}, 0, True, False, "draft"),
    ({}, 0, False, False, "pending"),
    ({"ready": 1}, 0, True, False, "pending"),
    ({"running": 1, "queued": 1, "failed": 1}, 0, False, False, "running"),
    ({"running": 1, "ready": 4}, 1, False, False, "running"),
    ({"cancelling": 1, "failed": 1}, 0, False, False, "running"),
    ({"external": 1, "failed": 1}, 0, False, False, "running"),
    ({"queued": 1, "failed": 1, "succeeded": 1}, 0, False, False, "pending"),
    ({"delayed": 1, "failed": 1}, 0, False, False, "pending"),
    ({"waiting": 1, "failed": 1}, 0, False, False, "pending"),
    ({"ready": 1, "failed": 1, "succeeded": 1}, 0, False, False, "pending"),
    ({"failed": 1, "succeeded": 9, "cancelled": 1}, 0, False, False, "failed"),
    ({"succeeded": 1, "cancelled": 9}, 0, False, False, "completed"),
    ({"cancelled": 2, "blocked": 1}, 0, False, False, "canceled"),
]


@pytest.mark.parametrize(("counts", "launching", "draft", "cancelled", "word"), MIXES)
def test_the_word_for_a_sweep(counts: dict[str, int], launching: int, draft: bool, cancelled: bool, word: str) -> None:
    assert sweep_status(progress_of(counts, launching), draft=draft, cancelled=cancelled) == word


def test_progress_splits_launching_off_and_adds_up() -> None:
    counts = dict.fromkeys(RUN.states, 2)
    found = progress_of(counts, 1)
    assert found == Progress(total=24, completed=2, failed=2, running=7, launching=1, ready=2, queued=6, canceled=4)


@pytest.mark.parametrize(
    ("ended", "code", "error"),
    [
        (Ended("nonzero_exit", "exit 3", 3), 3, "Process exited with code 3"),
        (Ended("killed", "killed", None, 9), 137, "Process was killed by signal 9 (SIGKILL)"),
        (Ended("killed", "killed", 137), 137, "Process exited with code 137 (SIGKILL)"),
        (Ended("nonzero_exit", "x", 200), 200, "Process exited with code 200"),
        (Ended("killed", "x", 7), 7, "Process exited with code 7"),
        (Ended("time_limit", "stopped at its time limit", None, 15), 143, "stopped at its time limit"),
        (Ended("start_failed", "no such folder: /x"), None, "no such folder: /x"),
        (Ended("interrupted", None), None, "interrupted"),
        (Ended("missing_output", "exit 0, but no fresh x", 0), 0, "exit 0, but no fresh x"),
        (Ended(None, None), None, "failed"),
    ],
)
def test_ends_are_told(ended: Ended, code: int | None, error: str) -> None:
    assert exit_code(ended) == code
    assert error_of(ended) == error


def test_signals_have_names_or_numbers() -> None:
    assert signal_name(11) == "SIGSEGV"
    assert signal_name(99) == "signal 99"


def test_finished_with_a_code_is_failed() -> None:
    assert reported("finished", 1) == "failed"
    assert reported("finished", 0) == reported("finished", None) == "finished"
    assert reported("stopped", 1) == "stopped"


READY = Standing("ready", "ready", ours=False)
LAUNCHING = Standing("external", "launching", ours=False)
RUNNING = Standing("external", "running", ours=False)
OURS = Standing("running", "running", ours=True)


@pytest.mark.parametrize(
    ("standing", "status", "report"),
    [
        (READY, "ready", Report("ready")),
        (READY, "queued", None),
        (READY, "launching", Report("launching", "report", kept=True)),
        (READY, "running", Report("running", "report", kept=True)),
        (READY, "finished", Report("finished", "report_success", kept=True)),
        (LAUNCHING, "launching", Report("launching", kept=True)),
        (LAUNCHING, "running", Report("running", kept=True)),
        (RUNNING, "launching", None),
        (RUNNING, "ready", None),
        (RUNNING, "queued", None),
        (RUNNING, "failed", Report("failed", "report_failure", kept=True)),
        (RUNNING, "stopped", Report("stopped", "report_stop", kept=True)),
        (Standing("failed", "failed", ours=False), "failed", Report("failed")),
        (Standing("failed", "failed", ours=False), "finished", None),
        (Standing("queued", "queued", ours=False), "running", None),
        (OURS, "running", Report("running")),
        (OURS, "finished", None),
        (OURS, "launching", None),
        (Standing("running", "launching", ours=True), "running", Report("running")),
        (Standing("running", "launching", ours=True), "finished", None),
    ],
)
def test_reports_go_forward_and_contradict_nobody(standing: Standing, status: RunStatus, report: Report | None) -> None:
    assert report_of(standing, status) == report
