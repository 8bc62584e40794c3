"""Waiting for something: by state, by event, from a cursor on; and what is refused."""

from __future__ import annotations

import threading

import pytest

from overnight.domain.errors import InvalidRequest, NotFound
from overnight.domain.plan import CampaignPlan, CellPlan, Retry, SweepPlan
from overnight.domain.reasons import Reason
from overnight.store.base import SYSTEM
from overnight.store.marks import alert
from tests.service.desk import Desk

CELLS = (CellPlan("a", {}, "true"), CellPlan("lr0.1", {}, "true"))
PLAN = CampaignPlan("p", (SweepPlan("s", CELLS, "/w", retry=Retry(attempts=2)),))


def test_what_is_so_already_is_answered_at_once(desk: Desk) -> None:
    desk.submit(PLAN)
    answer = desk.ask("wait", id="p/a", until=["running", "queued"])
    assert (answer["came"], answer["why"], answer["until"], answer["state"]) == (True, "came", "queued", "queued")
    assert answer["next"] == desk.last_event()


def test_a_state_that_passed_between_two_requests_is_not_missed(desk: Desk) -> None:
    run = desk.runs(desk.submit(PLAN))["a"]
    first = desk.ask("wait", id=run.id, until=["running"], wait=0)
    assert first["why"] == "timeout"
    desk.carry_out(run)
    second = desk.ask("wait", id=run.id, until=["running"], after=first["next"], wait=0)
    assert (second["came"], second["state"], second["event"]["kind"]) == (True, "succeeded", "run.claim")
    assert desk.ask("wait", id=run.id, until=["running"], after=second["next"], wait=0)["why"] == "cannot"


def test_events_name_their_kind_and_the_cursor_behind_them(desk: Desk) -> None:
    run = desk.runs(desk.submit(PLAN))["a"]
    after = desk.last_event()
    desk.start(run)
    found = desk.ask("wait", id="p", until=["attempt.*"], after=after)
    assert found["event"]["kind"] == "attempt.confirm"
    assert found["event"]["subject"] == f"{run.id}.1"
    assert found["next"] == found["event"]["seq"]
    assert desk.ask("wait", id="p", until=["attempt.*"], after=found["next"], wait=0)["why"] == "timeout"


def test_what_happens_to_others_is_no_news(desk: Desk) -> None:
    runs = desk.runs(desk.submit(PLAN))
    after = desk.last_event()
    desk.start(runs["lr0.1"])
    assert desk.ask("wait", id=runs["a"].id, until=["change"], after=after, wait=0)["why"] == "timeout"
    assert desk.ask("wait", id="p/s", until=["change"], after=after, wait=0)["event"]["kind"] == "run.claim"


def test_of_an_event_about_many_runs_only_the_one_that_was_asked_about_is_named(desk: Desk) -> None:
    run = desk.runs(desk.submit(PLAN))["a"]
    after = desk.last_event()
    desk.ask("cancel", id="p/s")
    told = desk.ask("wait", id=run.id, until=["cancelled"], after=after)["event"]
    assert (told["kind"], told["payload"]["ids"]) == ("run.cancel", [run.id])


def test_one_attempt_is_waited_for_by_its_number(desk: Desk) -> None:
    run = desk.runs(desk.submit(PLAN))["lr0.1"]
    desk.start(run)
    after = desk.last_event()
    desk.end(run, "delay", Reason.TRANSIENT)
    desk.wake()
    desk.start(run)
    first = desk.ask("wait", id=f"{run.id}.1", until=["final"], after=after)
    assert (first["kind"], first["id"], first["event"]["kind"]) == ("attempt", f"{run.id}.1", "attempt.exit")
    assert desk.ask("wait", id="p/lr0.1.2", until=["running"])["came"]
    assert desk.ask("wait", id=f"{run.id}.2", until=["attempt.exit"], after=after, wait=0)["why"] == "timeout"
    assert desk.ask("wait", id="p/lr0.1", until=["running"])["kind"] == "run", "a dot in a name is no number"


@pytest.mark.parametrize("thing", ["p/lr0.1.3", "p.1", "nix.1", "p/lr0.1.0"])
def test_attempts_that_are_not_there_are_not_found(desk: Desk, thing: str) -> None:
    desk.submit(PLAN)
    with pytest.raises(NotFound):
        desk.ask("wait", id=thing, wait=0)


def test_alerts_about_a_campaign_are_events_of_it(desk: Desk) -> None:
    campaign = desk.submit(PLAN)
    run, after = desk.runs(campaign)["a"], desk.last_event()
    desk.store.write(SYSTEM, lambda s: alert(s, "stuck", f"{run.id}.1", campaign_id=campaign, title="t", detail="d"))
    assert desk.ask("wait", id="p", until=["alert.*"], after=after)["until"] == "alert.*"


def test_a_settled_campaign_and_its_sweep_are_final(desk: Desk) -> None:
    runs = desk.runs(desk.submit(PLAN))
    assert desk.ask("wait", id="p", until=["started"], wait=0)["why"] == "timeout"
    assert desk.ask("wait", id="p/s", until=["started"], wait=0)["why"] == "timeout"
    for run in runs.values():
        desk.carry_out(run)
    assert desk.ask("wait", id="p/s", until=["started"])["came"]
    assert desk.ask("wait", id="p/s")["state"] == "settled"
    assert desk.ask("wait", id="p")["state"] == "succeeded"
    assert desk.ask("wait", id="p", until=["failed"])["why"] == "cannot"


def test_a_wait_ends_with_what_happens(desk: Desk) -> None:
    run = desk.runs(desk.submit(PLAN))["a"]
    later = threading.Thread(target=lambda: desk.carry_out(run))
    later.start()
    answer = desk.ask("wait", id=run.id, until=["succeeded"], wait=20)
    later.join()
    assert answer["came"]


@pytest.mark.parametrize("word", ["sucess", "settled", "run.sucess", "nix.*"])
def test_words_that_would_be_waited_for_in_vain_are_refused(desk: Desk, word: str) -> None:
    desk.submit(PLAN)
    with pytest.raises(InvalidRequest) as refused:
        desk.ask("wait", id="p/a", until=[word], wait=0)
    assert "succeeded" in str(refused.value.next_step)


def test_whatever_a_wait_asks_is_in_one_query(desk: Desk) -> None:
    desk.submit(PLAN)
    assert desk.ask("wait", id="p/a", until="queued,running")["until"] == "queued"
