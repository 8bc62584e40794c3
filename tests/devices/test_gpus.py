"""What the server's side decides without any driver."""

from __future__ import annotations

import sys
import threading
from collections.abc import Mapping
from pathlib import Path

import pytest

from overnight.targets.devices.gpus import NO_TOOLS, GpuProbe
from overnight.targets.devices.offers import offers
from overnight.targets.devices.presence import driver_tools
from tests.devices.machine import HandClock, eventually


def test_a_machine_without_driver_tools_gets_slots_and_no_child() -> None:
    probe = GpuProbe(HandClock(), {}, present=lambda _: False)
    reading = probe.read()
    assert probe.pid is None
    assert (reading.kind, reading.gpus, reading.diagnosis) == ("none", (), (NO_TOOLS,))
    given = offers(reading, target="here", slots=2, threshold_mib=500, owners={})
    assert [(offer.id, offer.kind, offer.position) for offer in given] == [
        ("here/slot0", "slot", 0),
        ("here/slot1", "slot", 1),
    ]


def test_driver_tools_are_looked_for_once_a_minute() -> None:
    looks: list[Mapping[str, str]] = []
    clock = HandClock()

    def look(env: Mapping[str, str]) -> bool:
        looks.append(env)
        return False

    probe = GpuProbe(clock, {"A": "b"}, present=look)
    probe.read()
    probe.read()
    assert looks == [{"A": "b"}]
    clock.added += 61
    probe.read()
    assert len(looks) == 2


def test_a_probe_that_cannot_be_started_is_a_diagnosis(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("overnight.targets.devices.child.COMMAND", ("/nonexistent/python",))
    reading = GpuProbe(HandClock(), {}, present=lambda _: True).read()
    assert "the probe cannot be started" in reading.diagnosis[0]


def test_a_probe_that_talks_nonsense_is_a_diagnosis(monkeypatch: pytest.MonkeyPatch) -> None:
    program = "import sys; sys.stdin.readline(); print('[1]', flush=True); sys.stdin.read()"
    monkeypatch.setattr("overnight.targets.devices.child.COMMAND", (sys.executable, "-c", program))
    probe = GpuProbe(HandClock(), {}, present=lambda _: True)
    assert "cannot be read" in probe.read().diagnosis[0]
    probe.close()


SLOW = """
import pathlib, sys, time
for number, line in enumerate(sys.stdin, 1):
    while not pathlib.Path(sys.argv[1]).exists():
        time.sleep(0.01)
    gpu = '{"index":0,"uuid":"GPU-a","name":"answer %d","processes":[]}' % number
    print('{"id":%d,"kind":"nvml","why":null,"nameless":[],"notes":[],"gpus":[%s]}' % (number, gpu), flush=True)
"""


def test_an_answer_to_an_earlier_reading_is_too_old_for_this_one(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    opened = tmp_path / "opened"
    monkeypatch.setattr("overnight.targets.devices.child.COMMAND", (sys.executable, "-c", SLOW, str(opened)))
    probe = GpuProbe(HandClock(), {}, present=lambda _: True)
    assert "has not answered yet" in probe.read(timeout=0.2).diagnosis[0]
    opened.touch()
    assert [gpu.name for gpu in probe.read().gpus] == ["answer 2"]
    probe.close()


def test_a_reading_that_waits_for_another_one_keeps_its_own_time(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    opened = tmp_path / "opened"
    monkeypatch.setattr("overnight.targets.devices.child.COMMAND", (sys.executable, "-c", SLOW, str(opened)))
    probe = GpuProbe(HandClock(), {}, present=lambda _: True)
    long = threading.Thread(target=probe.read, args=(30.0,))
    long.start()
    assert eventually(lambda: probe.pid is not None)
    assert "another reading" in probe.read(timeout=0.1).diagnosis[0]
    opened.touch()
    long.join(30)
    assert [gpu.fault for gpu in probe.read().gpus] == [None]
    probe.close()


@pytest.mark.parametrize("place", ["library path", "cache", "folder", "program", "nowhere"])
def test_tools_are_found_wherever_the_loader_or_the_shell_would_find_them(tmp_path: Path, place: str) -> None:
    library = tmp_path / "libraries"
    programs = tmp_path / "programs"
    for folder in (library, programs):
        folder.mkdir()
    (library / "libnvidia-ml.so.1").write_bytes(b"")
    if place == "program":
        (programs / "nvidia-smi").write_text("#!/bin/sh\n", encoding="utf-8")
        (programs / "nvidia-smi").chmod(0o755)
    cache = tmp_path / "ld.so.cache"
    cache.write_bytes(b"\0libc.so.6\0" + (b"libnvidia-ml.so.1\0" if place == "cache" else b""))
    env = {"PATH": str(programs)} | ({"LD_LIBRARY_PATH": f":{library}"} if place == "library path" else {})
    found = driver_tools(env, cache=cache, folders=[library] if place == "folder" else [])
    assert found == (place != "nowhere")


def test_a_machine_without_a_loader_cache_is_looked_through_all_the_same(tmp_path: Path) -> None:
    assert not driver_tools({"PATH": str(tmp_path)}, cache=tmp_path / "missing", folders=[tmp_path])
