"""When files are looked at: never while no run waits for them, and soon although nobody announced a submission."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from overnight.daemon.looks import NEVER, Looks
from overnight.domain.plan import CellPlan
from overnight.store.base import SYSTEM, Connection, Row, Session
from tests.daemon.stage import Stage, needing

FREE = CellPlan("free", {}, "true")


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    made = Stage(tmp_path)
    yield made
    made.store.close()


class Heard:
    """A connection that keeps the names of the queries that read rows."""

    def __init__(self, connection: Connection, asked: list[str]) -> None:
        self.connection, self.asked = connection, asked

    def rows(self, query: str, /, **arguments: Any) -> list[Row]:
        self.asked.append(query)
        return self.connection.rows(query, **arguments)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.connection, name)


def turn(stage: Stage, looks: Looks, *, ended: bool = False, steered: bool = False) -> list[str]:
    """One turn of the loop as far as it is about files; returns what was asked of the record."""
    now = stage.clock.boot()
    looks.send(stage.world, now)
    seen = looks.taken({done.key: done for done in stage.world.errands.take()})
    asked: list[str] = []

    def work(session: Session) -> None:
        looks.take_in_files(session, seen, now)
        looks.plan(
            replace(session, connection=cast("Connection", Heard(session.connection, asked))),
            now,
            ended=ended,
            steered=steered,
        )

    stage.store.write(SYSTEM, work)
    return asked


def test_ends_of_runs_ask_nothing_about_files_while_no_run_waits_for_any(stage: Stage) -> None:
    stage.submit(stage.sweep("s", FREE))
    looks = Looks()
    assert turn(stage, looks, steered=True) == ["conditions_any"]
    assert turn(stage, looks, ended=True) == []
    assert looks.files_due == NEVER


def test_ends_of_runs_have_files_looked_at_at_once_while_some_run_waits_for_them(stage: Stage) -> None:
    stage.submit(stage.sweep("s", needing("a", "in.txt"), FREE))
    looks = Looks()
    turn(stage, looks)
    assert stage.clock.boot() < looks.files_due < NEVER
    turn(stage, looks, ended=True)
    assert looks.files_due == stage.clock.boot()


def test_what_an_actor_wants_is_looked_at_once_although_nothing_waited_before(stage: Stage) -> None:
    looks = Looks()
    turn(stage, looks)
    assert looks.files_due == NEVER
    stage.submit(stage.sweep("s", needing("a", "in.txt")))
    turn(stage, looks, steered=True)
    assert looks.files_due == stage.clock.boot()
