"""Where a host lets us make control groups, in the layouts that there are."""

from pathlib import Path

import pytest

from overnight.runner import cgroup
from overnight.runner.cgroup import Cgroup, Place

MOUNT = "30 25 0:26 {root} {point} rw,nosuid shared:9 - {kind} cgroup rw,{options}\n"


def process(folder: Path, groups: str, *mounts: str) -> str:
    """Return a folder that looks like /proc/PID."""
    made = folder / "process"
    made.mkdir()
    (made / "cgroup").write_text(groups)
    (made / "mountinfo").write_text("25 0 8:1 / / rw - ext4 /dev/sda1 rw\n" + "".join(mounts))
    return str(made)


@pytest.mark.parametrize(
    ("groups", "kind", "root", "own", "unified"),
    [
        ("0::/user.slice/x\n", "cgroup2", "/", "user.slice/x", True),
        ("5:cpu:/no\n4:memory:/jobs/x\n0::/\n", "cgroup", "/", "jobs/x", False),
        ("4:memory,cpu:/docker/abc\n0::/\n", "cgroup", "/docker/abc", "", False),
        ("4:memory:/docker/abc/in\n", "cgroup", "/docker/abc", "in", False),
    ],
)
def test_the_own_group_is_found_in_every_layout(
    tmp_path: Path, groups: str, kind: str, root: str, own: str, unified: bool
) -> None:
    point = tmp_path / "point"
    (point / own).mkdir(parents=True)
    mount = MOUNT.format(root=root, point=point, kind=kind, options="memory")
    assert cgroup.find(process(tmp_path, groups, mount)) == Place(str(point / own), unified)


def test_without_a_group_that_may_be_used_there_is_none(tmp_path: Path) -> None:
    assert cgroup.find(process(tmp_path, "0::/x\n")) is None
    assert cgroup.find(str(tmp_path / "nothing")) is None


def test_a_host_without_groups_gives_no_numbers_and_no_errors(tmp_path: Path) -> None:
    for place in (None, Place(str(tmp_path / "missing" / "x"), unified=True), Place("/proc", unified=False)):
        group = Cgroup(place, "overnight-test")
        group.enter()
        group.begin()
        assert (group.path, group.peak(), group.oom_kills()) == (None, None, None)
        group.leave()
        group.remove()
    assert cgroup.members(None) == []


def test_a_group_without_counters_is_entered_and_left(tmp_path: Path) -> None:
    (tmp_path / "cgroup.procs").touch()
    (tmp_path / "g").mkdir()
    (tmp_path / "g" / "cgroup.procs").touch()
    group = Cgroup(Place(str(tmp_path), unified=True), "g")
    group.enter()
    assert (tmp_path / "g" / "cgroup.procs").read_text() == "0"
    assert group.peak() is None
    group.leave()
    assert (tmp_path / "cgroup.procs").read_text() == "0"


@pytest.mark.parametrize(
    ("name", "text", "kills"),
    [
        ("memory.events", "low 0\noom 3\noom_kill 2\n", 2),
        ("memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 1\n", 1),
        ("memory.events", "low 0\n", 0),
        ("other", "", 0),
    ],
)
def test_the_kernels_memory_kills_in_a_group_are_counted(tmp_path: Path, name: str, text: str, kills: int) -> None:
    (tmp_path / name).write_text(text)
    assert cgroup.kills_in(str(tmp_path)) == kills
    assert cgroup.kills_in(None) == 0
