"""Parts of logs never end within a character."""

from __future__ import annotations

import pytest

from overnight.service.look import cut_character


@pytest.mark.parametrize("text", ["", "a", "é", "€", "😀", "aé€😀"])
def test_whole_characters_are_not_held_back(text: str) -> None:
    assert cut_character(text.encode()) == 0


@pytest.mark.parametrize("character", ["é", "€", "😀"])
def test_the_start_of_a_character_waits_for_its_rest(character: str) -> None:
    data = character.encode()
    for kept in range(1, len(data)):
        assert cut_character(b"abc" + data[:kept]) == kept


def test_bytes_that_are_no_text_are_not_held_back() -> None:
    assert cut_character(b"\xff\x80\x80\x80\x80") == 0
    assert cut_character(b"\x80") == 0
