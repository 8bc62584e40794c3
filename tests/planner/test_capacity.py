"""How much a cluster has room for, which GPUs a run gets, and what it says of itself while it waits."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from overnight.domain.cluster import (
    ALIASES,
    NOTHING,
    WORDS,
    Capacity,
    Cluster,
    ClusterSource,
    ClusterType,
    gpu_slots,
    max_new_runs,
    target_parallel,
    type_of,
)
from overnight.domain.nouns import Device, Run, Sweep, SweepSettings
from overnight.domain.plan import EnvironmentPlan, Need, Retry
from overnight.planner.capacity import pinned
from overnight.planner.detection import Found, decide, detected, preferred
from overnight.planner.explain import Situation, explain
from overnight.planner.fit import FreeDevice
from overnight.planner.place import Head, Lane, Snapshot, limit_of, place

LOCAL = Cluster(ClusterType.LOCAL_GPU, gpu_count=2, source=ClusterSource.DETECTED)
MANUAL = replace(LOCAL, source=ClusterSource.MANUAL)
ANY = Need(gpus=0, slots=0)
"""What is on record of a run that chose no GPU."""
ONE = Need(gpus=1, slots=0)


def pins(*positions: int) -> Need:
    return Need(gpus=len(positions), slots=0, devices=positions)


# Words and numbers


@pytest.mark.parametrize(
    ("word", "kind"),
    [
        *((str(kind), kind) for kind in ClusterType),
        *ALIASES.items(),
        (" Local-GPU ", ClusterType.LOCAL_GPU),
        ("K8S", ClusterType.KUBERNETES),
        ("zzz", None),
        ("", None),
    ],
)
def test_words_for_kinds(word: str, kind: ClusterType | None) -> None:
    assert type_of(word) is kind


def test_every_kind_has_its_words() -> None:
    assert set(WORDS) == set(ClusterType)


@pytest.mark.parametrize(
    ("kind", "count", "slots"),
    [
        ("local_gpu", 4, 4),
        ("local_gpu", 0, 1),
        ("local_gpu", None, 1),
        ("local_gpu", -3, 1),
        ("slurm", 16, 16),
        ("slurm", 0, 4),
        ("slurm", None, 4),
        ("slurm", -3, 4),
        ("kubernetes", 8, 1),
        ("ray", 8, 1),
        ("shared_head_node", 8, 1),
        ("cpu_only", None, 1),
        ("unknown", 9, 1),
    ],
)
def test_slots_by_kind(kind: str, count: int | None, slots: int) -> None:
    cluster = Cluster(ClusterType(kind), gpu_count=count)
    assert gpu_slots(cluster) == slots
    assert target_parallel(cluster, None) == slots
    assert target_parallel(cluster, 7) == 7


@given(st.integers(-5, 50), st.integers(0, 50), st.integers(0, 50))
def test_new_runs_are_never_more_than_wait_and_never_fill_more_than_the_room(
    target: int, waiting: int, live: int
) -> None:
    number = max_new_runs(target, waiting=waiting, live=live)
    assert 0 <= number <= waiting
    assert number == 0 or live + number <= target
    assert number == waiting or live + number >= min(target, live)


# Pins


@pytest.mark.parametrize(
    ("command", "positions"),
    [
        ("CUDA_VISIBLE_DEVICES=1 python x", (1,)),
        ("CUDA_VISIBLE_DEVICES='0, 2' python x", (0, 2)),
        ('export CUDA_VISIBLE_DEVICES="3"\npython x', (3,)),
        ("env A=b CUDA_VISIBLE_DEVICES=3,3 python x", (3,)),
        ("A=b CUDA_VISIBLE_DEVICES=0 python x", (0,)),
        ("#!/bin/bash\nset -e\ncd /x && CUDA_VISIBLE_DEVICES=2 python x", (2,)),
        ("export A=b; export CUDA_VISIBLE_DEVICES=1; python x", (1,)),
        ("export A=b && CUDA_VISIBLE_DEVICES=1 python x", (1,)),
        ("CUDA_VISIBLE_DEVICES=0,-1,1 python x", (0,)),
        ("CUDA_VISIBLE_DEVICES= python x", ()),
        ("CUDA_VISIBLE_DEVICES=-1 python x", ()),
        ("CUDA_VISIBLE_DEVICES=GPU-1b2c python x", None),
        ("CUDA_VISIBLE_DEVICES=$MINE python x", None),
        ("CUDA_VISIBLE_DEVICES=99999999999 python x", None),
        ("CUDA_VISIBLE_DEVICES=٣ python x", None),
        ("echo CUDA_VISIBLE_DEVICES=1", None),
        ("echo 'a; CUDA_VISIBLE_DEVICES=1'", None),
        ("python x --env CUDA_VISIBLE_DEVICES=1", None),
        ("env -u A CUDA_VISIBLE_DEVICES=1 python x", None),
        ("export A=b", None),
        ("A=b python x", None),
        ("", None),
    ],
)
def test_pins(command: str, positions: tuple[int, ...] | None) -> None:
    assert pinned(command) == positions


@given(st.text(alphabet="A=1 \"'#\n;&cdexport$CUDA_VISIBLE_DEVICES,-", max_size=200))
def test_any_text_is_looked_through(command: str) -> None:
    found = pinned(command)
    assert found is None or all(it >= 0 for it in found)


# What a run gets


@pytest.mark.parametrize(
    ("capacity", "need", "gets"),
    [
        (Capacity(LOCAL, 2, 0), ANY, ONE),
        (Capacity(MANUAL, 2, 0), ANY, Need(gpus=1, slots=0, devices=(0, 1))),
        (Capacity(replace(MANUAL, gpu_count=None), 1, 0), ANY, ONE),
        (Capacity(LOCAL, 2, 0), pins(1), pins(1)),
        (Capacity(LOCAL, 2, 0), pins(), NOTHING),
        (Capacity(Cluster(), 1, 0), ANY, NOTHING),
        (Capacity(Cluster(), 1, 0, frozenset({0})), ANY, ONE),
        (Capacity(Cluster(), 1, 0), pins(1), NOTHING),
        (Capacity(Cluster(ClusterType.CPU_ONLY), 1, 0, frozenset({0})), pins(0), NOTHING),
        (Capacity(Cluster(ClusterType.SLURM), 4, 0, frozenset({0})), ANY, NOTHING),
    ],
)
def test_the_kind_of_machine_decides_on_gpus(capacity: Capacity, need: Need, gets: Need) -> None:
    assert capacity.need_of(need) == gets


@pytest.mark.parametrize(
    ("capacity", "need", "missing"),
    [
        (Capacity(LOCAL, 2, 0), pins(1), ()),
        (Capacity(LOCAL, 2, 0), pins(1, 2), (2,)),
        (Capacity(LOCAL, 2, 0, frozenset({5})), pins(5), ()),
        (Capacity(MANUAL, 2, 0, frozenset({0, 1, 2})), pins(2), (2,)),
        (Capacity(replace(LOCAL, gpu_count=None), 1, 0), pins(9), ()),
        (Capacity(Cluster(), 1, 0, frozenset({0})), pins(1), (1,)),
        (Capacity(Cluster(ClusterType.CPU_ONLY), 1, 0), pins(1), ()),
        (Capacity(LOCAL, 2, 0), ANY, ()),
    ],
)
def test_a_gpu_is_missing_only_where_it_is_known_which_there_are(
    capacity: Capacity, need: Need, missing: tuple[int, ...]
) -> None:
    assert capacity.missing(need) == missing


# Placing


def lane(capacity: Capacity | None, number: int = 5, name: str = "s") -> Lane:
    heads = tuple(Head(f"{name}{it}", it, 0, 0, 0.0) for it in range(number))
    return Lane(name, None, True, 0, NOTHING, 0, None, heads, capacity=capacity)


@pytest.mark.parametrize(("live", "placed"), [(0, 2), (1, 1), (2, 0), (9, 0)])
def test_no_more_start_than_there_is_room_whoever_has_it(live: int, placed: int) -> None:
    bounded = Capacity(LOCAL, 2, live)
    assert bounded.room == placed
    assert len(place(Snapshot((lane(bounded), lane(bounded, name="t")), ()), 0.0)) == placed


def test_what_brings_its_own_bound_counts_and_is_not_bound() -> None:
    own, bounded = lane(None, 3, "own"), lane(Capacity(LOCAL, 2, 0), 3, "wild")
    placed = [it.sweep_id for it in place(Snapshot((own, bounded), ()), 0.0)]
    assert placed.count("own") == 3
    assert placed.count("wild") == 1
    assert limit_of(bounded, {"own": 2}, {}) == "capacity"


def test_every_run_gets_a_gpu_of_its_own_and_pins_are_reserved() -> None:
    free = tuple(FreeDevice(f"here/G{it}", "gpu", it, 1000, "card") for it in range(3))
    capacity = Capacity(replace(LOCAL, gpu_count=3), 3, 0)
    first = replace(lane(capacity, 1, "pin"), need=capacity.need_of(pins(0)))
    others = replace(lane(capacity, 3, "any"), need=capacity.need_of(ANY), heads=lane(capacity, 4, "any").heads[1:])
    made = place(Snapshot((first, others), free), 0.0)
    assert [(it.sweep_id, it.devices[0].position) for it in made] == [("pin", 0), ("any", 1), ("any", 2)]


# Saying so

SETTINGS = SweepSettings("/w", ANY, Retry(), EnvironmentPlan(), None, 10.0, None, (), capacity=True)
SWEEP = Sweep("5" * 12, 1, None, "s", "active", "open", 0, SETTINGS, 0.0, None)
RUN_ = Run("a" * 12, 1, None, SWEEP.id, "r", "queued", None, None, 0, {}, 0, 0, 0, None, 0.0, None, None, 0)
GPU = Device("here/G0", "here", "gpu", 0, "G0", "card", 1000, "healthy", None, None, 0.0)


def said(capacity: Capacity, *devices: Device, held: dict[str, str] | None = None) -> tuple[str, str]:
    where = replace(lane(capacity, 1), need=capacity.need_of(ANY))
    made = explain(Situation(RUN_, SWEEP, where, None, (), devices, held or {}, 0, 0.0))
    return made.code, made.sentence


def test_a_run_that_waits_says_for_what() -> None:
    full = Capacity(LOCAL, 2, 2)
    assert said(full, GPU) == ("capacity", "2 of 2 runs that the cluster has room for are live")
    room = Capacity(LOCAL, 2, 1)
    code, sentence = said(room, replace(GPU, busy="in use by pid 7, not ours", strangers=True))
    assert code == "foreign_use"
    assert "pid 7" in sentence
    assert said(room, GPU, held={GPU.id: "x.1"})[0] == "busy"
    other = replace(GPU, id="here/G1", name="second", busy="in use by pid 7, not ours", strangers=True)
    taken = "every GPU that suits is taken by other runs or used by others (second: in use by pid 7, not ours)"
    assert said(room, GPU, other, held={GPU.id: "x.1"}) == ("busy", taken)
    assert said(room)[0] == "never_fits"
    assert said(Capacity(Cluster(), 1, 0))[0] == "start_due"


# Finding out


@pytest.mark.parametrize(
    ("found", "kind", "sure"),
    [
        (Found(hint=ClusterType.RAY, pod=True), "ray", 0.98),
        (Found(pod=True, slurm_job=True), "kubernetes", 0.93),
        (Found(slurm_job=True, slurm_nodes=3), "slurm", 0.90),
        (Found(slurm_nodes=3, gpus=4), "slurm", 0.80),
        (Found(gpus=4, ray=True, ray_address=True), "ray", 0.88),
        (Found(gpus=4, ray=True), "ray", 0.78),
        (Found(gpus=4, kubernetes_nodes=2), "local_gpu", 0.78),
        (Found(gpus=1), "local_gpu", 0.68),
        (Found(kubernetes_nodes=2, ray=True), "kubernetes", 0.82),
        (Found(ray=True, ray_address=True), "ray", 0.85),
        (Found(ray=True), "ray", 0.70),
        (Found(), "cpu_only", 0.70),
        (Found(ssh_hosts=20), "cpu_only", 0.70),
        (Found(gpus=None), "unknown", 0.35),
        (Found(failed=True), "unknown", 0.35),
    ],
)
def test_the_first_signal_decides(found: Found, kind: str, sure: float) -> None:
    assert decide(found) == (kind, sure)


def test_states_that_were_found_say_how_and_keep_what_a_person_noted() -> None:
    before = Cluster(notes="ours", last_detected_at=1.0)
    made = detected(Found(slurm_nodes=2, slurm_gpus=16, signals=("sinfo lists 2 nodes",)), before, 5.0)
    assert (made.type, made.status, made.source, made.notes) == ("slurm", "healthy", "detected", "ours")
    assert (made.node_count, made.gpu_count, made.last_detected_at) == (2, 16, 5.0)
    assert made.details["signals"] == ["sinfo lists 2 nodes"]
    assert detected(Found(gpus=None), before, 5.0).status == "degraded"
    assert detected(Found(hint=ClusterType.UNKNOWN), before, 5.0).status == "healthy"


def test_a_kind_that_a_person_prefers_keeps_the_numbers_that_were_found() -> None:
    made = preferred(ClusterType.LOCAL_GPU, Found(gpus=4), Cluster(last_detected_at=1.0), 5.0)
    assert (made.source, made.confidence, made.gpu_count, made.last_detected_at) == ("manual", 1.0, 4, 1.0)
