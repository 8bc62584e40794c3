"""The probe and its server side on the real nvidia-ml-py, over a library that lies."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from overnight.targets.devices.gpus import GpuProbe
from overnight.targets.devices.known import NOT_LISTED
from overnight.targets.devices.reading import Process
from tests.devices.machine import HandClock, Machine, Made, alive, eventually

pytestmark = pytest.mark.real("compiler")

A, B = "GPU-aaaa", "GPU-bbbb"
Open = Callable[..., GpuProbe]


def test_healthy_gpus_are_read_with_all_their_figures(machine: Machine, open_probe: Open) -> None:
    machine.have(
        Made(A, used_mib=39_321, utilisation=97, temperature=67), Made(B), then=[f"proc 0 4711 {39_000 << 20}"]
    )
    reading = open_probe(machine).read()
    assert reading.kind == "nvml"
    assert reading.diagnosis == ()
    first, second = reading.gpus
    assert (first.index, first.uuid, first.name) == (0, A, "NVIDIA H100 80GB HBM3")
    assert (first.memory_total_mib, first.memory_used_mib) == (81_920, 39_321)
    assert (first.utilisation, first.temperature) == (97, 67)
    assert first.processes == (Process(4711, 39_000),)
    assert (second.uuid, second.processes, second.fault) == (B, (), None)


def test_one_child_serves_all_readings_and_sees_every_change(machine: Machine, open_probe: Open) -> None:
    machine.have(Made(A))
    probe = open_probe(machine)
    assert probe.pid is None
    probe.read()
    child = probe.pid
    machine.have(Made(A, used_mib=700))
    assert [gpu.memory_used_mib for gpu in probe.read().gpus] == [700]
    assert probe.pid == child


def test_the_drivers_own_reserve_is_not_counted_as_used(machine: Machine, open_probe: Open) -> None:
    machine.have(Made(A, used_mib=3))
    assert open_probe(machine).read().gpus[0].memory_used_mib == 3


def test_an_old_library_without_the_second_memory_call_is_read_with_the_first(
    machine: Machine, open_probe: Open
) -> None:
    machine.have(Made(A, used_mib=3), then=["fail nvmlDeviceGetMemoryInfo_v2 0 13"])
    assert open_probe(machine).read().gpus[0].memory_used_mib == 603


def test_swapped_order_keeps_each_gpus_identity(machine: Machine, open_probe: Open) -> None:
    machine.have(Made(A, used_mib=10), Made(B, used_mib=20))
    probe = open_probe(machine)
    probe.read()
    machine.have(Made(B, used_mib=20), Made(A, used_mib=10))
    reading = probe.read()
    assert [(gpu.index, gpu.uuid, gpu.memory_used_mib) for gpu in reading.gpus] == [(0, B, 20), (1, A, 10)]
    assert all(gpu.fault is None for gpu in reading.gpus)


def test_memory_that_the_driver_does_not_tell_is_none_with_a_note(machine: Machine, open_probe: Open) -> None:
    refusals = [f"fail nvmlDeviceGet{name} 0 3" for name in ("MemoryInfo", "MemoryInfo_v2", "UtilizationRates")]
    machine.have(Made(A), then=[*refusals, "proc 0 12 -1", "mig 0"])
    reading = open_probe(machine).read()
    gpu = reading.gpus[0]
    assert (gpu.memory_total_mib, gpu.memory_used_mib, gpu.utilisation, gpu.fault) == (None, None, None, None)
    assert gpu.processes == (Process(12, None),)
    assert [note for note in reading.diagnosis if "memory" in note] == [
        f"GPU {A} does not tell its memory ([N/A]: Not Supported)"
    ]
    assert any("MIG" in note for note in reading.diagnosis)


def test_processes_that_may_not_be_seen_are_unknown_not_none(machine: Machine, open_probe: Open) -> None:
    machine.have(Made(A), then=["fail nvmlDeviceGetComputeRunningProcesses_v3 0 4"])
    reading = open_probe(machine).read()
    assert reading.gpus[0].processes is None
    assert "list of processes" in reading.diagnosis[0]


def test_many_processes_are_all_listed(machine: Machine, open_probe: Open) -> None:
    machine.have(Made(A), then=[f"proc 0 {pid} {1 << 20}" for pid in range(1000, 1700)])
    processes = open_probe(machine).read().gpus[0].processes
    assert processes is not None
    assert [process.pid for process in processes] == list(range(1000, 1700))


def test_a_lost_gpu_is_a_fault_of_that_gpu_alone(machine: Machine, open_probe: Open) -> None:
    machine.have(Made(A), Made(B))
    probe = open_probe(machine)
    probe.read()
    machine.have(Made(A), Made(B), then=["fail * 1 15"])
    reading = probe.read()
    well, lost = reading.gpus
    assert (well.uuid, well.fault) == (A, None)
    assert lost.uuid == B
    assert lost.fault is not None
    assert lost.fault.startswith("lost:")
    assert lost.name == "NVIDIA H100 80GB HBM3"
    machine.have(Made(A), Made(B))
    assert [gpu.fault for gpu in probe.read().gpus] == [None, None]


def test_a_gpu_that_is_lost_before_it_was_ever_seen_is_diagnosed(machine: Machine, open_probe: Open) -> None:
    machine.have(Made(A), Made(B), then=["fail * 1 15"])
    reading = open_probe(machine).read()
    assert [gpu.uuid for gpu in reading.gpus] == [A]
    assert any("index 1" in line and "lost" in line for line in reading.diagnosis)


def test_a_gpu_that_the_driver_stops_listing_is_lost(machine: Machine, open_probe: Open) -> None:
    machine.have(Made(A), Made(B))
    probe = open_probe(machine)
    probe.read()
    machine.have(Made(B))
    missing, there = probe.read().gpus
    assert (there.uuid, there.fault) == (B, None)
    assert (missing.uuid, missing.fault) == (A, NOT_LISTED)
    assert [gpu.fault for gpu in probe.read().gpus] == [NOT_LISTED, None]  # and stays so


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("ecc 0 2", "ECC: 2 uncorrected"),
        ("fail nvmlDeviceGetUtilizationRates 0 999", "Unknown Error"),
        ("fail nvmlDeviceGetName 0 16", "reset"),
        ("fail nvmlDeviceGetTemperature 0 4242", "4242"),
    ],
)
def test_a_sick_gpu_says_what_it_has(machine: Machine, open_probe: Open, line: str, words: str) -> None:
    machine.have(Made(A), Made(B), then=[line])
    sick, well = open_probe(machine).read().gpus
    assert sick.fault is not None
    assert words in sick.fault
    assert well.fault is None


def test_without_a_driver_there_are_no_gpus_and_a_reason(machine: Machine, open_probe: Open) -> None:
    machine.have(Made(A), then=["fail nvmlInit -1 9"])
    reading = open_probe(machine).read()
    assert (reading.kind, reading.gpus) == ("none", ())
    assert "Driver Not Loaded" in reading.diagnosis[0]
    assert "no driver here" in reading.diagnosis[0]


def test_a_driver_that_goes_away_in_the_middle_of_a_reading_is_not_blamed_on_one_gpu(
    machine: Machine, open_probe: Open
) -> None:
    machine.have(Made(A), then=["fail nvmlDeviceGetHandleByIndex_v2 0 9"])
    assert open_probe(machine).read().kind == "none"


def test_nvidia_smi_stands_in_until_the_library_works_again(machine: Machine, open_probe: Open) -> None:
    machine.env["PATH"] = f"{Path(__file__).parent / 'fake'}:{os.environ['PATH']}"
    machine.have(Made(A))
    probe = open_probe(machine)
    assert probe.read().kind == "nvml"
    child = probe.pid
    machine.have(Made(A), then=["fail nvmlDeviceGetCount_v2 -1 9"])
    reading = probe.read()
    assert (reading.kind, reading.gpus[0].fault) == ("nvidia-smi", None)
    assert reading.diagnosis[0] == "NVML: Driver Not Loaded"
    machine.have(Made(A))
    assert probe.read().kind == "nvml"
    assert probe.pid == child


def test_a_driver_that_goes_away_takes_known_gpus_out_and_brings_them_back(
    machine: Machine, open_probe: Open, clock: HandClock
) -> None:
    machine.have(Made(A))
    probe = open_probe(machine)
    probe.read()
    machine.have(Made(A), then=["fail nvmlDeviceGetCount_v2 -1 18", "fail nvmlInit -1 18"])
    gone = probe.read().gpus[0]
    assert gone.uuid == A
    assert gone.fault is not None
    assert gone.fault.startswith("the driver is gone")
    machine.have(Made(A))
    clock.added += 1000
    assert probe.read().gpus[0].fault is None


def test_a_hung_driver_costs_the_timeout_and_marks_every_known_gpu(
    machine: Machine, open_probe: Open, clock: HandClock
) -> None:
    machine.have(Made(A), Made(B))
    probe = open_probe(machine)
    probe.read()
    child = probe.pid
    assert child is not None
    machine.have(Made(A), Made(B), then=["hang nvmlDeviceGetMemoryInfo_v2"])
    started = time.monotonic()
    reading = probe.read(timeout=0.4)
    assert 0.3 < time.monotonic() - started < 20
    assert [(gpu.uuid, gpu.fault) for gpu in reading.gpus] == [
        (uuid, "hung: the driver did not answer within 0.4 s") for uuid in (A, B)
    ]
    assert eventually(lambda: not alive(child))
    machine.have(Made(A), Made(B))
    clock.added += 1000
    assert [gpu.fault for gpu in probe.read().gpus] == [None, None]


def test_a_driver_that_hangs_again_and_again_is_tried_less_often(
    machine: Machine, open_probe: Open, clock: HandClock
) -> None:
    machine.have(Made(A))
    probe = open_probe(machine, start_seconds=0.0)
    probe.read()
    machine.have(Made(A), then=["hang *"])
    probe.read(timeout=0.2)
    probe.read(timeout=0.2)  # the first replacement came at once
    assert probe.pid is None
    started = time.monotonic()
    reading = probe.read(timeout=30)
    assert time.monotonic() - started < 20
    assert reading.gpus[0].fault is not None
    assert probe.pid is None
    clock.added += 1000
    machine.have(Made(A))
    assert probe.read().gpus[0].fault is None


def test_a_driver_that_opens_slowly_is_waited_for_over_several_readings(machine: Machine, open_probe: Open) -> None:
    machine.have(Made(A), then=["hang nvmlInit"])
    probe = open_probe(machine)
    reading = probe.read(timeout=0.2)
    child = probe.pid
    assert reading.gpus == ()
    assert "has not answered yet" in reading.diagnosis[0]
    probe.read(timeout=0.2)
    assert probe.pid == child
    assert child is not None
    assert alive(child)


def test_a_child_that_is_killed_is_replaced_within_the_same_reading_every_time(
    machine: Machine, open_probe: Open
) -> None:
    machine.have(Made(A))
    probe = open_probe(machine)
    probe.read()
    for _ in range(3):
        child = probe.pid
        assert child is not None
        os.kill(child, signal.SIGKILL)
        assert probe.read().gpus[0].fault is None
        assert probe.pid not in (None, child)


def test_a_driver_that_crashes_every_child_is_a_fault_with_the_signals_name(
    machine: Machine, open_probe: Open, clock: HandClock
) -> None:
    machine.have(Made(A))
    probe = open_probe(machine)
    probe.read()
    machine.have(Made(A), then=["crash nvmlDeviceGetUUID"])
    fault = probe.read().gpus[0].fault
    assert fault == "hung: the probe was killed by SIGABRT"
    assert probe.read().gpus[0].fault == fault
    machine.have(Made(A))
    clock.added += 1000
    assert probe.read().gpus[0].fault is None


def test_a_library_that_prints_does_not_disturb_the_answers(machine: Machine, open_probe: Open) -> None:
    machine.have(Made(A), then=["noise *"])
    assert open_probe(machine).read().gpus[0].fault is None


def test_a_closed_probe_leaves_no_child_and_repeats_its_last_reading(machine: Machine, open_probe: Open) -> None:
    machine.have(Made(A))
    probe = open_probe(machine)
    before = probe.read()
    child = probe.pid
    assert child is not None
    probe.close()
    assert not alive(child)
    assert probe.read() == before
    assert probe.pid is None
