"""Machines with made-up GPUs: one with the library, one with nvidia-smi alone."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from overnight.targets.devices.gpus import GpuProbe
from tests.devices.home import Home
from tests.devices.machine import HandClock, Machine, environment

FAKE = Path(__file__).parent / "fake"


@pytest.fixture(scope="session")
def library_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The lying library, built once."""
    folder = tmp_path_factory.mktemp("nvml")
    options = ("-Wall", "-Wextra", "-Werror", "-O1", "-shared", "-fPIC", "-Wl,-soname,libnvidia-ml.so.1")
    subprocess.run(["gcc", *options, "-o", str(folder / "libnvidia-ml.so.1"), str(FAKE / "nvml.c")], check=True)
    return folder


@pytest.fixture(scope="session")
def broken_library_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A library that cannot be loaded; it comes before a real one where this machine has one."""
    folder = tmp_path_factory.mktemp("broken")
    (folder / "libnvidia-ml.so.1").write_bytes(b"")
    return folder


@pytest.fixture(scope="session")
def no_smi_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An nvidia-smi that finds no driver, before a real one."""
    folder = tmp_path_factory.mktemp("no_smi")
    program = folder / "nvidia-smi"
    program.write_text("#!/bin/sh\necho 'no driver here'\nexit 9\n", encoding="utf-8")
    program.chmod(0o755)
    return folder


@pytest.fixture
def machine(tmp_path: Path, library_folder: Path, no_smi_folder: Path) -> Machine:
    """A machine with the library."""
    state = tmp_path / "gpus"
    state.write_text("", encoding="utf-8")
    return Machine(state, environment(state, library=library_folder, programs=no_smi_folder))


@pytest.fixture
def smi_machine(tmp_path: Path, broken_library_folder: Path) -> Machine:
    """A machine with nvidia-smi alone."""
    state = tmp_path / "gpus"
    state.write_text("", encoding="utf-8")
    programs = tmp_path / "programs"
    programs.mkdir()
    shutil.copy(FAKE / "nvidia-smi", programs / "nvidia-smi")
    return Machine(state, environment(state, library=broken_library_folder, programs=programs))


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def open_probe(clock: HandClock) -> Iterator[Callable[..., GpuProbe]]:
    """Makes probes on a machine and closes them at the end."""
    probes: list[GpuProbe] = []

    def make(machine: Machine, **settings: object) -> GpuProbe:
        probes.append(GpuProbe(clock, machine.env, **settings))  # type: ignore[arg-type]
        return probes[-1]

    yield make
    for probe in probes:
        probe.close()


@pytest.fixture
def home(tmp_path: Path, machine: Machine) -> Iterator[Home]:
    """A home on the machine with the library."""
    made = Home(tmp_path, machine)
    yield made
    made.leave()


@pytest.fixture
def smi_home(tmp_path: Path, smi_machine: Machine) -> Iterator[Home]:
    """A home on the machine with nvidia-smi alone."""
    made = Home(tmp_path, smi_machine)
    yield made
    made.leave()
