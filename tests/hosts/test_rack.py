"""The hosts that the other tests stand on are separate, and their faults are what they are called."""

from __future__ import annotations

import pytest

from tests.parts.hosts import Rack

pytestmark = pytest.mark.real("hosts", "network", "namespaces", "firewall", "sshd")
QUICKLY = ("-o", "ConnectTimeout=1")
BOOT_ID = ("cat", "/proc/sys/kernel/random/boot_id")


def test_hosts_share_neither_processes_nor_files_nor_names(rack: Rack) -> None:
    rack.ssh("box1", "touch ~/mine /tmp/mine; sleep 60 >/dev/null 2>&1 </dev/null &")
    assert rack.ssh("box2", "hostname; ls ~; ls /tmp/mine; pgrep sleep").stdout.split() == ["box2"]
    assert rack["box1"].home().joinpath("mine").exists()
    assert len(rack["box1"].pids("sleep")) == 1
    assert rack["box2"].pids("sleep") == []


def test_a_cable_and_a_direction_can_be_cut_and_healed(rack: Rack) -> None:
    host = rack["box1"]
    host.cut()
    assert rack.ssh(*QUICKLY, "box1", "true").returncode == 255
    assert rack.ssh("box2", "true").returncode == 0
    host.join()
    for direction in ("in", "out"):
        host.drop_one_way(direction)
        assert rack.ssh(*QUICKLY, "box1", "true").returncode == 255
        host.heal()
    host.reject()
    assert "refused" in rack.ssh("box1", "true").stderr
    host.heal()
    assert rack.ssh("box1", "true").returncode == 0


def test_what_runs_survives_sshd_and_dies_with_the_power(rack: Rack) -> None:
    host = rack["box1"]
    rack.ssh("box1", "setsid sleep 60 >/dev/null 2>&1 </dev/null & echo there > ~/file; sync")
    host.kill_sshd()
    assert "refused" in rack.ssh("box1", "true").stderr
    assert len(host.pids("sleep")) == 1
    host.start_sshd()
    before = rack.ssh("box1", *BOOT_ID).stdout
    host.power_off()
    assert host.pids() == []
    host.power_on()
    assert host.pids("sleep") == []
    assert rack.ssh("box1", "cat ~/file").stdout == "there\n"
    assert rack.ssh("box1", *BOOT_ID).stdout not in ("", before)


def test_a_full_disk_takes_nothing_until_there_is_room(rack: Rack) -> None:
    rack["box1"].fill_disk()
    assert rack.ssh("box1", "echo x > ~/file && echo wrote").stdout == ""
    assert rack.ssh("box1", "echo x > /tmp/file && echo wrote").stdout == "wrote\n"
    rack["box1"].free_disk()
    assert rack.ssh("box1", "echo x > ~/file && echo wrote").stdout == "wrote\n"
