"""Roles: who may never do what, whatever a token says."""

from __future__ import annotations

import pytest

from overnight.domain.access import ADMIN, LOOPBACK, NOBODY, RESERVED_ACTORS, VERBS, Role, Verb

CHANGES = frozenset(Verb) - {Verb.READ, Verb.APPROVE}


def test_every_role_has_its_verbs() -> None:
    assert VERBS.keys() == set(Role)


def test_a_viewer_changes_nothing() -> None:
    assert VERBS[Role.VIEWER] == {Verb.READ}


@pytest.mark.parametrize("role", [Role.AGENT, Role.VIEWER, Role.WORKER, Role.ATTEMPT])
def test_no_agent_operates_makes_tokens_or_approves(role: Role) -> None:
    assert VERBS[role].isdisjoint({Verb.OPERATE, Verb.TOKENS, Verb.APPROVE})


@pytest.mark.parametrize("role", [role for role in Role if role is not Role.APPROVER])
def test_nobody_but_an_approver_approves(role: Role) -> None:
    assert Verb.APPROVE not in VERBS[role]


def test_an_approver_changes_nothing_else() -> None:
    assert VERBS[Role.APPROVER].isdisjoint(CHANGES)


def test_local_callers_without_a_token_are_agents_and_never_more() -> None:
    assert LOOPBACK.verbs == VERBS[Role.AGENT]
    assert not any(LOOPBACK.may(verb) for verb in (Verb.OPERATE, Verb.TOKENS, Verb.APPROVE))


def test_who_needs_no_token_may_nothing_that_needs_a_verb() -> None:
    assert not any(NOBODY.may(verb) for verb in Verb)


def test_no_token_has_the_name_of_one_of_ours() -> None:
    assert {ADMIN.actor, LOOPBACK.actor, NOBODY.actor, "system"} == RESERVED_ACTORS
