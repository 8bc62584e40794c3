"""Two outputs that can be the same file are found, whatever patterns they are written with."""

from __future__ import annotations

import re
from fnmatch import translate
from itertools import combinations, product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from overnight.domain.errors import InvalidFile
from overnight.manifest import load
from overnight.manifest.patterns import Index, Pattern, meet


def meeting(one: str, other: str) -> bool:
    left, right = Pattern.of(one), Pattern.of(other)
    both = meet(left, right)
    assert both == meet(right, left)
    index: Index[str] = Index()
    index.add(left, one)
    assert [thing for _, thing in index.like(right)] == [one] or not both
    return both


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("a*", "ab"),
        ("a*", "*b"),
        ("a?c", "a*"),
        ("*", "?"),
        ("a[bc]d", "abd"),
        ("a[bc]d", "a[cd]d"),
        ("a[!x]d", "abd"),
        ("a[a-f]", "ac"),
        ("a**", "ab/c"),
        ("**/c", "a/b/c"),
        ("a/*/c", "a/b/*"),
        ("a[]]b", "a]b"),
        ("a*b*c", "a**c"),
    ],
)
def test_patterns_that_can_match_one_path_meet(one: str, other: str) -> None:
    assert meeting(one, other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("a*", "b*"),
        ("*a", "*b"),
        ("a*", "a/b"),
        ("a?", "a"),
        ("a?b", "a/b"),
        ("a[bc]d", "aed"),
        ("a[!b]d", "abd"),
        ("a[a-f]", "ag"),
        ("a/*/c", "a/b/c/c"),
        ("*x*", "abc"),
    ],
)
def test_patterns_without_a_common_path_do_not_meet(one: str, other: str) -> None:
    assert not meeting(one, other)


WORDS = ["".join(word) for size in range(5) for word in product("ab", repeat=size)]
GLOB = st.text(alphabet="ab*?", max_size=5).filter(lambda text: "**" not in text)


@given(GLOB, GLOB)
@settings(max_examples=300, deadline=None)
def test_patterns_meet_exactly_where_some_word_matches_both(one: str, other: str) -> None:
    left, right = (re.compile(translate(pattern)) for pattern in (one, other))
    if any(left.match(word) and right.match(word) for word in WORDS):
        assert meeting(one, other)
    elif len(one) + len(other) <= 4:
        # Two patterns so short that meet at all do so in a word of at most four characters.
        assert not meeting(one, other)


def many(output: str) -> str:
    values = list(range(100))
    return (
        f"campaign: c\nsweeps:\n  s: {{grid: {{x: {values}, y: {values}}}, command: 'true', outputs: ['{output}']}}\n"
    )


@pytest.mark.parametrize("output", ["o-${x}-${y}-*.pt", "*-o${x}-${y}.pt", "o/${x}-${y}.pt", "${run_dir}/*"])
def test_ten_thousand_outputs_that_differ_are_accepted(output: str) -> None:
    assert load(many(output), "f", "/base").cells == 10_000


def test_ten_thousand_outputs_that_meet_are_refused_in_few_words() -> None:
    with pytest.raises(InvalidFile) as refusal:
        load(many("o/${x}.pt"), "f", "/base")
    assert len(refusal.value.problems) == 6
    assert "95 more outputs collide" in refusal.value.problems[-1].message


def test_patterns_that_cannot_be_told_apart_are_refused_and_not_compared_for_ever() -> None:
    with pytest.raises(InvalidFile) as refusal:
        load(many("*${x}-${y}*"), "f", "/base")
    assert {problem.place for problem in refusal.value.problems} == {"sweeps.s.outputs[0]"}


def test_patterns_whose_ends_tell_nothing_are_refused_and_not_compared_for_ever() -> None:
    values = list(range(1000, 3000))
    text = f"campaign: c\nsweeps:\n  s: {{grid: {{x: {values}}}, command: x, outputs: ['[ab]${{x}}.[cd]']}}\n"
    with pytest.raises(InvalidFile) as refusal:
        load(text, "f", "/base")
    assert "too many outputs with patterns" in refusal.value.problems[0].message


def test_patterns_that_differ_at_either_end_are_accepted_in_one_file() -> None:
    values = list(range(3000))
    sweeps = "".join(
        f"  {name}: {{grid: {{x: {values}}}, command: 'true', outputs: ['{output}']}}\n"
        for name, output in (("a", "a/${x}/*.pt"), ("b", "b/*_${x}.json"))
    )
    assert load(f"campaign: c\nsweeps:\n{sweeps}", "f", "/base").cells == 6_000


@given(st.lists(st.text(alphabet="ab*", min_size=1, max_size=4).filter(lambda it: "**" not in it), max_size=8))
@settings(max_examples=200, deadline=None)
def test_exactly_the_pairs_that_meet_are_refused(outputs: list[str]) -> None:
    sweeps = "".join(f"  s{n}: {{command: x, outputs: ['o{it}e']}}\n" for n, it in enumerate(outputs))
    meet_somewhere = any(one == other or meeting(one, other) for one, other in combinations(outputs, 2))
    try:
        load(f"campaign: c\nsweeps:\n{sweeps or '  s: {command: x}'}", "f", "/base")
    except InvalidFile:
        assert meet_somewhere
    else:
        assert not meet_somewhere


def test_outputs_of_one_cell_may_meet() -> None:
    text = "campaign: c\nsweeps:\n  s: {command: x, outputs: [a, a, 'a*', '*a']}\n"
    assert load(text, "f", "/base").cells == 1
    both = text + "  t: {command: x, outputs: ['ab']}\n"
    with pytest.raises(InvalidFile, match="1 problem"):
        load(both, "f", "/base")
