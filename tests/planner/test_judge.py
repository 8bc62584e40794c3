"""What an ended attempt means, from evidence, and what becomes of its run."""

from __future__ import annotations

from typing import Any

import pytest

from overnight.domain.plan import Retry
from overnight.domain.reasons import (
    GPU_MEMORY_REMEDIES,
    INTERRUPTIONS_ALLOWED,
    MEMORY_REMEDIES,
    REMEDIES,
    Reason,
    Remedy,
)
from overnight.planner.judge import TEXTS, Outcome, Proof, Standing, Verdict, back_off, outcome_of, verdict_of

FRESH = Standing(0, 0, False)
ONCE = Retry()
NOTHING = Proof()
NO_ATTEMPT = (Reason.NEVER_STARTED, Reason.DEVICE_HELD)
"""Nothing was started, so nothing was tried."""


def said(*reasons: Reason, **rest: Any) -> Proof:
    return Proof(clues={reason: f"the line of {reason}" for reason in reasons}, **rest)


def exited(code: int, kills: int | None = 0) -> dict[str, Any]:
    return {"reason": "exited", "code": code, "usage": {"oom_kills": kills}}


def signalled(signal: int, kills: int | None = 0) -> dict[str, Any]:
    return {"reason": "signalled", "code": None, "signal": signal, "usage": {"oom_kills": kills}}


@pytest.mark.parametrize(
    ("record", "proof", "reason"),
    [
        # our own doing comes first
        ({"reason": "start_failed", "code": None, "detail": "no such folder"}, NOTHING, Reason.START_FAILED),
        ({"reason": "time_limit", "code": None, "signal": 15}, said(Reason.VRAM_OOM), Reason.TIME_LIMIT),
        ({"reason": "stopped", "code": None, "signal": 15}, said(Reason.VRAM_OOM), Reason.STOPPED),
        ({"reason": "stopped", "signal": 9, "detail": "hang: no output for 31 min"}, NOTHING, Reason.HANG),
        ({"reason": "stopped", "signal": 9, "detail": "we hang around"}, NOTHING, Reason.STOPPED),
        ({"reason": "device_held", "code": None, "detail": "GPU-1 is held"}, NOTHING, Reason.DEVICE_HELD),
        ({"reason": "lease_lost", "signal": 15, "detail": "no server"}, said(Reason.VRAM_OOM), Reason.LEASE_LOST),
        # success, whatever the log says
        ({"reason": "exited", "code": 0}, said(*TEXTS, Reason.PREEMPTED), Reason.OK),
        (exited(0, 1), NOTHING, Reason.OK),
        (exited(0), Proof(rooms_full=True), Reason.OK),
        (exited(0), Proof(missing=("a.json",)), Reason.MISSING_OUTPUT),
        (exited(0), Proof(missing=("a.json",), rooms_full=True), Reason.DISK_FULL),
        # the environment, the kernel's count
        (exited(126), said(Reason.VRAM_OOM, environment="no environment x"), Reason.ENV_ERROR),
        (exited(137, 1), said(Reason.VRAM_OOM), Reason.HOST_OOM),
        (exited(1, 1), NOTHING, Reason.HOST_OOM),
        (exited(1, None), NOTHING, Reason.NONZERO_EXIT),
        (signalled(9, 2), said(Reason.PREEMPTED), Reason.HOST_OOM),
        # the platform, signals from outside
        (exited(1), said(Reason.PREEMPTED, Reason.VRAM_OOM), Reason.PREEMPTED),
        (signalled(15), said(Reason.TIME_LIMIT), Reason.TIME_LIMIT),
        (signalled(15), said(Reason.VRAM_OOM), Reason.KILLED),
        (signalled(15), said(Reason.HOST_OOM), Reason.KILLED),
        (signalled(9), NOTHING, Reason.KILLED),
        (signalled(9), said(Reason.HOST_OOM), Reason.HOST_OOM),
        (exited(137), NOTHING, Reason.KILLED),
        (exited(137), said(Reason.VRAM_OOM), Reason.KILLED),
        (exited(137), said(Reason.HOST_OOM), Reason.HOST_OOM),
        (exited(143), NOTHING, Reason.KILLED),
        # signals that a program earns itself, exit codes, the log
        (signalled(6), said(Reason.VRAM_OOM), Reason.VRAM_OOM),
        (exited(134), said(Reason.HOST_OOM), Reason.HOST_OOM),
        (signalled(11), NOTHING, Reason.NONZERO_EXIT),
        (exited(255), NOTHING, Reason.NONZERO_EXIT),
        (exited(3), NOTHING, Reason.NONZERO_EXIT),
        (exited(1), said(Reason.CODE_ERROR, Reason.HARDWARE, Reason.VRAM_OOM), Reason.HARDWARE),
        (exited(1), said(Reason.DIVERGED), Reason.DIVERGED),
        # a disk without room explains what nothing else does
        (exited(1), Proof(rooms_full=True), Reason.DISK_FULL),
        (exited(1), said(Reason.CODE_ERROR, rooms_full=True), Reason.CODE_ERROR),
    ],
)
def test_the_reason_comes_from_evidence_in_a_fixed_order(
    record: dict[str, object], proof: Proof, reason: Reason
) -> None:
    assert outcome_of(record, proof).reason is reason


