"""A change that is still being carried out is not begun a second time."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest

from overnight.domain.errors import InFlight, KeyReused
from overnight.service import dispatch
from overnight.service.context import Context
from overnight.service.table import BY_NAME
from tests.access.bench import SINGLE, Asker, Bench


@contextmanager
def held(asker: Asker, key: str) -> Iterator[None]:
    """A submission with this key is being carried out while the block runs."""
    begun, go_on = threading.Event(), threading.Event()
    operation = BY_NAME["submit_runs"]

    def work(context: Context, request: Any) -> Any:
        begun.set()
        assert go_on.wait(10)
        return operation.work(context, request)

    slow = replace(operation, work=work)
    request = dispatch.parse(operation, {"runs": [SINGLE]})
    thread = threading.Thread(target=lambda: dispatch.answer(asker.context, slow, request, key=key))
    thread.start()
    try:
        assert begun.wait(10)
        yield
    finally:
        go_on.set()
        thread.join()


def test_the_same_key_meanwhile_is_told_to_come_back_and_then_gets_the_answer(bench: Bench) -> None:
    ann = bench.token("ann")
    with held(ann, "k"), pytest.raises(InFlight):
        ann.ask("submit_runs", key="k", runs=[SINGLE])
    ann.ask("submit_runs", key="k", runs=[SINGLE])
    assert len(ann.ask("list_runs")["runs"]) == 1


def test_a_changed_request_with_the_key_is_refused_afterwards(bench: Bench) -> None:
    ann = bench.token("ann")
    with held(ann, "k"):
        pass
    with pytest.raises(KeyReused):
        ann.ask("submit_runs", key="k", runs=[{**SINGLE, "name": "other"}])


def test_other_keys_operations_and_actors_go_on_meanwhile(bench: Bench) -> None:
    ann, bob = bench.token("ann"), bench.token("bob")
    with held(ann, "k"):
        ann.ask("submit_runs", key="other", runs=[SINGLE])
        bob.ask("submit_runs", key="k", runs=[SINGLE])
        ann.ask("create_wild_sweep", key="k")
    assert len(bench.admin.ask("list_runs")["runs"]) == 3


def test_a_request_that_fails_lets_go_of_its_key(bench: Bench) -> None:
    ann = bench.token("ann", budget=0)
    for _ in range(2):
        assert ann.refusal("submit_runs", key="k", runs=[SINGLE]) is not None
