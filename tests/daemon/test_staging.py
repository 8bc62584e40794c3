"""What is brought to a target before a start: once per connection, and lent folders from here."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from overnight.daemon.staging import Stager
from overnight.domain.errors import Unavailable
from tests.daemon.test_launches import claimed, config


class Box:
    """As much of a host as staging asks."""

    generation = 1

    def folder(self) -> str:
        return "/box/ours"

    def user_home(self) -> str:
        return "/home/ana"


@pytest.fixture
def shipped() -> list[str]:
    return []


@pytest.fixture
def stager(tmp_path: Path, shipped: list[str]) -> Stager:
    return Stager(Box(), tmp_path / "code", shipped.append)


def test_code_is_asked_for_once_per_connection(stager: Stager, shipped: list[str]) -> None:
    it = claimed(config("true"))
    it = replace(it, settings=replace(it.settings, code="0" * 32))
    for _ in range(3):
        stager.stage(it)
    assert shipped == ["0" * 32]
    stager.host.generation = 2  # type: ignore[misc]
    stager.stage(it)
    assert shipped == ["0" * 32] * 2


def test_code_that_could_not_be_brought_is_tried_again(tmp_path: Path) -> None:
    tries: list[str] = []

    def ship(identity: str) -> None:
        tries.append(identity)
        if len(tries) == 1:
            raise Unavailable("the link was cut")

    stager, it = Stager(Box(), tmp_path / "code", ship), claimed(config("true"))
    it = replace(it, settings=replace(it.settings, code="0" * 32))
    with pytest.raises(Unavailable):
        stager.stage(it)
    stager.stage(it)
    assert len(tries) == 2


def test_a_folder_of_this_machine_is_lent_and_one_of_the_target_is_not(
    stager: Stager, shipped: list[str], tmp_path: Path
) -> None:
    made = tmp_path / "runs" / "aa" / "1"
    made.mkdir(parents=True)
    (made / "teacher.npz").write_bytes(b"weights")
    it = claimed(config("true"), upstream={"teachers": str(made), "others": "/box/ours/runs/bb/1"})
    staged = stager.stage(replace(it, borrowed=frozenset({"teachers"})))
    assert staged.upstream == {"teachers": f"/box/ours/code/{shipped[0]}/tree", "others": "/box/ours/runs/bb/1"}
