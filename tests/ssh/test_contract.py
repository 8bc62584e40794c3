"""The contract of targets over SSH, with a real sshd and the real runner behind it."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from overnight.targets.ssh.target import SshTarget
from overnight.testing.target_contract import Bench, TargetContract
from tests.ssh.bench import clear, disconnect, end_runner, moments, target_of
from tests.ssh.conftest import Box

pytestmark = pytest.mark.real("sshd")
TESTS = count(1)
"""Each has names and fences of its own: one runner serves them all."""


@pytest.fixture(scope="module")
def target(box: Box) -> Iterator[SshTarget]:
    made = target_of(box)
    yield made
    made.close()
    end_runner(box)


@pytest.fixture
def bench(target: SshTarget, tmp_path: Path) -> Iterator[Bench]:
    work = tmp_path / "home" / "work"
    work.mkdir(parents=True)
    target.owned()
    first = 1000 * next(TESTS)
    yield Bench(target, work, lambda: disconnect(target), moments, numbers=first, fence=first)
    clear(target)


class TestSsh(TargetContract):
    pass
