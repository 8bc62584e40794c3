"""Listings: filters, orders, and cursors that show each row exactly once."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from overnight.clock import SystemClock
from overnight.domain.errors import Conflict, InvalidRequest, NotFound
from overnight.domain.plan import CampaignPlan, CellPlan, SweepPlan
from overnight.service.cursors import Place, written
from overnight.store import queries, runs
from overnight.store.base import SYSTEM, Store
from overnight.store.sqlite import SqliteStore
from overnight.testing.specimens import stored
from tests.service.desk import Desk


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def plan(name: str, values: Sequence[Any]) -> CampaignPlan:
    cells = tuple(CellPlan(f"{name}-{place}", {"lr": value}, "true") for place, value in enumerate(values))
    return CampaignPlan(name=name, sweeps=(SweepPlan(name="s", cells=cells, workdir="/"),))


def singles(desk: Desk, *names: str, **fields: Any) -> list[str]:
    asked = [{"name": name, "command": "true", "workdir": "/"} for name in names]
    return list(desk.ask("submit_runs", runs=asked, **fields)["ids"])


def names(desk: Desk, **filters: Any) -> list[str]:
    return [run["name"] for run in desk.ask("list_runs", **filters)["runs"]]


def pages(desk: Desk, operation: str = "list_runs", noun: str = "runs", **filters: Any) -> Iterator[list[str]]:
    cursor = None
    while True:
        page = desk.ask(operation, cursor=cursor, **filters)
        yield [it["name"] for it in page[noun]]
        cursor = page["next_cursor"]
        if cursor is None:
            return


def test_the_newest_come_first_and_a_campaign_is_listed_as_it_was_submitted(desk: Desk) -> None:
    singles(desk, "a", "b", "c")
    campaign = desk.submit(plan("one", [1, 2]))
    assert names(desk) == ["one-1", "one-0", "c", "b", "a"]
    assert names(desk, campaign=campaign) == ["one-0", "one-1"]
    assert names(desk, campaign=campaign, sort="-created") == ["one-1", "one-0"]
    assert names(desk, alone=True, sort="created") == ["a", "b", "c"]


@pytest.mark.parametrize("sort", ["created", "-created", "name", "-name", "param:lr", "-param:lr"])
def test_pages_show_each_run_once_while_others_are_added(desk: Desk, sort: str) -> None:
    campaign = desk.submit(plan("one", [3, 1, "x", None, 2, 1, True, 0.5]))
    found: list[str] = []
    for page in pages(desk, campaign=campaign, sort=sort, limit=3):
        found += page
        singles(desk, "another")
    assert sorted(found) == sorted(f"one-{place}" for place in range(8))


def test_the_newest_runs_are_paged_while_newer_ones_come(desk: Desk) -> None:
    singles(desk, *(f"r{place}" for place in range(7)))
    found: list[str] = []
    for page in pages(desk, limit=2):
        found += page
        singles(desk, "newer")
    assert found == [f"r{place}" for place in reversed(range(7))]


def test_parameters_sort_as_numbers_before_texts_and_missing_ones_come_last(desk: Desk) -> None:
    campaign = desk.submit(plan("one", [10, "b", 2, None, "a", 2.5]))
    rising = ["one-2", "one-5", "one-0", "one-4", "one-1", "one-3"]
    assert names(desk, campaign=campaign, sort="param:lr") == rising
    assert names(desk, campaign=campaign, sort="-param:lr") == [*reversed(rising[:5]), "one-3"]
    assert names(desk, campaign=campaign, sort="param:nothing") == [f"one-{place}" for place in range(6)]


def test_runs_sort_by_a_metric_and_are_chosen_by_having_it(desk: Desk) -> None:
    campaign = desk.submit(plan("one", [1, 2, 3, 4]))
    for name, value in (("one-0", 0.3), ("one-2", 0.9), ("one-3", float("nan"))):
        run = desk.runs(campaign)[name]
        desk.store.write(SYSTEM, lambda s, run=run, value=value: runs.keep_results(s, run.id, {"acc": value}))
    assert names(desk, campaign=campaign, sort="-metric:acc") == ["one-2", "one-0", "one-1", "one-3"]
    assert [*pages(desk, campaign=campaign, sort="-metric:acc", limit=2)] == [["one-2", "one-0"], ["one-1", "one-3"]]
    assert names(desk, campaign=campaign, metric="acc") == ["one-0", "one-2", "one-3"]
    assert names(desk, metric="loss") == []


def test_states_are_filtered_together_and_alone(desk: Desk) -> None:
    campaign = desk.submit(plan("one", [1, 2, 3]))
    found = desk.runs(campaign)
    desk.carry_out(found["one-0"])
    desk.ask("cancel", id=found["one-1"].id)
    singles(desk, "waits")
    assert names(desk, state=["cancelled", "queued"]) == ["waits", "one-2", "one-1"]
    assert names(desk, state="succeeded,cancelled") == ["one-1", "one-0"]
    assert [*pages(desk, state=["cancelled", "queued"], limit=1)] == [["waits"], ["one-2"], ["one-1"]]
    assert names(desk, campaign=campaign, state=["queued"]) == ["one-2"]
    with pytest.raises(InvalidRequest, match="state"):
        desk.ask("list_runs", state=["asleep"])


def test_runs_of_a_conversation_and_of_an_actor(desk: Desk) -> None:
    singles(desk, "mine", "ours", chat_session_id="chat-1")
    singles(desk, "other")
    assert names(desk, chat="chat-1") == ["ours", "mine"]
    assert names(desk, chat="chat-1", sort="name") == ["mine", "ours"]
    assert names(desk, chat="chat-1", alone=True, state=["queued"]) == ["ours", "mine"]
    assert names(desk, actor="ada") == ["other", "ours", "mine"]
    assert names(desk, actor="eve") == []


def test_archived_runs_are_left_out_unless_asked_for(desk: Desk) -> None:
    first, _ = singles(desk, "old", "new")
    desk.store.write(SYSTEM, lambda s: s.connection.execute(f"UPDATE runs SET archived_at = 1.0 WHERE id = '{first}'"))
    assert names(desk) == ["new"]
    assert names(desk, archived=True) == ["new", "old"]


def test_runs_made_from_another_one(desk: Desk) -> None:
    first, second, _ = singles(desk, "old", "again", "other")
    text = f"UPDATE runs SET parent_id = '{first}' WHERE id = '{second}'"
    desk.store.write(SYSTEM, lambda s: s.connection.execute(text))
    assert names(desk, parent=first) == ["again"]
    with pytest.raises(NotFound):
        desk.ask("list_runs", parent="nobody")


@pytest.mark.parametrize("sort", ["name", "param:lr", "-metric:acc"])
def test_other_orders_need_a_group(desk: Desk, sort: str) -> None:
    with pytest.raises(InvalidRequest, match="one campaign, sweep or chat"):
        desk.ask("list_runs", sort=sort)


def test_a_cursor_of_another_order_or_of_nobody_is_refused(desk: Desk) -> None:
    singles(desk, "a", "b", chat_session_id="c")
    cursor = desk.ask("list_runs", limit=1)["next_cursor"]
    for order, wrong in (("created", cursor), ("-created", "AAAA"), ("-created", "x"), ("-created", cursor[:-4])):
        with pytest.raises(InvalidRequest, match="cursor"):
            desk.ask("list_runs", sort=order, cursor=wrong)
    for key in ([1], {"a": 1}):
        with pytest.raises(InvalidRequest, match="cursor"):
            desk.ask("list_runs", cursor=written(Place("-created", key, 1)))  # type: ignore[arg-type]


def test_a_cursor_whose_value_has_another_type_still_pages(desk: Desk) -> None:
    campaign = desk.submit(plan("one", [1, "a", None]))
    for key in (5, "zz", None, float("inf")):
        desk.ask("list_runs", campaign=campaign, sort="param:lr", cursor=written(Place("param:lr", key, 1)))


def test_a_campaign_and_a_sweep_together_are_refused_and_other_things_are_not_taken_for_them(desk: Desk) -> None:
    campaign = desk.submit(plan("one", [1]))
    with pytest.raises(InvalidRequest, match="one campaign"):
        desk.ask("list_runs", campaign=campaign, sweep="one/s")
    with pytest.raises(Conflict):
        desk.ask("list_runs", sweep=campaign)


def test_campaigns_are_filtered_and_paged(desk: Desk) -> None:
    ids = [desk.submit(plan(f"c{place}", [1])) for place in range(5)]
    desk.ask("label", id=ids[3], set={"paper": "icml"})
    desk.ask("cancel", id=ids[1])
    assert [*pages(desk, "list_campaigns", "campaigns", limit=2)] == [["c4", "c3"], ["c2", "c1"], ["c0"]]
    found = desk.ask("list_campaigns", label="paper=icml")["campaigns"]
    assert [(it["name"], it["labels"]) for it in found] == [("c3", {"paper": "icml"})]
    assert [it["name"] for it in desk.ask("list_campaigns", state="cancelled")["campaigns"]] == ["c1"]
    assert desk.ask("list_campaigns", chat="nobody")["campaigns"] == []


def test_runs_outside_campaigns_come_with_the_first_page_of_campaigns_alone(desk: Desk) -> None:
    singles(desk, "alone")
    for place in range(2):
        desk.submit(plan(f"c{place}", [1]))
    first = desk.ask("list_campaigns", limit=1)
    assert [it["name"] for it in first["runs"]] == ["alone"]
    assert desk.ask("list_campaigns", limit=1, cursor=first["next_cursor"])["runs"] == []


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    store = SqliteStore(str(tmp_path_factory.mktemp("plans") / "record.db"), SystemClock())
    stored(store, 100)
    store.write(SYSTEM, lambda s: s.connection.execute("ANALYZE"))
    yield store
    store.close()


@pytest.mark.parametrize("query", sorted(name for name in queries.sqlite() if name.startswith("list_runs")))
def test_a_page_is_read_along_its_index_without_sorting(full: Store, query: str) -> None:
    """So that its cost does not depend on how many runs there are."""
    sql = queries.sqlite()[query]
    arguments = dict.fromkeys(re.findall(r"(?<![:\w]):([a-z_]+)", sql), 1)
    steps = [row[3] for row in full.read(lambda s: s.connection.execute(f"EXPLAIN QUERY PLAN {sql}", arguments))]
    first = r"SEARCH r USING (INTEGER PRIMARY KEY \(rowid[<>]\?\)|INDEX \w+ \(\w+=\? AND (seq|rowid)[<>]\?\))"
    assert re.fullmatch(first, steps[0]), steps
    assert not [step for step in steps if "TEMP B-TREE" in step]
