"""What may be said of machines reached over SSH."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import pytest

from overnight.domain.remote import SshSettings, ssh_settings, stored_settings, target_problems, targets_problems


def test_a_name_alone_is_enough() -> None:
    assert target_problems({"ssh": "gpu-box"}) == []
    assert ssh_settings({"ssh": "gpu-box"}) == SshSettings("gpu-box")
    assert ssh_settings({"ssh": "ada@gpu-box"}) == SshSettings("gpu-box", user="ada")


def test_everything_can_be_said_and_comes_back_from_json() -> None:
    way = {
        "host": "10.0.0.7",
        "port": 2222,
        "user": "ada",
        "key": "~/.ssh/lab",
        "known_hosts": "/etc/lab hosts",
        "jump": "ada@gate:2200,inner",
    }
    rest: dict[str, Any] = {
        "ssh_config": "~/lab/ssh_config",
        "folder": "~/scratch/overnight",
        "python": "/opt/conda/bin/python",
        "slots": 0,
        "gpu_free_threshold_mib": 0,
        "log_cap_mib": 1,
        "disk_reserve_mib": 2,
        "inode_reserve": 3,
    }
    table = {"ssh": way, **rest}
    assert target_problems(table) == []
    made = ssh_settings(table)
    assert made == SshSettings(**way, **rest)  # type: ignore[arg-type]
    assert (made.reserve.bytes, made.reserve.inodes) == (2 * 1024**2, 3)
    assert stored_settings({**asdict(made), "later": 1}) == made


@pytest.mark.parametrize(
    ("table", "place"),
    [
        ({}, "ssh"),
        ({"ssh": 3}, "ssh"),
        ({"ssh": "-oProxyCommand=touch x"}, "ssh"),
        ({"ssh": "ada@-oProxyCommand=x"}, "ssh"),
        ({"ssh": "-l@box"}, "ssh"),
        ({"ssh": "box\n"}, "ssh"),
        ({"ssh": "$(x)"}, "ssh"),
        ({"ssh": "%h"}, "ssh"),
        ({"ssh": {}}, "ssh.host"),
        ({"ssh": {"host": "-x"}}, "ssh.host"),
        ({"ssh": {"host": "x" * 300}}, "ssh.host"),
        ({"ssh": {"host": "box", "port": 0}}, "ssh.port"),
        ({"ssh": {"host": "box", "port": 65_536}}, "ssh.port"),
        ({"ssh": {"host": "box", "port": "22"}}, "ssh.port"),
        ({"ssh": {"host": "box", "port": True}}, "ssh.port"),
        ({"ssh": {"host": "box", "user": "a b"}}, "ssh.user"),
        ({"ssh": {"host": "box", "key": "id"}}, "ssh.key"),
        ({"ssh": {"host": "box", "key": '/x" -oA=b'}}, "ssh.key"),
        ({"ssh": {"host": "box", "known_hosts": "/x/%h"}}, "ssh.known_hosts"),
        ({"ssh": {"host": "box", "jump": "a,,b"}}, "ssh.jump"),
        ({"ssh": {"host": "box", "jump": "-W"}}, "ssh.jump"),
        ({"ssh": {"host": "box", "options": []}}, "ssh.options"),
        ({"ssh": "box", "ssh_config": "$HOME/x"}, "ssh_config"),
        ({"ssh": "box", "folder": "relative"}, "folder"),
        ({"ssh": "box", "folder": "/a b"}, "folder"),
        ({"ssh": "box", "folder": "/" + "a" * 2000}, "folder"),
        ({"ssh": "box", "python": "python3; rm"}, "python"),
        ({"ssh": "box", "python": "-c"}, "python"),
        ({"ssh": "box", "slots": -1}, "slots"),
        ({"ssh": "box", "slots": 1.5}, "slots"),
        ({"ssh": "box", "log_cap_mib": 0}, "log_cap_mib"),
        ({"ssh": "box", "gpus": [0]}, "gpus"),
    ],
)
def test_what_is_wrong_is_named_by_its_key(table: dict[str, Any], place: str) -> None:
    assert [problem.place for problem in target_problems(table)] == [place]


@pytest.mark.parametrize("name", ["here", "-x", "a/b", "", "a b", "x" * 64, "ü"])
def test_a_name_that_cannot_be_one_is_refused(name: str) -> None:
    assert [problem.place for problem in targets_problems({name: {"ssh": "box"}})] == [f"targets.{name}"]


def test_a_target_is_a_table_with_its_place_in_every_message() -> None:
    found = targets_problems({"box-1": {"ssh": "box", "slots": -1}, "a": "box"})
    assert [problem.place for problem in found] == ["targets.box-1.slots", "targets.a"]
