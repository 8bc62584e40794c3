"""What a host says of itself, held against limits: a broken item refuses by its code, nonsense is unknown."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest

from overnight.domain.room import Reserve
from overnight.planner.gates import Gate, gates, unreached

GIB = 1024**3
NOW = 1_000_000.0
FOLDER = {
    "path": "~/.overnight-host",
    "writable": True,
    "in_memory": False,
    "file_system": "ext4",
    "mount_point": "/data",
    "free_bytes": 50 * GIB,
    "free_inodes": 900_000,
    "total_inodes": 1_000_000,
}
WELL: dict[str, Any] = {
    "user": "ana",
    "hostname": "box",
    "kernel": "6.1",
    "wall": NOW + 1.0,
    "python": {"version": "3.9.2", "path": "/usr/bin/python3"},
    "folder": "/home/ana/.overnight-host/0123456789ab",
    "paths": [FOLDER],
    "file_system": {"flock": True, "rename": True, "problem": None},
    "sessions": {"kills_processes": False, "lingers": False},
    "memory": {"total_bytes": 64 * GIB, "limit_bytes": None},
    "shm": {"free_bytes": 32 * GIB},
    "cpus": {"count": 16, "usable": 16, "limit": None},
    "gpus": {
        "driver": "570.86.15",
        "gpus": [{"uuid": "GPU-1", "name": "H100", "memory_mib": 81_920, "fault": None}],
        "problem": None,
    },
    "check": {"code": 0, "words": "driver call: 0 GPUs: 1", "late": False},
    "rsync": "/usr/bin/rsync",
}


def looked_at(*path: str | int, value: Any = None, **_: Any) -> dict[str, Gate]:
    """The gates of a host that is well but for one item."""
    told = deepcopy(WELL)
    at: Any = told
    for name in path[:-1]:
        at = at[name]
    if path:
        at[path[-1]] = value
    return {it.name: it for it in gates(told, NOW, Reserve(256 * 1024**2, 1000))}


def test_a_host_that_is_well_passes_every_gate() -> None:
    found = looked_at()
    assert {it.verdict for it in found.values()} == {"ok"}
    assert found["gpus"].value == "1: H100 (80 GiB)"
    assert found["reachable"].value == "ana on box, kernel 6.1"


@pytest.mark.parametrize(
    ("path", "value", "gate", "code"),
    [
        (("wall",), NOW - 61.0, "clock", "clock"),
        (("paths", 0, "writable"), False, "folder", "durable_missing"),
        (("paths", 0, "in_memory"), True, "folder", "durable_missing"),
        (("file_system", "flock"), False, "folder", "durable_missing"),
        (("file_system", "rename"), False, "folder", "durable_missing"),
        (("paths", 0, "free_bytes"), 1024, "disk", "disk"),
        (("paths", 0, "free_inodes"), 40_000, "inodes", "inodes"),
        (("gpus", "gpus", 0, "fault"), "it fell off the bus", "gpus", "gpu_missing"),
        (("check",), {"code": 1, "words": "no kernel image", "late": False}, "cuda", "no_cuda"),
        (("check",), {"code": None, "words": "", "late": True}, "cuda", "no_cuda"),
    ],
)
def test_a_broken_item_refuses_by_its_code_and_says_what_to_do(
    path: tuple[str | int, ...], value: Any, gate: str, code: str
) -> None:
    found = looked_at(*path, value=value)
    assert (found[gate].verdict, found[gate].code) == ("fail", code)
    assert found[gate].advice
    assert {name for name, it in found.items() if it.verdict != "ok"} == {gate}


@pytest.mark.parametrize(
    ("path", "gate"),
    [
        (("wall",), "clock"),
        (("python",), "python"),
        (("paths",), "folder"),
        (("file_system",), "folder"),
        (("paths", 0, "free_bytes"), "disk"),
        (("memory",), "memory"),
        (("shm",), "shm"),
        (("cpus",), "cpus"),
        (("gpus",), "gpus"),
        (("gpus", "driver"), "driver"),
        (("check",), "cuda"),
    ],
)
@pytest.mark.parametrize("value", [None, "nonsense", True])
def test_what_is_missing_or_makes_no_sense_is_unknown(path: tuple[str | int, ...], gate: str, value: Any) -> None:
    if path == ("gpus", "driver") and value == "nonsense":
        value = ["x"]
    assert looked_at(*path, value=value)[gate].verdict == "unknown"


@pytest.mark.parametrize(
    ("path", "value", "gate"),
    [
        (("sessions", "kills_processes"), True, "logout"),
        (("memory", "limit_bytes"), 8 * GIB, "memory"),
        (("shm", "free_bytes"), 64 * 1024**2, "shm"),
        (("cpus", "limit"), 2.0, "cpus"),
    ],
)
def test_what_bounds_a_run_is_a_warning(path: tuple[str | int, ...], value: Any, gate: str) -> None:
    found = looked_at(*path, value=value)
    assert found[gate].verdict == "warn"
    assert found[gate].advice


def test_a_user_who_lingers_keeps_processes() -> None:
    assert looked_at("sessions", value={"kills_processes": True, "lingers": True})["logout"].verdict == "ok"


def test_a_limit_above_the_whole_bounds_nothing() -> None:
    assert looked_at("memory", "limit_bytes", value=65 * GIB)["memory"].verdict == "ok"
    assert looked_at("cpus", "limit", value=64.0)["cpus"].verdict == "ok"


@pytest.mark.parametrize("problem", [None, "there is no nvidia-smi on PATH"])
def test_a_host_without_gpus_needs_no_driver(problem: str | None) -> None:
    found = looked_at("gpus", value={"driver": None, "gpus": [], "problem": problem})
    assert {found[name].verdict for name in ("gpus", "driver", "cuda")} == {"ok"}


def test_a_file_system_that_counts_no_inodes_is_not_short_of_them() -> None:
    assert looked_at("paths", 0, "total_inodes", value=None)["inodes"].ok is True


def test_code_travels_without_rsync_too() -> None:
    assert looked_at("rsync", value=None)["rsync"].verdict == "ok"


def test_a_list_of_nonsense_is_no_list_of_gpus() -> None:
    assert looked_at("gpus", "gpus", value=["x"])["gpus"].value == "1:  (0 GiB)"


def test_a_host_that_is_not_reached_passes_nothing() -> None:
    (gate,) = unreached("timed_out", "no answer within 10 s", "Try: ssh box")
    assert (gate.name, gate.verdict, gate.code) == ("reachable", "fail", "unreachable")


def test_a_changed_key_is_named() -> None:
    found = unreached("host_key_changed", "its key has changed", "Find out why")
    assert [(it.name, it.code) for it in found] == [("reachable", "unreachable"), ("host_key", "host_key")]
