"""Two names of one machine do not take each other's connection."""

from __future__ import annotations

import random
from functools import partial
from itertools import count

import pytest

from overnight.clock import SystemClock
from overnight.domain.errors import Unavailable
from overnight.targets.ssh.claims import Claims
from overnight.targets.ssh.target import SshTarget
from tests.ssh.bench import end_runner
from tests.ssh.conftest import Box

HOME = "c1a135c1a135"


def test_a_place_belongs_to_whoever_came_first() -> None:
    claims = Claims()
    assert claims.claim("lab", "p") is None
    assert claims.claim("lab", "p") is None
    assert claims.claim("alias", "p") == "lab"
    assert claims.claim("alias", "q") is None


def test_a_target_that_goes_first_takes_its_place_whenever_it_comes() -> None:
    claims = Claims(["busy", "idle"])
    assert claims.claim("later", "p") is None
    assert claims.claim("idle", "p") is None
    assert claims.claim("busy", "p") is None
    assert claims.claim("idle", "p") == "busy"
    assert claims.claim("later", "p") == "busy"


def test_a_target_that_is_another_machine_now_leaves_its_old_place() -> None:
    claims = Claims(["a", "b"])
    assert claims.claim("a", "old") is None
    assert claims.claim("a", "new") is None
    assert claims.claim("b", "old") is None


@pytest.mark.real("sshd")
def test_a_second_name_of_a_machine_is_refused_with_the_first_one_and_leaves_its_connection_alone(box: Box) -> None:
    claims, numbers = Claims(), count(1)

    def target(name: str) -> SshTarget:
        return SshTarget(
            name,
            box.settings,
            home=HOME,
            clock=SystemClock(),
            session=lambda floor: max(floor + 1, next(numbers)),
            rng=random.Random(1),
            claim=partial(claims.claim, name),
        )

    first, second = target("lab"), target("alias")
    try:
        assert first.owned() == []
        with pytest.raises(Unavailable, match="the same machine and folder as target 'lab'"):
            second.owned()
        why = second.status().why
        assert why is not None
        assert (why.code, "[targets.alias]" in why.next_step) == ("same_machine", True)
        generation = first.generation
        assert (first.owned(), first.generation) == ([], generation)
    finally:
        first.close()
        second.close()
        end_runner(box, HOME)
