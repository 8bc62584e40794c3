"""The one deciding reason, and what may be done."""

from __future__ import annotations

from dataclasses import replace

import pytest

from overnight.domain.fetch import Fetch
from overnight.domain.nouns import Attempt, Device, Run, Sweep, SweepSettings
from overnight.domain.plan import EnvironmentPlan, Need, Retry
from overnight.domain.states import RUN
from overnight.planner.candidates import Lost
from overnight.planner.explain import Situation, explain
from overnight.planner.place import CampaignView, Head, Lane

NOW = 1000.0
SETTINGS = SweepSettings("/w", Need(gpus=1), Retry(), EnvironmentPlan(), None, 10.0, None, ("seed",))
SWEEP = Sweep("5" * 12, 1, "c" * 12, "s", "active", "open", 0, SETTINGS, 0.0, None)
RUN_ = Run("a" * 12, 1, "c" * 12, SWEEP.id, "cell", "queued", None, None, 0, {}, 0, 0, 0, None, 0.0, None, None, 0)
CAMPAIGN = CampaignView("c" * 12, True, 0, None, None, None)
LANE = Lane(SWEEP.id, CAMPAIGN, True, 0, Need(gpus=1), 0, None, (Head(RUN_.id, 1, 0, 0, 0.0),))
GPU = Device("here/GPU-1", "here", "gpu", 0, "GPU-1", "H100", 80_000, "healthy", None, None, NOW)
ATTEMPT = Attempt(
    "a.1",
    RUN_.id,
    1,
    "running",
    None,
    None,
    7,
    "here",
    "boot",
    "/f",
    ("here/GPU-1",),
    0.0,
    1.0,
    None,
    None,
    5,
    None,
    None,
    None,
)


def situation(**changes: object) -> Situation:
    return replace(Situation(RUN_, SWEEP, LANE, None, (), (GPU,), {}, 0, NOW), **changes)


def run(state: str, **changes: object) -> Run:
    return replace(RUN_, state=state, **changes)


@pytest.mark.parametrize("state", RUN.states)
def test_every_state_is_explained_with_a_code_and_a_sentence(state: str) -> None:
    made = explain(situation(run=run(state)))
    assert made.code
    assert made.sentence
    assert all(command.startswith("overnight ") for command in made.next)


FETCH = Fetch("a.1", RUN_.id, "box", "pending", 0, None, None, None, None, None, NOW - 65, None)


@pytest.mark.parametrize(
    ("changes", "said", "command"),
    [
        ({}, "it ended well, and what it left is being copied here", "overnight show"),
        ({"fetch": FETCH}, "what it left on box has been on its way here for 65 s", "overnight show"),
        (
            {"fetch": replace(FETCH, problem="no room here", not_before=NOW + 9)},
            "65 s; the last try failed (no room here), the next one is due in 9 s",
            "overnight doctor",
        ),
        (
            {"fetch": FETCH, "lost": {"box": Lost(NOW - 5, "timed out")}},
            "box: it has not been reached for 5 s (timed out)",
            "overnight doctor",
        ),
    ],
)
def test_a_run_whose_files_are_on_their_way_says_what_keeps_them(
    changes: dict[str, object], said: str, command: str
) -> None:
    made = explain(situation(run=run("collecting"), **changes))
    assert said in made.sentence
    assert made.code == "collecting"
    assert made.next[0].startswith(command)


def test_a_waiting_run_names_what_it_waits_for() -> None:
    assert explain(situation(run=run("waiting"))).code == "release_due"
    unmet = [("t1", "running"), ("t2", "queued"), ("t3", "queued"), ("t4", "queued")]
    assert explain(situation(run=run("waiting"), unmet=unmet)).sentence.endswith("t3 (queued) and 1 more")
    assert explain(situation(run=run("waiting"), unmet=unmet[:1])).sentence == "it waits for t1 (running)"


@pytest.mark.parametrize(
    ("lane", "code", "command"),
    [
        (replace(LANE, hold="the disk is full"), "held", "overnight doctor"),
        (replace(LANE, open=False), "sweep_paused", f"overnight resume {SWEEP.id}"),
        (replace(LANE, campaign=replace(CAMPAIGN, open=False)), "campaign_paused", f"overnight resume {CAMPAIGN.id}"),
        (replace(LANE, parallel=1, live=1), "sweep_parallel", None),
        (replace(LANE, campaign=replace(CAMPAIGN, parallel=1, live=1)), "campaign_parallel", None),
        (replace(LANE, campaign=replace(CAMPAIGN, attempts_left=0)), "budget_attempts", None),
        (replace(LANE, campaign=replace(CAMPAIGN, wall_left=0.0)), "budget_wall", None),
    ],
)
def test_a_bound_is_named_before_devices_are(lane: Lane, code: str, command: str | None) -> None:
    made = explain(situation(lane=lane, devices=()))
    assert made.code == code
    assert made.next == ((command,) if command else ())