@pytest.mark.parametrize("reason", TEXTS)
def test_every_text_is_evidence_of_a_failed_exit_alone(reason: Reason) -> None:
    assert outcome_of(exited(1), said(reason)).reason is reason
    assert outcome_of(exited(0), said(reason)).reason is Reason.OK


def test_details_name_what_happened_and_quote_the_log() -> None:
    def detail(record: dict[str, Any], proof: Proof = NOTHING) -> str:
        return outcome_of(record, proof).detail

    assert detail({"reason": "exited", "code": 3}) == "exit code 3"
    assert detail({"reason": "exited", "code": 0}, Proof(("a", "b", "c", "d"))) == "exit 0, but no fresh a, b, c"
    assert detail({"reason": "stopped", "detail": "by hand"}) == "by hand"
    assert detail({"reason": "time_limit"}) == "stopped at its time limit"
    assert detail({"reason": "stopped"}) == "stopped on request"
    assert detail({"reason": "start_failed", "detail": "no such folder"}) == "no such folder"
    assert detail(exited(1), said(Reason.VRAM_OOM)) == "exit code 1: the line of vram_oom"
    assert detail(signalled(9)) == "ended by signal 9 (SIGKILL)"
    assert detail(signalled(1)) == "ended by signal 1 (SIGHUP)"
    assert detail(signalled(40)) == "ended by signal 40"
    assert detail(exited(1), Proof(rooms_full=True)) == "exit code 1; no room is left where it writes"
    assert detail(exited(126), Proof(environment="conda was not found\n")) == "exit code 126: conda was not found"
    assert len(detail(exited(1), Proof(clues={Reason.VRAM_OOM: "x" * 5_000}))) < 250


def test_equal_failures_have_equal_signatures() -> None:
    assert outcome_of(exited(1), Proof(signature="ValueError: <n>")).signature == "ValueError: <n>"
    assert outcome_of({"reason": "start_failed", "detail": "no /a/b"}, NOTHING).signature == "no <path>"
    assert outcome_of({"reason": "start_failed"}, NOTHING).signature is None
    assert outcome_of(exited(126), Proof(environment="no env 3")).signature == "no env <n>"
    assert outcome_of(exited(126), Proof(environment=" ")).signature is None


def verdict(reason: Reason, retry: Retry = ONCE, standing: Standing = FRESH, signature: str | None = None) -> Verdict:
    return verdict_of(Outcome(reason, "why", signature), retry, standing, 100.0)


def test_success_is_success_even_while_it_is_being_cancelled() -> None:
    assert verdict(Reason.OK).transition == "succeed"
    assert verdict(Reason.OK, standing=Standing(0, 0, True)).transition == "succeed"


@pytest.mark.parametrize("reason", [*REMEDIES, Reason.STOPPED, *NO_ATTEMPT])
def test_a_cancelled_run_is_never_tried_again(reason: Reason) -> None:
    made = verdict(reason, Retry(attempts=5), Standing(0, 0, True))
    assert (made.transition, made.reason) == ("stopped", Reason.CANCELLED)


AGAIN = [reason for reason, remedy in REMEDIES.items() if remedy in {Remedy.AGAIN, Remedy.ONCE, Remedy.LADDER}]


@pytest.mark.parametrize("reason", AGAIN)
def test_a_failure_is_tried_again_after_its_back_off_until_its_attempts_are_used_up(reason: Reason) -> None:
    first = verdict(reason, Retry(attempts=2, delay=10.0))
    assert (first.transition, first.failures, first.not_before) == ("delay", 1, 110.0)
    last = verdict(reason, Retry(attempts=2), Standing(1, 0, False))
    assert (last.transition, last.failures, last.not_before) == ("fail", 2, None)


NEVER = [reason for reason in Reason if reason not in REMEDIES and reason not in {Reason.OK, *NO_ATTEMPT}]


@pytest.mark.parametrize("reason", NEVER)
def test_what_would_only_repeat_itself_is_not_tried_again(reason: Reason) -> None:
    assert verdict(reason, Retry(attempts=5)).transition == "fail"


