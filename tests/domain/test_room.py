"""When a disk counts as full, and when as well again."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from overnight.domain.room import Reserve, is_back, is_low, sentence

MIB = 1024**2
RESERVE = Reserve(256 * MIB, 1000)


@dataclass(frozen=True)
class Space:
    free_bytes: int | None = 10_000 * MIB
    free_inodes: int | None = 1_000_000
    total_bytes: int | None = 100_000 * MIB
    total_inodes: int | None = 10_000_000
    path: str = "/w"


@pytest.mark.parametrize("space", [Space(free_bytes=255 * MIB), Space(free_inodes=999)])
def test_a_disk_is_full_below_the_reserve_of_bytes_or_of_files(space: Space) -> None:
    assert is_low(space, RESERVE)
    assert not is_back(space, RESERVE)


def test_a_disk_is_well_again_only_with_clearly_more_than_the_reserve() -> None:
    between = Space(free_bytes=260 * MIB)
    assert not is_low(between, RESERVE)
    assert not is_back(between, RESERVE)
    assert is_back(Space(), RESERVE)


def test_what_nobody_can_tell_is_neither_full_nor_well_again() -> None:
    unknown = Space(None, None, None, None)
    assert not is_low(unknown, RESERVE)
    assert not is_back(unknown, RESERVE)


def test_a_file_system_without_a_number_of_files_is_judged_by_its_bytes() -> None:
    assert is_back(Space(free_inodes=None, total_inodes=None), RESERVE)


def test_a_small_file_system_is_not_full_for_ever() -> None:
    assert not is_low(Space(free_bytes=15 * MIB, total_bytes=16 * MIB, free_inodes=90, total_inodes=100), RESERVE)
    assert is_low(Space(free_bytes=MIB // 2, total_bytes=16 * MIB), RESERVE)


def test_the_sentence_has_place_and_figures() -> None:
    both = Space(free_bytes=1 * MIB, free_inodes=5)
    assert sentence(both, RESERVE) == (
        "/w has 1.0 MiB free, 256.0 MiB are kept in reserve and room for 5 files, 1000 are kept in reserve"
    )
    assert sentence(Space(), RESERVE) == "/w has room again"
