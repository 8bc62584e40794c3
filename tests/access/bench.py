"""A record that several people ask, each with a token of their own."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from overnight.domain.access import ADMIN, VERBS, Principal, Role, Scope
from overnight.domain.errors import OvernightError
from overnight.service.dispatch import perform
from overnight.store.base import Change
from tests.service.desk import Desk

SINGLE = {"name": "one", "command": "true", "workdir": "/"}


class Bench(Desk):
    """The operations, asked by whom a test says."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.folder = folder

    def by(self, who: Principal) -> Asker:
        change = Change(who.actor, "", who.scope, who.token)
        return Asker(replace(self.context, principal=who, change=change), who)

    @property
    def admin(self) -> Asker:
        return self.by(ADMIN)

    def token(self, name: str, role: str = "agent", *, maker: Asker | None = None, **fields: Any) -> Asker:
        """Make a token; whoever holds it."""
        made = (maker or self.admin).ask("create_token", name=name, role=role, **fields)
        who = self.context.keyring.find(made["secret"].encode(), self.store.clock.wall())
        assert who is not None
        return self.by(who)


@dataclass(frozen=True)
class Asker:
    """Somebody with a context of their own."""

    context: Any
    who: Principal

    def ask(self, operation: str, /, key: str | None = None, **fields: Any) -> Any:
        return json.loads(json.dumps(perform(self.context, operation, fields, key=key), allow_nan=False))

    def refusal(self, operation: str, /, **fields: Any) -> OvernightError | None:
        """What came of asking: None when it was answered."""
        try:
            self.ask(operation, **fields)
        except OvernightError as error:
            return error
        return None


def somebody(role: Role, scope: Scope | None = None) -> Principal:
    """A principal of a role, without a token."""
    return Principal(scope.actor if scope else f"some-{role}", role, VERBS[role], scope)
