"""Placement: priority, order, bounds, kinds of devices, and no starvation."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from overnight.domain.plan import Need
from overnight.planner.fit import FreeDevice, Holder, free_part, is_free, kind_and_number, may_have, suits
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


def card(place: int = 0, memory: int = 80_000, *holders: Holder, **changes: object) -> FreeDevice:
    return replace(FreeDevice(f"here/GPU-{place}", "gpu", place, memory, "H100"), holders=holders, **changes)


def holder(attempt: str = "x.1", part: int = 0, share: int = 2, peak_mib: int | None = 10_000) -> Holder:
    return Holder(attempt, part, share, peak_mib)


def knowing(peak: int | None, *runs: Head) -> tuple[Head, ...]:
    """Heads of which it is known what they use on an H100."""
    return tuple(replace(run, peaks={} if peak is None else {"H100": peak}) for run in runs)


ONE, TWO = Need(gpus=1), Need(gpus=1, share=2)


def test_only_allowed_gpus_are_given_and_others_do_not_count() -> None:
    picky = lane("a", runs=heads("a1", "a2"), need=Need(gpus=1, devices=(1, 3)))
    assert placed([picky], gpus(80, 80, 80)) == {"a1": ["here/GPU-1"]}
    assert placed([replace(picky, need=Need(gpus=2, devices=(1, 3)))], gpus(80, 80, 80)) == {}


def test_a_gpu_is_free_by_the_threshold_of_the_run_or_else_by_that_of_its_target() -> None:
    own = Need(gpus=1, free_below_mib=500)
    assert is_free(card(used_mib=499), own)
    assert not is_free(card(used_mib=500), own)
    assert is_free(card(used_mib=499, busy="499 MiB are in use, free means at most 100"), own)
    assert not is_free(card(used_mib=1, strangers=True), own)
    assert is_free(card(used_mib=None), own)
    assert not is_free(card(used_mib=None, busy="in use by pid 7"), own)
    assert is_free(card(used_mib=70_000), ONE)
    assert not is_free(card(used_mib=0, busy="in use by pid 7"), ONE)


def test_what_others_use_is_left_to_them() -> None:
    devices = (card(0, busy="in use by pid 7", strangers=True, used_mib=9), card(1, used_mib=600, busy="600 MiB"))
    assert placed([lane("a", need=ONE)], devices) == {}
    assert placed([lane("a", need=replace(ONE, free_below_mib=601))], devices) == {"a1": ["here/GPU-1"]}


def test_a_run_that_takes_no_device_starts_though_none_is_free() -> None:
    assert placed([lane("a", need=Need(slots=0), parallel=1)], ()) == {"a1": []}
    assert len(placed([lane("a", need=Need(slots=0), campaign=replace(OPEN, parallel=2, live=1))], ())) == 1


def test_runs_that_take_no_device_go_one_by_one_where_nobody_says_more() -> None:
    nothing = Need(slots=0)
    assert bound_of(nothing, None, None) == 1
    assert bound_of(nothing, 7, None) == 7
    assert bound_of(nothing, None, 7) is None
    assert bound_of(Need(), None, None) is None


def test_a_gpu_is_shared_when_its_holders_bear_it_and_memory_suffices_for_all() -> None:
    assert may_have(card(0, 80_000, holder()), TWO, 10_000)
    assert not may_have(card(0, 80_000, holder()), ONE, 10_000)
    assert not may_have(card(0, 80_000, holder(share=1)), TWO, 10_000)
    assert not may_have(card(0, 80_000, holder(), holder("y.1", 1)), TWO, 10_000)
    assert not may_have(card(0, 80_000, holder(), holder("y.1", 1)), replace(TWO, share=3), 10_000)
    assert may_have(card(0, 80_000, holder(share=3), holder("y.1", 1, 3)), replace(TWO, share=3), 10_000)


def test_memory_on_a_shared_gpu_is_set_aside_with_headroom() -> None:
    assert may_have(card(0, 22_000, holder()), TWO, 10_000)
    assert not may_have(card(0, 21_999, holder()), TWO, 10_000)
    assert not may_have(card(0, 22_000, holder(), used_mib=11_001), TWO, 10_000)
    assert not may_have(card(0, 0, holder()), TWO, 10_000)


def test_nobody_joins_or_is_joined_whose_memory_is_not_known() -> None:
    assert not may_have(card(0, 80_000, holder()), TWO, None)
    assert not may_have(card(0, 80_000, holder(peak_mib=None)), TWO, 10_000)
    assert may_have(card(), TWO, None)


def test_nobody_joins_where_strangers_are() -> None:
    assert not may_have(card(0, 80_000, holder(), strangers=True), TWO, 10_000)


def test_the_lowest_part_that_is_free_is_given() -> None:
    assert free_part(card()) == 0
    assert free_part(card(0, 80_000, holder())) == 1
    assert free_part(card(0, 80_000, holder(part=1), holder("y.1", 2))) == 0
    assert free_part(card(0, 80_000, holder(part=0), holder("y.1", 2))) == 1


def test_empty_gpus_go_before_shared_ones_and_the_emptiest_before_others() -> None:
    full, bare = card(0, 80_000, holder(peak_mib=30_000)), card(1, 80_000, holder(peak_mib=20_000))
    runs = knowing(10_000, *heads("a1"))
    assert placed([lane("a", runs=runs, need=TWO)], (full, bare, card(2))) == {"a1": ["here/GPU-2"]}
    assert placed([lane("a", runs=runs, need=TWO)], (full, bare)) == {"a1": ["here/GPU-1"]}


def test_runs_that_are_placed_together_share_within_their_bounds() -> None:
    runs = knowing(10_000, *heads("a1", "a2", "a3"))
    made = place(Snapshot((lane("a", runs=runs, need=TWO),), (card(),)), NOW)
    assert [(it.run_id, it.part, [h.attempt for h in it.devices[0].holders]) for it in made] == [
        ("a1", 0, []),
        ("a2", 1, ["a1.1"]),
    ]
    unknown = knowing(None, *heads("a1", "a2"))
    assert len(place(Snapshot((lane("a", runs=unknown, need=TWO),), (card(),)), NOW)) == 1


def test_a_run_that_lacked_memory_goes_elsewhere_and_to_the_largest_first() -> None:
    avoiding = tuple(replace(run, avoid=frozenset({"here/GPU-1"})) for run in heads("a1"))
    ladder = lane("a", runs=avoiding, need=ONE)
    assert placed([ladder], gpus(24, 24, 80)) == {"a1": ["here/GPU-2"]}
    assert placed([ladder], gpus(24, 80)) == {"a1": ["here/GPU-0"]}
    assert placed([ladder], gpus(24, 80)[1:]) == {"a1": ["here/GPU-1"]}


def test_a_run_that_waited_long_keeps_only_what_serves_it() -> None:
    """Not GPUs that it may not have, nor those that others use."""
    old = lane("a", runs=heads("a1", created_at=NOW - PATIENCE), need=Need(gpus=2, devices=(0, 1)))
    young = lane("b", runs=heads("b1", "b2", seq=5), need=ONE)
    assert placed([old, young], gpus(80, 80, 80)[1:]) == {"b1": ["here/GPU-2"]}
    strict = replace(old, need=Need(gpus=1, free_below_mib=100))
    assert placed([strict, young], (card(0, used_mib=400),)) == {"b1": ["here/GPU-0"]}


def test_a_run_that_wants_its_gpu_alone_is_not_starved_by_runs_that_share() -> None:
    alone = lane("a", runs=heads("a1", created_at=NOW - PATIENCE), need=ONE)
    sharing = lane("b", runs=knowing(10_000, *heads("b1", seq=5)), need=TWO)
    assert placed([alone, sharing], (card(0, 80_000, holder()),)) == {}
    young = replace(alone, heads=heads("a1"))
    assert placed([young, sharing], (card(0, 80_000, holder()),)) == {"b1": ["here/GPU-0"]}


MOST = 80_000

holders = st.builds(
    holder, part=st.just(0), share=st.integers(2, 3), peak_mib=st.none() | st.sampled_from([4_000, 9_000, 40_000])
)


@st.composite
def devices(draw: st.DrawFn) -> tuple[FreeDevice, ...]:
    """Slots, and GPUs that are free, used by strangers, or shared."""
    made = [
        card(
            place,
            draw(st.sampled_from([8_000, 24_000, MOST])),
            *draw(st.lists(holders, max_size=1)),
            used_mib=draw(st.none() | st.sampled_from([0, 400, 9_000])),
            busy=draw(st.none() | st.just("in use")),
            strangers=draw(st.booleans()),
        )
        for place in range(draw(st.integers(0, 4)))
    ]
    return (*slots(draw(st.integers(0, 4))), *made)


needs = st.builds(
    Need,
    gpus=st.integers(0, 2),
    slots=st.integers(0, 2),
    gpu_memory_mib=st.sampled_from([0, 24_000]),
    devices=st.none() | st.sampled_from([(0,), (1, 2)]),
    free_below_mib=st.none() | st.sampled_from([100, 500]),
) | st.builds(Need, gpus=st.just(1), share=st.integers(2, 3))


@st.composite
def snapshots(draw: st.DrawFn) -> Snapshot:
    free = draw(devices())
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
            Head(
                f"r{seq + n}",
                seq + n,
                priority,
                0,
                NOW - draw(st.sampled_from([0, 2 * PATIENCE])),
                draw(st.sampled_from([frozenset(), frozenset({"here/GPU-0"})])),
                draw(st.sampled_from([{}, {"H100": 5_000}, {"H100": 30_000}])),
            )
            for n, priority in enumerate(
                sorted(draw(st.lists(st.integers(0, 2), min_size=count, max_size=count)), reverse=True)
            )
        )
        seq += count
        lanes.append(
            lane(
                f"s{number}",
                runs=made,
                need=draw(needs),
                campaign=draw(st.sampled_from([None, *views])),
                priority=draw(st.integers(0, 2)),
                parallel=draw(st.none() | st.integers(1, 3)),
                live=draw(st.integers(0, 2)),
                open=draw(st.booleans()),
                hold=draw(st.sampled_from([None, None, "its barrier is shut"])),
            )
        )
    return Snapshot(tuple(lanes), free, free)


def on_each(snapshot: Snapshot, made: tuple[Placement, ...]) -> dict[str, list[tuple[int, int | None]]]:
    """Device -> (share, learnt memory) of all that are on it in the end."""
    wants = {lane.sweep_id: lane.need for lane in snapshot.lanes}
    peaks = {head.run_id: head.peaks.get("H100") for lane in snapshot.lanes for head in lane.heads}
    found = {device.id: [(it.share, it.peak_mib) for it in device.holders] for device in snapshot.free}
    for it in made:
        for device in it.devices:
            found[device.id].append((wants[it.sweep_id].share, peaks[it.run_id]))
    return found


@given(snapshots())
def test_a_device_has_one_run_or_as_many_as_all_on_it_bear_and_its_memory_holds(snapshot: Snapshot) -> None:
    made = place(snapshot, NOW)
    memory = {device.id: device.memory_mib for device in snapshot.free}
    given = {device.id for it in made for device in it.devices}
    for device, there in on_each(snapshot, made).items():
        if device in given and len(there) > 1:
            assert len(there) <= min(share for share, _ in there)
            assert all(peak is not None for _, peak in there)
            assert sum(1.1 * (peak or 0) for _, peak in there) <= memory[device] + 1e-6


@given(snapshots())
def test_parts_of_a_device_differ(snapshot: Snapshot) -> None:
    made = place(snapshot, NOW)
    parts = [(it.devices[0].id, it.part) for it in made if it.devices]
    parts += [(device.id, one.part) for device in snapshot.free for one in device.holders]
    assert len(parts) == len(set(parts))


@given(snapshots())
def test_nothing_goes_where_strangers_are(snapshot: Snapshot) -> None:
    wants = {lane.sweep_id: lane.need for lane in snapshot.lanes}
    for it in place(snapshot, NOW):
        for device in it.devices:
            assert device.holders or is_free(device, wants[it.sweep_id])
            assert not (device.holders and device.strangers)


@st.composite
def crowds(draw: st.DrawFn) -> Snapshot:
    """One run that has waited long, and younger ones of other sweeps that fit wherever there is room."""
    old = lane("old", runs=heads("old", created_at=NOW - PATIENCE), need=draw(needs), campaign=None)
    young = [
        lane(f"s{number}", runs=knowing(5_000, *heads(f"y{number}", seq=5 + number)), need=draw(needs), campaign=None)
        for number in range(draw(st.integers(1, 3)))
    ]
    free = draw(devices())
    return Snapshot((*young, old), free, free)


@given(crowds())
def test_who_waited_long_is_overtaken_on_no_device_that_serves_it(snapshot: Snapshot) -> None:
    """I39: neither by what is smaller, nor by what shares."""
    made = place(snapshot, NOW)
    old = snapshot.lanes[-1]
    able = [device for device in snapshot.free if suits(device, old.need)]
    if any(it.run_id == "old" for it in made) or len(able) < kind_and_number(old.need)[1]:
        return
    serving = {device.id for device in able if not device.strangers and (device.holders or is_free(device, old.need))}
    assert not serving & {device.id for it in made for device in it.devices}


@given(snapshots())
def test_every_bound_holds(snapshot: Snapshot) -> None:
    made = place(snapshot, NOW)
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


def on(target: str, *memory: int) -> tuple[FreeDevice, ...]:
    return tuple(replace(it, id=it.id.replace("here", target), target=target) for it in gpus(*memory))


def going(name: str, *targets: str, need: Need | None = None, **changes: object) -> Lane:
    return lane(name, need=need or Need(gpus=1), targets=targets, **changes)


def test_a_run_goes_to_the_first_of_its_targets_that_has_room() -> None:
    several = going("a", "x", "y", "z", runs=heads("a1", "a2", "a3", "a4", "a5"))
    found = place(Snapshot((several,), on("z", 10) + on("y", 10, 10) + on("w", 10)), NOW)
    assert [(it.run_id, it.target) for it in found] == [("a1", "y"), ("a2", "y"), ("a3", "z")]


def test_a_run_gets_devices_of_one_target() -> None:
    wide = going("a", "x", "y", runs=heads("a1"), need=Need(gpus=2))
    assert placed([wide], on("x", 10) + on("y", 10)) == {}
    assert placed([wide], on("x", 10) + on("y", 10, 10)) == {"a1": ["y/GPU-0", "y/GPU-1"]}


def test_a_run_without_devices_goes_to_its_first_target_and_one_without_targets_nowhere() -> None:
    free = Need(slots=0)
    (one,) = place(Snapshot((going("a", "x", "y", need=free, runs=heads("a1")),), ()), NOW)
    assert (one.target, one.devices) == ("x", ())
    assert placed([going("a", need=free)], ()) == {}


def test_bounds_hold_over_all_targets_together() -> None:
    devices = on("x", 10, 10) + on("y", 10, 10)
    bounded = replace(OPEN, parallel=2)
    assert len(placed([going("a", "x", campaign=bounded), going("b", "y", campaign=bounded)], devices)) == 2
    assert len(placed([going("a", "x", "y", parallel=1)], devices)) == 1


def test_a_run_that_lacked_memory_tries_another_target_before_the_same_device() -> None:
    head = replace(heads("a1")[0], avoid=frozenset({"x/GPU-0"}))
    assert placed([going("a", "x", "y", runs=(head,))], on("x", 10) + on("y", 10)) == {"a1": ["y/GPU-0"]}
    assert placed([going("a", "x", "y", runs=(head,))], on("x", 10)) == {"a1": ["x/GPU-0"]}


def test_a_run_that_waited_long_keeps_devices_of_one_target_alone() -> None:
    old = heads("a1", created_at=NOW - PATIENCE)
    wide, small = going("a", "x", "y", runs=old, need=Need(gpus=3)), going("b", "x", "y", runs=heads("b1", seq=9))
    well = on("x", 10, 10, 10) + on("y", 10, 10, 10)
    near = place(Snapshot((wide, small), on("x", 10) + on("y", 10, 10), well), NOW)
    assert [it.target for it in near] == ["x"]
    equal = place(Snapshot((wide, small), on("x", 10) + on("y", 10), well), NOW)
    assert [it.target for it in equal] == ["y"]


def test_a_run_that_waited_long_keeps_nothing_where_it_could_never_fit_or_strangers_are() -> None:
    old = heads("a1", created_at=NOW - PATIENCE)
    wide, small = going("a", "x", "y", runs=old, need=Need(gpus=2)), going("b", "x", "y", runs=heads("b1", seq=9))
    free = on("x", 10) + on("y", 10)
    never = place(Snapshot((wide, small), free, on("x", 10) + on("y", 10, 10)), NOW)
    assert [it.target for it in never] == ["x"]
    used = tuple(replace(it, strangers=it.id == "x/GPU-1") for it in on("x", 10, 10))
    strangers = place(Snapshot((wide, small), free, used + on("y", 10, 10)), NOW)
    assert [it.target for it in strangers] == ["x"]
    nowhere = place(Snapshot((wide, small), free, on("x", 10) + on("y", 10)), NOW)
    assert [it.target for it in nowhere] == ["x"]


def test_a_gpu_suits_by_a_part_of_its_name_in_any_case() -> None:
    named = Need(gpus=1, gpu_name="a100")
    (device,) = gpus(10)
    assert suits(replace(device, name="NVIDIA A100-SXM4"), named)
    assert not suits(device, named)