def test_code_errors_and_what_is_missing_are_among_them() -> None:
    expected = {
        Reason.CODE_ERROR, Reason.MISSING_DEPENDENCY, Reason.ENV_ERROR, Reason.NO_GPU, Reason.TIME_LIMIT,
        Reason.START_FAILED, Reason.DIVERGED,
    }  # fmt: skip
    assert expected <= set(NEVER)


def test_a_killed_run_is_tried_again_once_in_all() -> None:
    assert verdict(Reason.KILLED, Retry(attempts=5)).transition == "delay"
    assert verdict(Reason.KILLED, Retry(attempts=5), Standing(0, 0, False, killed=1)).transition == "fail"


REQUEUED = [reason for reason, remedy in REMEDIES.items() if remedy is Remedy.REQUEUE]


@pytest.mark.parametrize("reason", REQUEUED)
def test_what_is_not_its_fault_is_tried_again_at_once_and_apart_from_the_policy(reason: Reason) -> None:
    made = verdict(reason, Retry(attempts=1), Standing(0, 0, False, rung=2))
    assert (made.transition, made.failures, made.interruptions, made.rung) == ("requeue", 0, 1, 2)
    assert verdict(reason, standing=Standing(0, INTERRUPTIONS_ALLOWED, False)).transition == "fail"


@pytest.mark.parametrize("reason", NO_ATTEMPT)
def test_an_attempt_that_never_started_costs_nothing(reason: Reason) -> None:
    made = verdict(reason, standing=Standing(1, 2, False, rung=1, avoid=("g0",)))
    assert (made.transition, made.failures, made.interruptions, made.rung) == ("requeue", 1, 2, 1)
    assert made.hint == {"avoid": ["g0"]}


def test_a_gpu_that_somebody_else_holds_is_avoided() -> None:
    made = verdict(Reason.DEVICE_HELD, standing=Standing(0, 0, False, devices=("g1",)))
    assert (made.transition, made.hint) == ("requeue", {"avoid": ["g1"]})


def test_a_lost_lease_is_no_failure_unless_the_run_gives_up_by_it() -> None:
    made = verdict(Reason.LEASE_LOST, standing=Standing(0, 0, False))
    assert (made.transition, made.interruptions) == ("requeue", 1)
    given_up = verdict(Reason.LEASE_LOST, standing=Standing(0, 0, False, gives_up=True))
    assert (given_up.transition, given_up.reason) == ("fail", Reason.LEASE_LOST)
    assert verdict(Reason.INTERRUPTED, standing=Standing(0, 0, False, gives_up=True)).transition == "requeue"


# The ladder


def test_a_lack_of_device_memory_is_tried_away_from_every_device_where_it_happened() -> None:
    retry = Retry(attempts=3)
    first = verdict(Reason.VRAM_OOM, retry, Standing(0, 0, False, devices=("g0",)))
    assert (first.transition, first.rung, first.hint) == ("delay", 0, {"avoid": ["g0"]})
    second = verdict(Reason.VRAM_OOM, retry, Standing(1, 0, False, avoid=("g0",), devices=("g1", "g0")))
    assert (second.transition, second.hint) == ("delay", {"avoid": ["g0", "g1"]})
    assert verdict(Reason.VRAM_OOM, retry, Standing(2, 0, False)).transition == "fail"


def test_smaller_settings_come_when_attempts_are_used_up_and_may_run_anywhere() -> None:
    retry = Retry(attempts=2, smaller=2)
    first = verdict(Reason.VRAM_OOM, retry, Standing(0, 0, False, rungs=2, devices=("g0",)))
    assert (first.rung, first.hint) == (0, {"avoid": ["g0"]})
    smaller = verdict(Reason.VRAM_OOM, retry, Standing(1, 0, False, rungs=2, avoid=("g0",), devices=("g1",)))
    assert (smaller.transition, smaller.rung, smaller.hint) == ("delay", 1, None)
    smallest = verdict(Reason.VRAM_OOM, retry, Standing(2, 0, False, rung=1, rungs=2))
    assert (smallest.transition, smallest.rung) == ("delay", 2)
    assert verdict(Reason.VRAM_OOM, retry, Standing(3, 0, False, rung=2, rungs=2)).transition == "fail"


def test_a_single_attempt_goes_straight_to_the_smaller_setting_of_its_cell() -> None:
    assert verdict(Reason.VRAM_OOM, Retry(smaller=1), Standing(0, 0, False, rungs=1)).rung == 1
    assert verdict(Reason.VRAM_OOM, Retry(smaller=1), Standing(0, 0, False, rungs=0)).transition == "fail"
    assert verdict(Reason.VRAM_OOM, Retry(smaller=1), Standing(1, 0, False, rung=1, rungs=5)).transition == "fail"


