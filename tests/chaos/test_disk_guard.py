"""A disk that fills up where runs work: starts stop, people are told once, nothing fails, work goes on."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.chaos.plane import Plane, eventually

SIZE_MIB = 16
BACK_SECONDS = 10.0
"""After space is back, work must go on within this time."""
pytestmark = pytest.mark.real("root")


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A small file system for working directories."""
    place = tmp_path / "disk"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SIZE_MIB}m,nr_inodes=1000", "tmpfs", str(place)], check=True)
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)


def fill_bytes(disk: Path) -> None:
    with (disk / "filler").open("ab", buffering=0) as file, contextlib.suppress(OSError):
        while file.write(b"x" * 65_536) == 65_536:
            continue


def fill_inodes(disk: Path) -> None:
    with contextlib.suppress(OSError):
        for number in range(1_000):
            (disk / f"filler{number}").touch()


def free(disk: Path) -> None:
    for file in disk.glob("filler*"):
        file.unlink()


def explained(plane: Plane, run: str) -> dict[str, Any]:
    return plane.ask("explain", id=run)


@pytest.mark.parametrize("fill", [fill_bytes, fill_inodes])
def test_starts_wait_for_room_and_go_on_when_it_is_back(plane: Plane, disk: Path, fill: Any) -> None:
    fill(disk)
    waits = plane.submit("echo done > result", workdir=str(disk))
    eventually(lambda: explained(plane, waits)["code"] == "held", "its sweep is held")
    assert str(disk) in explained(plane, waits)["reason"]
    elsewhere = plane.submit("exit 0")
    assert plane.final(elsewhere)["state"] == "succeeded"
    assert plane.run(waits)["state"] == "queued"
    free(disk)
    eventually(lambda: plane.run(waits)["state"] == "succeeded", "it ran", BACK_SECONDS)
    kinds = [it["kind"] for it in plane.ask("events", after=0, limit=1_000)["events"]]
    assert [it for it in kinds if it.startswith(("alert.", "hold."))] == ["hold.put", "alert.raise", "hold.drop"]
    plane.assert_verified()


def test_a_disk_that_fills_up_while_runs_are_under_way_fails_none_of_those_that_wait(plane: Plane, disk: Path) -> None:
    first = plane.submit(f"while [ ! -e {plane.marks}/go ]; do sleep 0.02; done", workdir=str(disk), slots=4)
    plane.in_state(first, "running")
    fill_bytes(disk)
    others = []

    def seen() -> bool:
        """Each submission is a turn, and a turn looks again when the last look is a second old."""
        others.append(plane.submit("echo x > $OVERNIGHT_RUN_ID", workdir=str(disk), slots=4))
        return "hold.put" in str(plane.ask("events", after=0, limit=10_000))

    eventually(seen, "the full disk is seen")
    (plane.marks / "go").touch()
    assert plane.final(first)["state"] == "succeeded"
    assert {plane.run(run)["state"] for run in others} == {"queued"}
    free(disk)
    for run in others:
        assert plane.final(run)["state"] == "succeeded"
    plane.assert_verified()