def test_a_run_that_never_fits_says_what_it_needs_and_what_there_is() -> None:
    made = explain(situation(devices=()))
    assert (made.code, made.sentence) == ("never_fits", "it needs 1 GPU, and the target has 0 that suit")
    two = replace(SWEEP, settings=replace(SETTINGS, need=Need(slots=2)))
    assert explain(situation(sweep=two)).sentence == "it needs 2 CPU slots, and the target has 0 that suit"


def test_a_sick_or_foreign_device_is_named() -> None:
    sick = replace(GPU, state="quarantined", diagnosis="GPU is lost")
    assert explain(situation(devices=[sick])).sentence == "H100 is quarantined: GPU is lost"
    used = replace(GPU, busy="pid 7 holds 40 GiB")
    assert explain(situation(devices=[used])).code == "foreign_use"
    assert explain(situation(devices=[used], held={used.id: "b.1"})).code == "busy"
    assert explain(situation(devices=[used, replace(GPU, id="here/GPU-2")], held={"here/GPU-2": "b.1"})).code == "busy"


def needing(need: Need) -> Sweep:
    return replace(SWEEP, settings=replace(SETTINGS, need=need))


def test_devices_of_other_targets_do_not_count() -> None:
    elsewhere = replace(GPU, id="box/GPU-1", target="box")
    assert explain(situation(sweep=needing(Need(gpus=2)), devices=[GPU, elsewhere])).code == "never_fits"
    assert explain(situation(devices=[replace(GPU, busy="pid 7"), elsewhere])).code == "foreign_use"


def test_a_run_that_allows_certain_gpus_speaks_of_these_alone() -> None:
    other = replace(GPU, id="here/GPU-2", position=3, name="L4")
    made = explain(situation(sweep=needing(Need(gpus=1, devices=(1, 2))), devices=[GPU, other]))
    assert made.sentence == "it needs 1 GPU of index 1, 2, and the target has 0 that suit"
    used = replace(other, busy="pid 7 holds 40 GiB")
    made = explain(situation(sweep=needing(Need(gpus=1, devices=(3,))), devices=[GPU, used]))
    assert made.sentence == "L4 is used by others: pid 7 holds 40 GiB"


def test_a_threshold_of_the_run_itself_is_named() -> None:
    strict = needing(Need(gpus=1, free_below_mib=100))
    made = explain(situation(sweep=strict, devices=[replace(GPU, used_mib=300)]))
    assert made.sentence == "H100 is used by others: 300 MiB of its memory, free means less than 100 MiB"
    made = explain(situation(sweep=strict, devices=[replace(GPU, used_mib=3, strangers=True, busy="pid 7")]))
    assert made.sentence == "H100 is used by others: pid 7"
    made = explain(situation(sweep=strict, devices=[replace(GPU, used_mib=3, strangers=True)]))
    assert made.sentence == "H100 is used by others: processes that are not ours"
    assert explain(situation(sweep=needing(Need(gpus=1, free_below_mib=500)), devices=[GPU])).code == "busy"


def test_a_run_that_takes_no_device_waits_for_none() -> None:
    assert explain(situation(sweep=needing(Need(slots=0)), devices=())).code == "start_due"


def test_a_run_that_may_share_says_that_no_shared_gpu_has_room() -> None:
    made = explain(situation(sweep=needing(Need(gpus=1, share=2)), held={GPU.id: "b.1"}, ahead=1))
    assert made.sentence.endswith(", and none of them is known to have memory for one more; 1 queued run ahead")


def test_a_run_behind_others_says_how_many() -> None:
    assert explain(situation(ahead=1)).sentence.endswith("; 1 queued run ahead")
    assert explain(situation(ahead=2)).sentence.endswith("; 2 queued runs ahead")
    assert explain(situation()).sentence == "every GPU that suits is taken by other runs"


def test_a_delayed_run_says_when_it_is_tried_again() -> None:
    made = explain(situation(run=run("delayed", reason="nonzero_exit", detail="exit code 1", not_before=NOW + 5)))
    assert made.sentence == "it failed (nonzero_exit: exit code 1) and is tried again in 5 s"


def test_a_running_run_says_where() -> None:
    assert explain(situation(run=run("running"))).code == "launching"
    assert explain(situation(run=run("running"), attempt=replace(ATTEMPT, state="launching"))).code == "launching"
    assert explain(situation(run=run("running"), attempt=ATTEMPT)).sentence == "attempt 1 runs on here (here/GPU-1)"


