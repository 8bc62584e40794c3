"""Placement: priority, order, bounds, kinds of devices, and no starvation."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from overnight.domain.plan import Need
from overnight.planner.fit import FreeDevice, Holder, could_have, free_part, is_free, kind_and_number, may_have, suits
from overnight.planner.place import (
    PATIENCE,
    CampaignView,
    Head,
    Lane,
    Placement,
    Snapshot,
    bound_of,
    limit_of,
    place,
)

NOW = 1_000_000.0
OPEN = CampaignView(id="c", open=True, live=0, parallel=None, attempts_left=None, wall_left=None)


def slots(number: int) -> tuple[FreeDevice, ...]:
    return tuple(FreeDevice(f"here/slot{place}", "slot", place, 0, f"slot {place}") for place in range(number))


def gpus(*memory: int) -> tuple[FreeDevice, ...]:
    return tuple(FreeDevice(f"here/GPU-{place}", "gpu", place, mib, "GPU") for place, mib in enumerate(memory))


def heads(*runs: str, seq: int = 1, priority: int = 0, created_at: float = NOW) -> tuple[Head, ...]:
    return tuple(Head(run, seq + place, priority, 0, created_at) for place, run in enumerate(runs))


def lane(name: str = "s", *, runs: tuple[Head, ...] = (), **changes: object) -> Lane:
    made = Lane(
        sweep_id=name,
        campaign=OPEN,
        open=True,
        priority=0,
        need=Need(),
        live=0,
        parallel=None,
        heads=runs or heads(f"{name}1", f"{name}2"),
    )
    return replace(made, **changes)


def placed(lanes: list[Lane], free: tuple[FreeDevice, ...], now: float = NOW) -> dict[str, list[str]]:
    return {it.run_id: [device.id for device in it.devices] for it in place(Snapshot(tuple(lanes), free), now)}


def test_runs_are_placed_in_submission_order() -> None:
    older = lane("a", runs=heads("a1", seq=1))
    newer = lane("b", runs=heads("b1", seq=2))
    assert placed([newer, older], slots(1)) == {"a1": ["here/slot0"]}


def test_priority_goes_before_order() -> None:
    assert list(
        placed([lane("a", runs=heads("a1", seq=1)), lane("b", runs=heads("b1", seq=2), priority=1)], slots(1))
    ) == ["b1"]
    assert list(
        placed([lane("a", runs=heads("a1", seq=1)), lane("b", runs=heads("b1", seq=2, priority=3))], slots(1))
    ) == ["b1"]


def test_nothing_is_placed_without_a_free_device() -> None:
    assert placed([lane("a")], ()) == {}


def test_a_placement_says_how_many_attempts_were_made_before() -> None:
    head = Head("a1", 1, 0, 2, NOW)
    device = slots(1)
    assert place(Snapshot((lane("a", runs=(head,)),), device), NOW) == (Placement("a1", "a", 2, device),)


def test_several_gpus_are_taken_together_or_not_at_all() -> None:
    wide = lane("a", runs=heads("a1"), need=Need(gpus=2))
    assert placed([wide], gpus(10)) == {}
    assert placed([wide], gpus(10, 10, 10)) == {"a1": ["here/GPU-0", "here/GPU-1"]}


def test_a_run_gets_the_smallest_gpu_that_suits() -> None:
    picky = lane("a", runs=heads("a1"), need=Need(gpus=1, gpu_memory_mib=20))
    assert placed([picky], gpus(80, 10, 24)) == {"a1": ["here/GPU-2"]}
    assert placed([lane("b", runs=heads("b1"), need=Need(gpus=1))], gpus(80, 10, 24)) == {"b1": ["here/GPU-1"]}


def test_gpu_runs_take_no_slots_and_slot_runs_no_gpus() -> None:
    assert placed([lane("a", runs=heads("a1"))], gpus(80)) == {}
    assert placed([lane("a", runs=heads("a1"), need=Need(gpus=1))], slots(4)) == {}


def test_a_small_run_fills_the_gap_that_a_young_wide_one_leaves() -> None:
    wide = lane("a", runs=heads("a1", seq=1), need=Need(slots=2))
    small = lane("b", runs=heads("b1", seq=2))
    assert placed([wide, small], slots(1)) == {"b1": ["here/slot0"]}


def test_a_wide_run_that_waited_long_is_not_overtaken_by_its_kind() -> None:
    wide = lane("a", runs=heads("a1", seq=1, created_at=NOW - PATIENCE), need=Need(gpus=2))
    small = lane("b", runs=heads("b1", seq=2), need=Need(gpus=1))
    other_kind = lane("c", runs=heads("c1", seq=3))
    assert placed([wide, small, other_kind], gpus(10) + slots(1)) == {"c1": ["here/slot0"]}


def test_bounds_hold_for_what_runs_and_what_is_placed_together() -> None:
    assert len(placed([lane("a", parallel=2, live=1)], slots(4))) == 1
    bounded = replace(OPEN, parallel=3, live=1)
    two = [lane("a", campaign=bounded), lane("b", campaign=bounded, runs=heads("b1", "b2", seq=5))]
    assert len(placed(two, slots(4))) == 2
    assert len(placed([lane("a", campaign=replace(OPEN, attempts_left=1))], slots(4))) == 1
    assert len(placed([lane("a", campaign=None)], slots(4))) == 2


def test_every_bound_has_its_name() -> None:
    assert limit_of(lane(open=False), {}, {}) == "sweep_paused"
    assert limit_of(lane(parallel=1), {"s": 1}, {}) == "sweep_parallel"
    assert limit_of(lane(campaign=None), {}, {}) is None
    assert limit_of(lane(campaign=replace(OPEN, open=False)), {}, {}) == "campaign_paused"
    assert limit_of(lane(campaign=replace(OPEN, parallel=1)), {}, {"c": 1}) == "campaign_parallel"
    assert limit_of(lane(campaign=replace(OPEN, attempts_left=0)), {}, {}) == "budget_attempts"
    assert limit_of(lane(campaign=replace(OPEN, wall_left=0.0)), {}, {}) == "budget_wall"
    assert limit_of(lane(campaign=replace(OPEN, parallel=2, attempts_left=1, wall_left=1.0)), {}, {}) is None


def test_kinds_and_sizes() -> None:
    assert kind_and_number(Need(gpus=3)) == ("gpu", 3)
    assert kind_and_number(Need(slots=2)) == ("slot", 2)
    (slot,), (small, large) = slots(1), gpus(99, 100)
    assert suits(slot, Need())
    assert not suits(large, Need())
    assert suits(large, Need(gpus=1, gpu_memory_mib=100))
    assert not suits(small, Need(gpus=1, gpu_memory_mib=100))
    assert not suits(large, Need(gpus=1, devices=(0,)))
    assert suits(large, Need(gpus=1, devices=(0, 1)))
    assert suits(slot, Need(devices=(7,)))


@st.composite
def snapshots(draw: st.DrawFn) -> Snapshot:
    free = slots(draw(st.integers(0, 4))) + gpus(*draw(st.lists(st.sampled_from([8, 24, 80]), max_size=4)))
    views = [
        replace(
            OPEN,
            id=f"c{n}",
            parallel=draw(st.none() | st.integers(1, 3)),
            live=draw(st.integers(0, 2)),
            attempts_left=draw(st.none() | st.integers(0, 3)),
        )
        for n in range(2)
    ]
    lanes, seq = [], 1
    for number in range(draw(st.integers(0, 4))):
        count = draw(st.integers(1, 4))
        made = tuple(
            Head(f"r{seq + n}", seq + n, priority, 0, NOW - draw(st.sampled_from([0, 2 * PATIENCE])))
            for n, priority in enumerate(
                sorted(draw(st.lists(st.integers(0, 2), min_size=count, max_size=count)), reverse=True)
            )
        )
        seq += count
        need = draw(
            st.builds(Need, gpus=st.integers(0, 2), slots=st.integers(1, 2), gpu_memory_mib=st.sampled_from([0, 24]))
        )
        lanes.append(
            lane(
                f"s{number}",
                runs=made,
                need=need,
                campaign=draw(st.sampled_from([None, *views])),
                priority=draw(st.integers(0, 2)),
                parallel=draw(st.none() | st.integers(1, 3)),
                live=draw(st.integers(0, 2)),
                open=draw(st.booleans()),
            )
        )
    return Snapshot(tuple(lanes), free)


@given(snapshots())
def test_no_device_is_given_twice_and_every_bound_holds(snapshot: Snapshot) -> None:
    made = place(snapshot, NOW)
    given_devices = [device.id for it in made for device in it.devices]
    assert len(given_devices) == len(set(given_devices))
    assert len({it.run_id for it in made}) == len(made)
    by_sweep = {lane.sweep_id: [it for it in made if it.sweep_id == lane.sweep_id] for lane in snapshot.lanes}
    by_campaign: dict[str, int] = {}
    for it in snapshot.lanes:
        mine = by_sweep[it.sweep_id]
        _, number = kind_and_number(it.need)
        assert all(len(p.devices) == number and all(suits(d, it.need) for d in p.devices) for p in mine)
        assert it.open or not mine
        assert it.parallel is None or not mine or it.live + len(mine) <= it.parallel
        if it.campaign:
            by_campaign[it.campaign.id] = by_campaign.get(it.campaign.id, 0) + len(mine)
    for it in snapshot.lanes:
        view = it.campaign
        if view and by_campaign[view.id]:
            assert view.parallel is None or view.live + by_campaign[view.id] <= view.parallel
            assert view.attempts_left is None or by_campaign[view.id] <= view.attempts_left


@given(snapshots())
def test_placement_is_a_function_of_its_snapshot(snapshot: Snapshot) -> None:
    assert place(snapshot, NOW) == place(snapshot, NOW)


@given(snapshots())
def test_runs_of_one_sweep_are_never_reordered(snapshot: Snapshot) -> None:
    made = place(snapshot, NOW)
    for it in snapshot.lanes:
        order = [head.run_id for head in it.heads]
        chosen = [p.run_id for p in made if p.sweep_id == it.sweep_id]
        assert chosen == order[: len(chosen)]
