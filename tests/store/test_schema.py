"""The schema says what the state tables say."""

from __future__ import annotations

import re

import pytest

from overnight.domain.states import LIVE_ATTEMPT, LIVE_RUN, MACHINES, RUN, Machine
from overnight.store.migrate import migrations, statements

SQL = [part for _, text in migrations() for part in statements(text, postgres=False)]


ANEW = {"runs": "runs_anew"}
"""Tables that a later migration made again, under what name: that is how they are now."""


def table(name: str) -> str:
    return [part for part in SQL if part.startswith(f"CREATE TABLE {ANEW.get(name, name)} ")][-1]


def index(name: str) -> str:
    return [part for part in SQL if re.match(rf"CREATE (UNIQUE )?INDEX {name} ", part)][-1]


def listed(text: str) -> set[str]:
    return set(re.findall(r"'(\w+)'", text))


@pytest.mark.parametrize("machine", MACHINES, ids=lambda m: f"{m.table}.{m.column}")
def test_the_allowed_states_are_those_of_the_machine(machine: Machine) -> None:
    check = re.search(
        rf"\b{machine.column} TEXT NOT NULL CHECK \({machine.column} IN\s*\(([^)]*)\)\)", table(machine.table)
    )
    assert check, f"{machine.table}.{machine.column} has no CHECK"
    assert listed(check.group(1)) == set(machine.states)


@pytest.mark.parametrize("name", ["attempts_live", "attempts_live_target"])
def test_what_is_unique_while_alive_knows_what_alive_is(name: str) -> None:
    assert listed(index(name).partition("WHERE")[2]) == set(LIVE_ATTEMPT)


def test_live_runs_are_indexed_by_their_states() -> None:
    assert listed(index("runs_live").partition("WHERE")[2]) == set(LIVE_RUN)


def test_both_dialects_get_the_same_statements_where_none_is_named() -> None:
    for number, text in migrations():
        if "-- only: " in text:
            continue
        ours, theirs = statements(text, postgres=False), statements(text, postgres=True)
        assert len(ours) == len(theirs), number
        assert not [part for part in theirs if re.search(r"\b(INTEGER|REAL)\b", part)]


def test_a_part_for_one_dialect_is_for_that_one_only() -> None:
    text = "SELECT 1;\n-- only: sqlite\nSELECT 2;\n-- only: postgres\nSELECT 3;\n-- only: all\nSELECT 4;\n"
    assert statements(text, postgres=False) == ["SELECT 1", "SELECT 2", "SELECT 4"]
    assert statements(text, postgres=True) == ["SELECT 1", "SELECT 3", "SELECT 4"]


def test_both_dialects_allow_the_same_states_of_a_run() -> None:
    made = [part for _, text in migrations() for part in statements(text, postgres=True)]
    checks = [listed(part.partition("CHECK")[2]) for part in made if "ADD CONSTRAINT runs_state_check" in part]
    assert checks[-1] == set(RUN.states)


def test_migrations_are_numbered_without_gaps() -> None:
    assert [number for number, _ in migrations()] == list(range(1, len(migrations()) + 1))


def test_a_comment_hides_no_statement() -> None:
    assert statements("CREATE TABLE a (b INTEGER); -- c; d\nSELECT 1;\n-- ; ;\n", postgres=True) == [
        "CREATE TABLE a (b BIGINT)",
        "SELECT 1",
    ]
