"""Campaigns on made-up GPUs, end to end: the real command, the real NVML binding over a library that lies."""

from __future__ import annotations

import signal
import subprocess
from typing import Any

import pytest

from tests.devices.home import Home
from tests.devices.machine import Machine, Made, eventually

pytestmark = pytest.mark.real("compiler")

FILE = """
campaign: gpus
resources: {gpus: %d}
sweeps:
  s:
    grid: {n: [0, 1, 2, 3]}
    command: 'echo "$CUDA_VISIBLE_DEVICES $CUDA_DEVICE_ORDER"; sleep 0.2'
"""


def test_each_run_sees_the_gpu_that_it_was_given(home: Home, machine: Machine) -> None:
    machine.have(Made("GPU-a"), Made("GPU-b"))
    assert home.ask("run", home.file(FILE % 1))["counts"]["succeeded"] == 4
    assert set(home.given()) == {"0 PCI_BUS_ID", "1 PCI_BUS_ID"}


def test_a_run_gets_several_gpus_at_once(home: Home, machine: Machine) -> None:
    machine.have(Made("GPU-a"), Made("GPU-b"), Made("GPU-c"))
    assert home.ask("run", home.file(FILE % 2))["counts"]["succeeded"] == 4
    assert set(home.given()) == {"0,1 PCI_BUS_ID"}


def test_a_gpu_that_others_use_is_left_alone_and_named_until_it_is_free(home: Home, machine: Machine) -> None:
    machine.have(Made("GPU-a", used_mib=40_000), Made("GPU-b", used_mib=40_000))
    process = subprocess.Popen(home.command("run", home.file(FILE % 1)), env=home.env, stdout=subprocess.DEVNULL)
    try:
        assert eventually(lambda: bool(home.ask("status").get("devices")), 30)
        run = home.ask("ls", "--runs")["runs"][0]["id"]
        assert home.ask("explain", run)["code"] == "foreign_use"
        machine.have(Made("GPU-a", used_mib=40_000), Made("GPU-b"))
        assert process.wait(90) == 0
    finally:
        process.kill()
    assert set(home.given()) == {"1 PCI_BUS_ID"}


def test_a_gpu_that_is_lost_while_the_server_runs_is_quarantined_and_gets_nothing(home: Home, machine: Machine) -> None:
    machine.have(Made("GPU-a"), Made("GPU-b"))
    server = subprocess.Popen(home.command("up", "--port", "0"), env=home.env, stdout=subprocess.PIPE)
    try:
        assert server.stdout is not None
        assert server.stdout.readline().startswith(b"ready ")
        assert eventually(lambda: len(home.ask("status")["devices"]) == 3, 30)
        machine.have(Made("GPU-a"), Made("GPU-b"), then=["fail * 0 15"])

        def lost() -> dict[str, Any]:
            return next(it for it in home.ask("status")["devices"] if it["id"] == "here/GPU-a")

        assert eventually(lambda: lost()["state"] == "quarantined", 60)
        assert "lost" in lost()["diagnosis"].lower()
        assert home.ask("run", home.file(FILE % 1))["counts"]["succeeded"] == 4
        assert set(home.given()) == {"1 PCI_BUS_ID"}
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(30)