def test_final_runs_say_why_and_what_may_be_done() -> None:
    failed = explain(situation(run=run("failed", reason="time_limit", detail="stopped at its time limit", attempts=2)))
    assert (failed.code, failed.sentence) == ("time_limit", "attempt 2 ended it: stopped at its time limit")
    blocked = explain(situation(run=run("blocked", reason="need_failed", detail="t1 is failed")))
    assert (blocked.code, blocked.next) == ("need_failed", (f"overnight retry {RUN_.campaign_id} --failed",))
    assert explain(situation(run=run("blocked", campaign_id=None))).next == (f"overnight retry {RUN_.id} --failed",)


def going(*targets: str, need: Need | None = None, **settings: object) -> Sweep:
    return replace(SWEEP, settings=replace(SETTINGS, targets=targets, need=need or Need(gpus=1), **settings))


def card(target: str, place: int = 0, **changes: object) -> Device:
    return replace(GPU, id=f"{target}/GPU-{place}", target=target, position=place, **changes)


def test_each_target_says_in_its_order_what_it_has_and_why_nothing_starts_there() -> None:
    devices = [card("a"), card("a", 1, name="L4", memory_mib=20_000), card("b", memory_mib=8_000), GPU]
    made = explain(
        situation(
            sweep=going("a", "b", "c", "d", "e", "here", need=Need(gpus=1, gpu_memory_mib=10_000)),
            devices=devices,
            held={"a/GPU-0": "x.1", "a/GPU-1": "y.1", GPU.id: "z.1"},
            lost={"c": Lost(NOW - 180, "timed out"), "z": Lost(NOW, None)},
            stopped={"d": "the disk is full"},
            ahead=2,
        )
    )
    assert [it.code for it in made.candidates] == ["busy", "never_fits", "unreachable", "held", "unseen", "busy"]
    assert made.sentence == (
        "a (2 GPUs: 1 x H100 with 80000 MiB, 1 x L4 with 20000 MiB): every GPU that suits is taken by other runs; "
        "b (1 GPU: H100 with 8000 MiB): it needs 1 GPU with 10000 MiB, and the target has 0 that suit; "
        "c (no GPU): it has not been reached for 3 min (timed out); "
        "d (no GPU): nothing new of its sweep starts there: the disk is full; "
        "e (no GPU): it is not known yet what devices it has; "
        "here (1 GPU: H100 with 80000 MiB): every GPU that suits is taken by other runs; 2 queued runs ahead"
    )
    assert (made.code, made.next) == ("busy", ("overnight status",))


def test_what_says_most_of_when_it_may_start_decides_and_its_target_is_named() -> None:
    lost = {"a": Lost(NOW - 10, None)}
    large = going("b", "a", need=Need(gpus=1, gpu_memory_mib=10))
    made = explain(situation(sweep=large, devices=[card("b", memory_mib=9, name="T4")], lost=lost))
    assert (made.code, made.next) == ("unreachable", ("overnight doctor a",))
    made = explain(situation(sweep=going("b", need=Need(slots=2)), devices=[card("b", kind="slot")]))
    assert (made.code, made.candidates[0].line) == (
        "never_fits", "b (1 CPU slot): it needs 2 CPU slots, and the target has 1 that suit",
    )  # fmt: skip
    assert explain(situation(sweep=going("a", need=Need(slots=0)), lost=lost)).code == "unreachable"


def test_a_gpu_is_asked_for_by_a_part_of_its_name() -> None:
    named = going("b", need=Need(gpus=1, gpu_name="a100"))
    made = explain(situation(sweep=named, devices=[card("b", name="NVIDIA H100")]))
    assert made.sentence == "it needs 1 GPU named like 'a100', and the target has 0 that suit"
    assert explain(situation(sweep=named, devices=[card("b", name="NVIDIA A100-SXM")])).code == "busy"


@pytest.mark.parametrize(
    ("policy", "says"),
    [
        ("hold", "it goes on there, and what became of it is settled when the target answers again"),
        ("requeue", "not heard of this server for 15 min, and then it is started again"),
        ("kill", "not heard of this server for 15 min, and then it counts as failed"),
    ],
)
def test_a_live_attempt_whose_target_is_not_reached_is_unknown(policy: str, says: str) -> None:
    lost = {"here": Lost(NOW - 40, "connection refused")}
    sweep = going("here", on_disconnect=policy)
    made = explain(situation(run=run("running"), sweep=sweep, attempt=ATTEMPT, lost=lost))
    assert made.code == "unknown"
    assert made.sentence.startswith(
        "attempt 1 on here is unknown: it has not been reached for 40 s (connection refused)"
    )
    assert says in made.sentence
    stopped = explain(situation(run=run("cancelling"), sweep=sweep, attempt=ATTEMPT, lost=lost))
    assert (stopped.code, stopped.next) == ("cancelling", ("overnight doctor here",))
    assert "here: it has not been reached for 40 s" in stopped.sentence
    assert explain(situation(run=run("running"), attempt=ATTEMPT)).code == "running"
