"""Who may bring in a machine that this server does not know yet."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from overnight.domain.access import ADMIN, VERBS, Principal, Role
from overnight.domain.errors import Denied
from overnight.service import targets
from tests.service.desk import Desk

AGENT = Principal("agent", Role.AGENT, VERBS[Role.AGENT])


class Aliases:
    """An SSH configuration that names `box`."""

    def __init__(self) -> None:
        self.opened: list[str] = []

    def alias(self, name: str) -> bool:
        return name == "box"

    def open(self, name: str) -> None:
        self.opened.append(name)


def admitted(desk: Desk, principal: Principal, *names: str) -> list[str]:
    fleet: Any = Aliases()
    targets.admit(replace(desk.context, fleet=fleet, principal=principal), names)
    return list(fleet.opened)


def test_an_agent_names_known_targets_alone(desk: Desk) -> None:
    assert admitted(desk, AGENT, "here") == []
    with pytest.raises(Denied, match="box is not among this server's targets yet"):
        admitted(desk, AGENT, "here", "box")


def test_whoever_may_change_targets_brings_in_an_alias_and_nothing_else(desk: Desk) -> None:
    assert admitted(desk, ADMIN, "here", "box", "nowhere") == ["box"]
