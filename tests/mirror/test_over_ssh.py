"""Frozen copies brought to a machine over a real sshd, by the attendant there."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from overnight.mirror import ship as shipping
from overnight.mirror.freeze import freeze
from overnight.mirror.ship import Box, ship
from overnight.targets.ssh.target import SshTarget
from tests.mirror.test_ship import content
from tests.ssh.bench import HOME, end_runner, target_of
from tests.ssh.conftest import Box as Machine
from tests.ssh.conftest import make_box

pytestmark = pytest.mark.real("sshd")
NAMES = (b"-rf", b"a\nb", b"\xff\xfe", b"$(touch x)", b"'\"", b" ", b"*", b"#a", b";b", b"%h", b"{a,b}", b"!x")


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)
    made = make_box(tmp_path_factory.mktemp("box"))
    made.start()
    yield made
    made.end()


@pytest.fixture(scope="module")
def target(machine: Machine) -> Iterator[SshTarget]:
    made = target_of(machine)
    yield made
    made.close()
    end_runner(machine)


@pytest.mark.parametrize("way", ["by_stream", pytest.param("by_rsync", marks=pytest.mark.real("rsync"))])
def test_a_copy_arrives_byte_by_byte(
    tmp_path: Path, machine: Machine, target: SshTarget, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its files have the names of options, commands and lines; none of them does anything."""
    work, store = tmp_path / "work", tmp_path / "code"
    (work / "pkg").mkdir(parents=True)
    (work / "pkg" / way).write_bytes(os.urandom(3_000_000))
    for name in NAMES:
        (work / os.fsdecode(name)).write_bytes(name + way.encode())
    if way == "by_stream":
        monkeypatch.setattr(shipping, "by_rsync", lambda *_: False)
    else:
        monkeypatch.setattr(shipping, "by_stream", None)
    box = Box(target.files, target.settings.host, target.session, target.remote_shell, os.environ)
    identity = freeze(str(work), store)
    assert ship(identity, store, box).files == 1 + len(NAMES)
    there = machine.home / ".overnight-host" / HOME / "code" / identity / "tree"
    assert content(there) == content(store / identity / "tree")
    assert ship(identity, store, box).files == 0
    assert list(machine.home.rglob("x")) == []
