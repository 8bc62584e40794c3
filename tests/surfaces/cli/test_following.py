"""What is said of a campaign while it is followed, and how errors become exit codes."""

from typing import Any

import pytest

from overnight.domain.errors import InvalidFile, NotFound, Problem, StoreRefused, StoreUnavailable, Unreachable
from overnight.surfaces.cli.failure import described, exit_code, lines_of
from overnight.surfaces.cli.follow import Standing, durations, time_left
from overnight.surfaces.cli.serving import Trouble
from overnight.surfaces.cli.watch import Lines, bar, failure_lines, progress_line

STATES = (
    "ready", "waiting", "queued", "running", "delayed", "external", "cancelling", "collecting", "succeeded",
    "failed", "blocked", "cancelled",
)  # fmt: skip


class Hand:
    """A clock that is moved by hand."""

    boot_id = "boot"

    def __init__(self) -> None:
        self.now = 0.0

    def boot(self) -> float:
        return self.now

    def wall(self) -> float:
        return self.now


def counts(**given: int) -> dict[str, int]:
    named = {state: given.get(state, 0) for state in STATES}
    return {**named, "total": sum(named.values())}


def sweep(id: str, **given: int) -> dict[str, Any]:
    return {"id": id, "name": id, "counts": counts(**given)}


def ended(sweep_id: str, seconds: float, state: str = "succeeded") -> dict[str, Any]:
    return {"sweep_id": sweep_id, "state": state, "started_at": 100.0, "ended_at": 100.0 + seconds}


def standing(**changes: Any) -> Standing:
    campaign = {"state": "active", "counts": counts(succeeded=1, queued=2, running=1)}
    given: dict[str, Any] = {
        "campaign": campaign, "elapsed": 12.0, "left": None, "news": (), "unnamed": 0, "reasons": (),
    }  # fmt: skip
    return Standing(**{**given, **changes})


def test_durations_are_those_of_runs_that_succeeded() -> None:
    runs = [ended("a", 2.0), ended("a", 4.0), ended("b", 9.0, state="failed"), ended("a", -1.0)]
    runs.append({"sweep_id": "a", "state": "succeeded", "started_at": None, "ended_at": 5.0})
    assert durations(runs) == {"a": [2.0, 4.0, 0.0]}


def test_the_time_left_is_not_known_before_a_run_has_ended() -> None:
    assert time_left([sweep("a", queued=5)], {}, 1) is None


def test_the_time_left_is_the_median_of_each_sweep_shared_among_those_that_run_at_once() -> None:
    sweeps = [sweep("a", queued=3, running=2, succeeded=7), sweep("b", waiting=4, failed=1)]
    known = {"a": [10.0, 1.0, 2.0]}
    assert time_left(sweeps, known, 1) == (3 + 1) * 2.0 + 4 * 2.0
    assert time_left(sweeps, {**known, "b": [5.0]}, 2) == ((3 + 1) * 2.0 + 4 * 5.0) / 2
    assert time_left([sweep("a", succeeded=9)], known, 3) == 0


def test_progress_says_what_is_done_how_long_and_why_nothing_runs() -> None:
    assert progress_line(standing(left=90.0)) == (
        "1 of 4 done: 2 queued, 1 running, 1 succeeded; 12 s so far, about 1 min 30 s left"
    )
    assert progress_line(standing(reasons=("s is queued: it is\x1bpaused",))).endswith(
        "; s is queued: it is\\x1bpaused"
    )


def test_lines_come_at_changes_and_at_most_once_a_second(capsys: pytest.CaptureFixture[str]) -> None:
    clock = Hand()
    lines = Lines(clock)
    first, second = standing(), standing(campaign={"state": "active", "counts": counts(succeeded=2, queued=2)})
    over = standing(campaign={"state": "succeeded", "counts": counts(succeeded=4)})
    for moment, it in ((0.0, first), (0.5, second), (1.1, second), (5.0, second), (5.1, over)):
        clock.now = moment
        lines.show(it)
    assert [line[:11] for line in capsys.readouterr().out.splitlines()] == ["1 of 4 done", "2 of 4 done", "4 of 4 done"]


def test_why_nothing_runs_is_told_once(capsys: pytest.CaptureFixture[str]) -> None:
    clock = Hand()
    lines = Lines(clock)
    for moment, reasons in (
        (0.0, ()),
        (5.0, ("s is queued: it needs a GPU",)),
        (10.0, ("s is queued: it needs a GPU",)),
    ):
        clock.now = moment
        lines.show(standing(reasons=reasons))
    assert capsys.readouterr().out.count("it needs a GPU") == 1


def test_failures_are_named_and_further_ones_counted() -> None:
    run = {"id": "0123456789ab", "name": "x\x1b[2J", "detail": "exit code 3", "reason": "nonzero_exit"}
    assert failure_lines(standing(news=(run,), unnamed=2)) == [
        "failed: x\\x1b[2J: exit code 3 (overnight logs 0123456789ab)",
        "failed: 2 further runs",
    ]


@pytest.mark.parametrize("parts", [(0, 0, 0, 0), (1, 0, 0, 3), (3, 0, 0, 3), (1, 1, 1, 3), (1, 0, 1, 100_000)])
def test_a_bar_is_always_as_wide(parts: tuple[int, int, int, int]) -> None:
    assert len(bar(*parts).plain) == 24


def test_a_record_that_broke_ends_the_work_with_1() -> None:
    trouble = Trouble()
    trouble.check()
    trouble.note("a sync failed")
    with pytest.raises(StoreUnavailable, match="a sync failed") as caught:
        trouble.check()
    assert exit_code(caught.value) == 1


def test_exit_codes_tell_wrong_requests_from_failures() -> None:
    assert [exit_code(NotFound("x")), exit_code(Unreachable("x")), exit_code(StoreRefused("x"))] == [2, 2, 1]


def test_an_error_lists_every_problem_with_file_and_line() -> None:
    error = InvalidFile("c.yaml", [Problem("sweeps.s", "no command", 4), Problem("campaign", "is\x1bmissing")])
    said = described(error)
    assert said["problems"] == [
        {"place": "sweeps.s", "line": 4, "message": "no command"},
        {"place": "campaign", "line": None, "message": "is\x1bmissing"},
    ]
    assert lines_of(said) == [
        "error: c.yaml: 2 problems",
        "  c.yaml:4: sweeps.s: no command",
        "  c.yaml: campaign: is\\x1bmissing",
        "next: Correct the file and check it with: overnight plan c.yaml",
    ]
