"""Refusals name what may be asked next."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from overnight.domain.access import VERBS, Principal, Role
from overnight.domain.errors import Conflict, InvalidFile, InvalidRequest, NotFound, OvernightError
from overnight.domain.reasons import Reason
from overnight.domain.states import RUN
from overnight.service.dispatch import perform
from overnight.service.next_actions import OF_GROUP, OF_PAUSED_GROUP, OF_RUN
from overnight.service.routes import ROUTES
from overnight.surfaces.http.problems import of_error
from tests.native.test_listing import plan
from tests.service.desk import Desk

VIEWER = Principal("eve", Role.VIEWER, VERBS[Role.VIEWER])


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def next_of(error: OvernightError) -> list[str]:
    return [action.operation for action in error.actions]


def test_every_state_has_something_that_may_be_asked_and_every_name_is_an_operation() -> None:
    assert OF_RUN.keys() == set(RUN.states)
    names = {name for listed in (*OF_RUN.values(), OF_GROUP, OF_PAUSED_GROUP) for name in listed}
    assert names <= {route.name for route in ROUTES}


def test_a_run_in_the_wrong_state_says_what_its_state_allows(desk: Desk) -> None:
    campaign = desk.submit(plan("one", [1, 2]))
    run = desk.runs(campaign)["one-0"]
    desk.carry_out(run)
    with pytest.raises(Conflict) as found:
        desk.ask("retry", id="one/one-0")
    assert next_of(found.value) == ["show", "log", "retry"]
    assert found.value.actions[1]._asdict() == {"operation": "log", "method": "GET", "path": f"/v1/runs/{run.id}/log"}


def test_who_may_only_look_is_told_only_what_can_be_looked_at(desk: Desk) -> None:
    run = desk.runs(desk.submit(plan("one", [1])))["one-0"]
    desk.carry_out(run, "fail", Reason.NONZERO_EXIT)
    context = replace(desk.context, principal=VIEWER)
    with pytest.raises(Conflict) as found:
        perform(context, "summary", {"id": run.id})
    assert next_of(found.value) == ["explain", "log"]


def test_what_is_not_there_leads_to_the_listings(desk: Desk) -> None:
    with pytest.raises(NotFound) as found:
        desk.ask("show", id="nobody")
    assert [action.path for action in found.value.actions] == ["/v1/campaigns", "/v1/runs"]
    with pytest.raises(NotFound) as found:
        desk.ask("log", id="nobody")
    assert next_of(found.value) == ["list_runs"]


def test_a_paused_campaign_may_be_resumed(desk: Desk) -> None:
    desk.submit(plan("one", [1]))
    desk.ask("pause", id="one")
    with pytest.raises(Conflict) as found:
        desk.ask("retry", id="one")
    assert next_of(found.value) == list(OF_PAUSED_GROUP)


def test_a_refused_file_may_be_looked_at(desk: Desk, tmp_path: Path) -> None:
    with pytest.raises(InvalidFile) as found:
        desk.ask("submit", file="campaign: 7", directory=str(tmp_path))
    assert next_of(found.value) == ["plan", "doctor"]


def test_a_malformed_request_has_no_next_actions_and_its_document_none(desk: Desk) -> None:
    with pytest.raises(InvalidRequest) as found:
        desk.ask("list_runs", sort="name")
    assert next_of(found.value) == []
    assert b"actions" not in of_error(found.value)[1]
