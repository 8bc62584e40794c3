"""The probe as a program of its own."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from overnight.targets.devices.reading import decode
from tests.devices.machine import Machine, Made

PROGRAM = [sys.executable, "-P", "-m", "overnight.targets.devices.probe"]


def probe(machine: Machine, requests: str) -> list[str]:
    done = subprocess.run(
        PROGRAM, input=requests, env=machine.env, capture_output=True, text=True, timeout=60, check=True
    )
    return done.stdout.splitlines()


@pytest.mark.real("compiler")
def test_every_request_gets_one_line_with_its_number(machine: Machine) -> None:
    machine.have(Made("GPU-a"))
    lines = probe(machine, '{"id": 7}\n{"id": 8}\n')
    answers = [decode(line) for line in lines]
    assert [number for number, _ in answers] == [7, 8]
    assert [gpu.uuid for gpu in answers[0][1].gpus] == ["GPU-a"]


def test_a_machine_without_gpus_gets_a_reason(smi_machine: Machine) -> None:
    smi_machine.have(then=["fail smi -1 9"])
    (line,) = probe(smi_machine, '{"id": 1}\n')
    answer = json.loads(line)
    assert answer["kind"] == "none"
    assert "NVML Shared Library Not Found" in answer["why"]
    assert "nvidia-smi found no driver" in answer["why"]


@pytest.mark.real("compiler")
def test_a_probe_inside_a_hung_driver_goes_when_its_server_is_gone(machine: Machine) -> None:
    machine.have(Made("GPU-a"), then=["hang nvmlInit"])
    process = subprocess.Popen(
        PROGRAM, env=machine.env, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True, start_new_session=True
    )
    process.communicate('{"id": 1}\n', timeout=30)
    assert process.returncode != 0
