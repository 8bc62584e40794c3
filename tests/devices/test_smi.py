"""Machines where only nvidia-smi tells about the GPUs."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from overnight.targets.devices import smi
from overnight.targets.devices.gpus import GpuProbe
from overnight.targets.devices.reading import Process
from tests.devices.machine import Machine, Made, alive, eventually

A, B = "GPU-aaaa", "GPU-bbbb"
Open = Callable[..., GpuProbe]


def test_gpus_are_read_from_its_table(smi_machine: Machine, open_probe: Open) -> None:
    gpu = Made(A, used_mib=700, utilisation=12, temperature=40)
    smi_machine.have(gpu, Made(B), then=[f"proc 0 99 {650 << 20}", "proc 1 98 -1"])
    reading = open_probe(smi_machine).read()
    assert reading.kind == "nvidia-smi"
    first, second = reading.gpus
    assert (first.index, first.uuid, first.name) == (0, A, gpu.name)
    assert (first.memory_total_mib, first.memory_used_mib) == (81_920, 700)
    assert (first.utilisation, first.temperature, first.fault) == (12, 40, None)
    assert first.processes == (Process(99, 650),)
    assert second.processes == (Process(98, None),)


def test_a_version_without_the_newer_columns_is_asked_for_the_old_ones(smi_machine: Machine, open_probe: Open) -> None:
    smi_machine.have(Made(A), then=["fail ecc -1 2"])
    assert [gpu.uuid for gpu in open_probe(smi_machine).read().gpus] == [A]


def test_unsaid_memory_is_none_with_a_note(smi_machine: Machine, open_probe: Open) -> None:
    smi_machine.have(Made(A), then=["fail memory 0 3"])
    reading = open_probe(smi_machine).read()
    assert (reading.gpus[0].memory_used_mib, reading.gpus[0].fault) == (None, None)
    assert f"GPU {A} does not tell its memory ([N/A])" in reading.diagnosis


def test_memory_errors_are_a_fault(smi_machine: Machine, open_probe: Open) -> None:
    smi_machine.have(Made(A), then=["ecc 0 3"])
    fault = open_probe(smi_machine).read().gpus[0].fault
    assert fault == "ECC: 3 uncorrected memory errors since the driver was loaded; reset the GPU"


def test_a_lost_gpu_does_not_hide_the_ones_after_it(smi_machine: Machine, open_probe: Open) -> None:
    smi_machine.have(Made(A), Made(B), Made("GPU-cccc"), then=["fail smi 1 15"])
    first, second, third = open_probe(smi_machine).read().gpus
    assert (first.uuid, first.fault, third.uuid, third.fault) == (A, None, "GPU-cccc", None)
    assert second.uuid == B
    assert second.fault is not None
    assert second.fault.startswith("lost:")


def test_a_refused_list_of_processes_is_unknown_not_empty(smi_machine: Machine, open_probe: Open) -> None:
    smi_machine.have(Made(A), then=["fail apps -1 4"])
    reading = open_probe(smi_machine).read()
    assert reading.gpus[0].processes is None
    assert any("does not tell the processes" in line for line in reading.diagnosis)


def test_a_hanging_nvidia_smi_is_ended_with_the_probe(smi_machine: Machine, open_probe: Open, tmp_path: Path) -> None:
    smi_machine.have(Made(A))
    probe = open_probe(smi_machine)
    probe.read()
    script = tmp_path / "programs" / "nvidia-smi"
    script.write_text(f"#!/bin/sh\necho $$ > {tmp_path}/pid\nexec sleep 600\n", encoding="utf-8")
    started = time.monotonic()
    reading = probe.read(timeout=2.0)
    assert time.monotonic() - started < 20
    assert reading.gpus[0].fault == "hung: the driver did not answer within 2 s"
    hanging = int((tmp_path / "pid").read_text(encoding="utf-8"))
    assert eventually(lambda: not alive(hanging))


@pytest.mark.parametrize(
    "cell",
    ["[Unknown Error]", "[GPU requires reset]", "ERR!", "[GPU is lost]"],
    ids=["unknown", "reset", "err", "lost"],
)
def test_a_cell_that_confesses_an_illness_is_a_fault(cell: str) -> None:
    gpu = smi.gpu_of(["0", A, "H100", "81920", "0", cell, "31"], [])
    assert gpu.fault is not None
    assert cell in gpu.fault


@pytest.mark.parametrize("line", ["", "nonsense", "0, not-a-uuid, x, 1, 1, 1, 1", "²,GPU-a,x,1,1,1,1", "\x00,,,,,,,"])
def test_a_line_that_is_no_row_is_no_gpu(line: str) -> None:
    assert not [row for row in smi.parse([line]) if smi.is_row(row)]


CELLS = st.text(st.characters(exclude_characters=",\n\r"), max_size=20) | st.integers().map(str) | st.just("9" * 5000)


@given(st.lists(CELLS, min_size=5, max_size=9))
def test_whatever_a_row_holds_it_is_read_without_an_error(cells: list[str]) -> None:
    (row,) = smi.parse([", ".join(["0", A, *cells])])
    assert smi.is_row(row)
    gpu = smi.gpu_of(row, [])
    assert gpu.uuid == A
    assert gpu.memory_used_mib is None or gpu.memory_used_mib < 10**18