def test_another_failure_on_a_smaller_setting_is_no_reason_for_one_more() -> None:
    made = verdict(Reason.NONZERO_EXIT, Retry(attempts=2, smaller=2), Standing(2, 0, False, rung=1, rungs=2))
    assert (made.transition, made.rung) == ("fail", 1)


@pytest.mark.parametrize("reason", [Reason.NEIGHBOUR_OOM, Reason.HARDWARE])
def test_devices_that_others_filled_or_that_are_broken_are_avoided(reason: Reason) -> None:
    assert verdict(reason, standing=Standing(0, 0, False, devices=("g1",))).hint == {"avoid": ["g1"]}
    assert verdict(Reason.DISK_FULL, standing=Standing(0, 0, False, devices=("g1",))).hint is None


# Memory alone


@pytest.mark.parametrize("reason", [Reason.VRAM_OOM, Reason.NEIGHBOUR_OOM, Reason.HOST_OOM])
def test_where_only_memory_is_tried_again_every_lack_of_it_counts(reason: Reason) -> None:
    retry = Retry(attempts=3, delay=120.0, factor=1.0, only_memory=True)
    for failures in (0, 1):
        made = verdict(reason, retry, Standing(failures, 0, False))
        assert (made.transition, made.failures, made.not_before) == ("delay", failures + 1, 220.0)
    assert verdict(reason, retry, Standing(2, 0, False)).transition == "fail"


@pytest.mark.parametrize("reason", sorted(set(Reason) - set(MEMORY_REMEDIES) - {Reason.OK, *NO_ATTEMPT}))
def test_where_only_memory_is_tried_again_everything_else_fails_at_once(reason: Reason) -> None:
    assert verdict(reason, Retry(attempts=9, only_memory=True)).transition == "fail"


def test_interruptions_are_no_failures_there_either() -> None:
    for reason in (Reason.INTERRUPTED, Reason.PREEMPTED, Reason.HARDWARE, Reason.DISK_FULL):
        assert verdict(reason, Retry(only_memory=True)).transition == "requeue"


# Busy and full GPUs alone


@pytest.mark.parametrize("reason", [Reason.VRAM_OOM, Reason.NEIGHBOUR_OOM, Reason.GPU_BUSY])
def test_where_only_gpus_are_tried_again_each_busy_or_full_one_counts_and_waits_equally_long(reason: Reason) -> None:
    retry = Retry(attempts=3, delay=5.0, factor=1.0, only_gpu_memory=True)
    for failures in (0, 1):
        made = verdict(reason, retry, Standing(failures, 0, False))
        assert (made.transition, made.failures, made.not_before) == ("delay", failures + 1, 105.0)
    assert verdict(reason, retry, Standing(2, 0, False)).transition == "fail"


@pytest.mark.parametrize("reason", sorted(set(Reason) - set(GPU_MEMORY_REMEDIES) - {Reason.OK, *NO_ATTEMPT}))
def test_where_only_gpus_are_tried_again_everything_else_fails_at_once(reason: Reason) -> None:
    assert verdict(reason, Retry(attempts=9, only_gpu_memory=True)).transition == "fail"


def test_interruptions_are_no_failures_of_such_runs() -> None:
    for reason in (Reason.INTERRUPTED, Reason.PREEMPTED):
        assert verdict(reason, Retry(only_gpu_memory=True)).transition == "requeue"


# The same again


def twice(signature: str | None, before: tuple[str, float] | None, seconds: float | None = 5.0) -> Verdict:
    standing = Standing(1, 0, False, seconds=seconds, before=before)
    return verdict(Reason.NONZERO_EXIT, Retry(attempts=9), standing, signature)


def test_failing_twice_at_once_in_the_same_way_is_an_error_of_the_program() -> None:
    made = twice("ValueError: <n>", ("ValueError: <n>", 3.0))
    assert (made.transition, made.reason) == ("fail", Reason.CODE_ERROR)
    assert "the attempt before failed at once in the same way" in made.detail


@pytest.mark.parametrize(
    ("signature", "before", "seconds"),
    [
        ("a", None, 5.0),
        (None, ("a", 3.0), 5.0),
        ("a", ("b", 3.0), 5.0),
        ("a", ("a", 121.0), 5.0),
        ("a", ("a", 3.0), 121.0),
        ("a", ("a", 3.0), None),
    ],
)
def test_other_failures_in_a_row_are_tried_again(
    signature: str | None, before: tuple[str, float] | None, seconds: float | None
) -> None:
    assert twice(signature, before, seconds).transition == "delay"


def test_back_off_grows_to_its_bound_and_never_overflows() -> None:
    retry = Retry(attempts=99, delay=10.0, factor=2.0, longest=600.0)
    assert [back_off(retry, n) for n in (1, 2, 3, 7, 1_000_000)] == [10.0, 20.0, 40.0, 600.0, 600.0]
