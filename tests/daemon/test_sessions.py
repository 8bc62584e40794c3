"""Tokens and sessions that hosts claim to have seen: believed as far as a server can have given them."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from overnight.config import Configuration
from overnight.daemon import orphans
from overnight.daemon.sessions import FENCES_PER_MINUTE_BITS, latest, next_session
from overnight.domain.errors import Unavailable
from overnight.fleet import Fleet, Growing
from overnight.targets.base import Handle
from tests.daemon.stage import Stage

LIE = 2**53 - 1
"""The last number that JSON keeps: after it, no host would be answered any more."""


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage(tmp_path)


def number(stage: Stage, floor: int) -> int:
    configuration = Configuration(stage.work, "sqlite:///x", None, None)
    fleet = Fleet(
        configuration,
        stage.store,
        stage.clock,
        random.Random(1),
        "0" * 12,
        lambda it: next_session(stage.store, it),
        Growing({}),
        Growing({}),
    )
    return fleet._number("box", floor)


def test_one_host_cannot_use_up_the_numbers_of_all(stage: Stage) -> None:
    with pytest.raises(Unavailable, match="no server can have had"):
        number(stage, LIE)
    assert number(stage, 0) < 10


def test_a_server_that_was_restored_from_a_backup_goes_on_above_what_hosts_have_seen(stage: Stage) -> None:
    seen = (int(stage.clock.wall() // 60) + 60) << FENCES_PER_MINUTE_BITS
    assert number(stage, seen) > seen


def test_a_stranger_with_a_token_that_cannot_be_raises_no_fence(stage: Stage) -> None:
    stopped: list[str] = []
    for fence, heard in ((LIE, False), (latest(stage.clock), True)):
        target: Any = SimpleNamespace(
            owned=lambda fence=fence: [Handle("run.1", fence, "/f", None)],
            stop=lambda handle, *_: stopped.append(handle.attempt),
            forget=lambda _: None,
        )
        stage.world.places["here"] = replace(stage.world.places["here"], target=target)  # type: ignore[index]
        if not heard:
            with pytest.raises(Unavailable, match="names a token that no server can have given"):
                orphans.tidy(stage.world, "here")
            assert next_session(stage.store, 0) < 10
        else:
            orphans.tidy(stage.world, "here")
    assert stopped == ["run.1"]
