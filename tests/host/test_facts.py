"""Facts about a host for whoever wonders about it: each by itself, all in a bounded time."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from overnight.host import facts, limits, mounts, programs
from overnight.host.place import Place


@pytest.fixture
def place(tmp_path: Path) -> Place:
    made = Place(str(tmp_path), "ab")
    os.makedirs(made.folder)
    return made


def test_what_this_machine_says_of_itself(place: Place) -> None:
    found = facts.gather(
        place, [f"{place.root}/not/there", "~"], {"argv": ["/bin/sh", "-c", "echo no; exit 4"], "timeout": 9}
    )
    assert found["cpus"]["usable"] == len(os.sched_getaffinity(0))
    assert found["memory"]["total_bytes"] > 1 << 28
    assert found["file_system"] == {"flock": True, "rename": True, "problem": None}
    assert found["check"] == {"code": 4, "words": "no", "late": False}
    assert [it["exists"] for it in found["paths"]] == [False, True]
    assert found["paths"][0]["free_bytes"] > 0
    assert found["shm"]["mount_point"] in ("/dev/shm", "/dev", "/")
    assert not list(Path(place.folder).iterdir())


def test_a_source_that_hangs_or_fails_takes_no_other_fact_away() -> None:
    held = threading.Event()
    found = facts.at_once({"hangs": lambda: held.wait(20), "fails": lambda: 1 / 0, "well": lambda: 7}, 0.2)
    held.set()
    assert found == {"hangs": None, "fails": None, "well": 7}


def test_a_command_that_takes_too_long_is_ended_with_all_it_started(tmp_path: Path) -> None:
    script = f"sleep 60 & echo $! > {tmp_path}/pid; echo begun; wait"
    found = programs.check(["/bin/sh", "-c", script], 0.5)
    assert found == {"code": None, "words": "begun", "late": True}
    pid = int((tmp_path / "pid").read_text(encoding="ascii"))
    state = Path(f"/proc/{pid}/stat")
    assert not state.exists() or state.read_text(encoding="utf-8").rpartition(")")[2].split()[0] == "Z"


def test_a_command_that_is_not_there_is_said() -> None:
    found = programs.check(["/not/there"], 1.0)
    assert found["code"] is None
    assert "No such file" in found["words"]
    assert found["late"] is False


def test_a_path_lies_on_the_file_system_that_is_mounted_deepest() -> None:
    assert mounts.mount_of("/proc/self/fd") == ("/proc", "proc")
    assert mounts.mount_of("/processes")[0] == "/"


def test_limits_are_the_least_of_all_groups_above(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    texts = {
        ("memory", 2, "memory.max"): ["max", "4096", "8192"],
        ("memory", 1, "memory.limit_in_bytes"): ["9223372036854771712"],
        ("cpu", 2, "cpu.max"): ["max 100000", "150000 100000"],
        ("cpu", 1, "cpu.cfs_quota_us"): ["-1", "400000"],
        ("cpu", 1, "cpu.cfs_period_us"): ["100000", "100000"],
    }
    monkeypatch.setattr(limits, "_values", lambda *key: iter(texts[key]))
    assert limits.memory() == 4096
    assert limits.cpus() == 1.5
