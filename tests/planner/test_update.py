"""What a newer file changes of a campaign's runs."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from overnight.domain.states import RUN
from overnight.planner.update import PENDING, Changes, Known, Said, changes_of

SAID = Said("main", "{}", "/work", frozenset(), frozenset())
STARTED = tuple(state for state in RUN.states if state not in PENDING)


def known(**states: str) -> dict[str, Known]:
    return {name: Known(f"id-{name}", state, SAID) for name, state in states.items()}


def changes(**parts: tuple[str, ...]) -> Changes:
    return Changes(**{**dict.fromkeys(("added", "replaced", "removed", "unchanged", "untouched"), ()), **parts})


def test_what_the_file_says_as_before_is_unchanged() -> None:
    assert changes_of(known(a="queued", b="failed"), {"a": SAID, "b": SAID}) == changes(unchanged=("a", "b"))


@pytest.mark.parametrize("state", PENDING)
def test_a_pending_run_follows_the_file(state: str) -> None:
    other = replace(SAID, config='{"x":1}')
    assert changes_of(known(a=state), {"a": other}) == changes(replaced=("a",))
    assert changes_of(known(a=state), {}) == changes(removed=("a",))


@pytest.mark.parametrize("state", STARTED)
def test_a_run_that_has_started_is_left_alone(state: str) -> None:
    other = replace(SAID, config='{"x":1}')
    assert changes_of(known(a=state), {"a": other}) == changes(untouched=("a",))
    assert changes_of(known(a=state), {}) == changes(untouched=("a",))


@pytest.mark.parametrize(
    "other",
    [
        replace(SAID, workdir="/elsewhere"),
        replace(SAID, needs=frozenset({"t"})),
        replace(SAID, whole=frozenset({"teachers"})),
    ],
)
def test_what_a_run_waits_for_and_where_it_works_count(other: Said) -> None:
    assert changes_of(known(a="queued"), {"a": other}) == changes(replaced=("a",))


def test_what_a_run_had_to_wait_for_is_past_once_it_has_started() -> None:
    other = replace(SAID, needs=frozenset({"t"}), whole=frozenset({"teachers"}))
    assert changes_of(known(a="running"), {"a": other}) == changes(unchanged=("a",))


def test_a_pending_run_that_moves_to_another_phase_is_the_same_run() -> None:
    needs = replace(SAID, sweep="students", needs=frozenset({"a"}))
    there = {**known(a="queued"), "s": Known("id-s", "waiting", needs)}
    found = changes_of(there, {"a": replace(SAID, sweep="late"), "s": needs})
    assert found == changes(replaced=("a",), unchanged=("s",))


said = st.builds(
    Said,
    sweep=st.sampled_from(("main", "late")),
    config=st.sampled_from(("{}", '{"x":1}')),
    workdir=st.just("/work"),
    needs=st.frozensets(st.sampled_from("abc"), max_size=1),
    whole=st.just(frozenset[str]()),
)
names = st.sampled_from("abcdef")


@given(
    st.dictionaries(names, st.builds(Known, st.just("id"), st.sampled_from(RUN.states), said)),
    st.dictionaries(names, said),
)
def test_every_run_is_told_once_and_applying_a_file_twice_changes_nothing(
    there: dict[str, Known], wanted: dict[str, Said]
) -> None:
    found = changes_of(there, wanted)
    stays = [*found.replaced, *found.unchanged, *found.untouched]
    assert sorted(stays + list(found.removed)) == sorted(there)
    assert len(set(found.added)) == len(found.added)
    assert {*found.added, *stays} >= wanted.keys()
    after = {name: run for name, run in there.items() if name not in found.removed}
    after |= {name: Known("new", "queued", wanted[name]) for name in found.added}
    after |= {name: replace(after[name], said=wanted[name]) for name in found.replaced}
    again = changes_of(after, wanted)
    assert (again.added, again.replaced, again.removed, again.untouched) == ((), (), (), found.untouched)
