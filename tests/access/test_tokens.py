"""Tokens: what is kept of them, who may make which, when they end, what they may spend."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest

from overnight.domain.access import VERBS, Role, Verb
from overnight.domain.errors import Conflict, Denied, InvalidRequest, LimitExceeded, NotFound
from overnight.service.keyring import digest_of
from overnight.service.traffic import MOST_NOTED, NOTED_SECONDS, Traffic
from tests.access.bench import SINGLE, Bench, somebody

DAY = 86_400.0


def files_of(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())


def test_a_secret_is_told_once_and_kept_nowhere(bench: Bench, tmp_path: Path) -> None:
    made = bench.admin.ask("create_token", key="k", name="ann", role="agent")
    again = bench.admin.ask("create_token", key="k", name="ann", role="agent")
    assert len(made["secret"]) >= 43
    assert again == {**made, "secret": None}
    told = json.dumps([bench.admin.ask("list_tokens"), bench.events("token.create"), bench.admin.ask("events")])
    assert made["secret"] not in told
    kept = files_of(tmp_path)
    assert made["secret"].encode() not in kept
    assert digest_of(made["secret"].encode()).encode() in kept


def test_a_revoked_token_counts_no_more_at_once(bench: Bench) -> None:
    made = bench.admin.ask("create_token", name="ann", role="agent")
    find = lambda: bench.context.keyring.find(made["secret"].encode(), bench.store.clock.wall())  # noqa: E731
    assert find().actor == "ann"
    assert bench.admin.ask("revoke_token", id="ann")["changed"] is True
    assert find() is None
    assert bench.admin.ask("revoke_token", id=made["id"])["changed"] is False
    assert [it["state"] for it in bench.admin.ask("list_tokens")["tokens"]] == ["revoked"]
    assert [it["name"] for it in bench.events("token.revoke")] == ["ann"]


def test_a_token_ends_by_the_clock(bench: Bench) -> None:
    made = bench.admin.ask("create_token", name="ann", role="agent", expires_in="2h")
    now, find = bench.store.clock.wall(), bench.context.keyring.find
    assert made["expires_at"] == pytest.approx(now + 7200, abs=60)
    assert find(made["secret"].encode(), made["expires_at"] - 1) is not None
    assert find(made["secret"].encode(), made["expires_at"]) is None


def test_a_token_counts_for_thirty_days_when_nothing_is_said(bench: Bench) -> None:
    made = bench.admin.ask("create_token", name="ann", role="agent")
    assert made["expires_at"] == pytest.approx(bench.store.clock.wall() + 30 * DAY, abs=60)


@pytest.mark.parametrize("wrong", [0, -1, "soon", "367d", 1e300, "30 days", ""])
def test_a_life_that_is_no_length_of_time_is_refused(bench: Bench, wrong: object) -> None:
    assert isinstance(bench.admin.refusal("create_token", name="ann", role="agent", expires_in=wrong), InvalidRequest)


@pytest.mark.parametrize(
    "name", ["admin", "system", "loopback", "nobody", "attempt:1", "0123456789ab", "a b", "", "-a"]
)
def test_names_that_mean_somebody_else_are_refused(bench: Bench, name: str) -> None:
    assert isinstance(bench.admin.refusal("create_token", name=name, role="agent"), InvalidRequest)


def test_a_name_is_used_once_for_ever(bench: Bench) -> None:
    bench.token("ann")
    bench.admin.ask("revoke_token", id="ann")
    assert isinstance(bench.admin.refusal("create_token", name="ann", role="viewer"), Conflict)


@pytest.mark.parametrize("role", ["admin", "attempt", "root", ""])
def test_no_token_has_a_role_that_is_not_given_away(bench: Bench, role: str) -> None:
    assert isinstance(bench.admin.refusal("create_token", name="ann", role=role), InvalidRequest)


def test_verbs_of_a_token_are_those_of_its_role_that_it_names(bench: Bench) -> None:
    assert bench.token("ann", verbs=["read", "tokens"]).who.verbs == {Verb.READ}
    assert bench.token("bob", "operator").who.verbs == VERBS[Role.OPERATOR]
    assert bench.token("eve", verbs=[]).who.verbs == set()


def test_an_operator_gives_no_more_than_it_has(bench: Bench) -> None:
    operator = bench.token("olga", "operator", expires_in="10d")
    assert isinstance(operator.refusal("create_token", name="a", role="approver"), Denied)
    assert isinstance(operator.refusal("create_token", name="a", role="agent", expires_in="11d"), Denied)
    made = operator.ask("create_token", name="a", role="agent")
    assert made["expires_at"] == operator.who.expires_at
    assert made["created_by"] == "olga"
    reader = bench.token("rita", "operator", verbs=["read", "tokens"])
    assert isinstance(reader.refusal("create_token", name="b", role="agent"), Denied)
    assert reader.refusal("create_token", name="b", role="viewer") is None


def test_an_operator_with_a_scope_gives_only_parts_of_it(bench: Bench) -> None:
    operator = bench.token("olga", "operator", campaigns=["study"])
    assert isinstance(operator.refusal("create_token", name="a", role="agent"), Denied)
    assert isinstance(operator.refusal("create_token", name="a", role="agent", campaigns=["other"]), Denied)
    assert operator.refusal("create_token", name="a", role="agent", campaigns=["study"]) is None
    assert operator.refusal("create_token", name="b", role="agent", campaigns=[]) is None


def test_a_budget_is_not_multiplied_by_making_tokens(bench: Bench) -> None:
    operator = bench.token("olga", "operator", budget=3)
    assert isinstance(operator.refusal("create_token", name="a", role="agent", budget=3), Denied)
    assert operator.refusal("create_token", name="a", role="viewer") is None


def test_an_operator_with_a_scope_revokes_what_it_made_and_finds_nothing_else(bench: Bench) -> None:
    bench.token("ann")
    operator = bench.token("olga", "operator", campaigns=[])
    bench.token("mine", maker=operator, campaigns=[])
    foreign, missing = operator.refusal("revoke_token", id="ann"), operator.refusal("revoke_token", id="nix")
    assert (type(foreign), type(missing)) == (NotFound, NotFound)
    assert operator.ask("revoke_token", id="mine")["changed"] is True
    assert isinstance(operator.refusal("list_tokens"), Denied)


def test_only_the_home_revokes_approvers(bench: Bench) -> None:
    bench.token("pia", "approver")
    assert isinstance(bench.token("olga", "operator").refusal("revoke_token", id="pia"), Denied)
    assert bench.admin.ask("revoke_token", id="pia")["changed"] is True


def test_a_budget_holds_under_parallel_requests(bench: Bench) -> None:
    agent = bench.token("ann", budget=10)
    refusals: list[object] = []

    def submit(number: int) -> None:
        refusals.append(agent.refusal("submit_runs", runs=[{**SINGLE, "name": f"n{number}"}]))

    threads = [threading.Thread(target=submit, args=(number,)) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(type(it).__name__ for it in refusals) == ["LimitExceeded"] * 10 + ["NoneType"] * 10
    assert len(agent.ask("list_runs")["runs"]) == 10
    assert (agent.ask("whoami")["used"], agent.ask("whoami")["budget"]) == (10, 10)


def test_what_does_not_fit_into_a_budget_is_not_begun(bench: Bench) -> None:
    agent = bench.token("ann", budget=2)
    assert isinstance(agent.refusal("submit_runs", runs=[SINGLE] * 3), LimitExceeded)
    assert agent.ask("whoami")["used"] == 0
    assert len(agent.ask("submit_runs", key="k", runs=[SINGLE] * 2)["ids"]) == 2
    assert len(agent.ask("submit_runs", key="k", runs=[SINGLE] * 2)["ids"]) == 2  # the same ones again


def test_what_a_token_does_is_written_under_its_name(bench: Bench) -> None:
    run = bench.token("ann").ask("submit_runs", runs=[SINGLE])["ids"][0]
    bench.token("bob").ask("cancel", id=run)
    assert [it["actor"] for it in bench.events("run.create", "run.cancel")] == ["ann", "bob"]
    assert bench.admin.ask("show", id=run)["actor"] == "ann"


def test_a_refused_change_is_written_once_in_a_while(bench: Bench) -> None:
    viewer = bench.token("vera", "viewer")
    for _ in range(5):
        assert isinstance(viewer.refusal("cancel", id="abc"), Denied)
    assert isinstance(viewer.refusal("pause", id="abc"), Denied)
    assert isinstance(viewer.refusal("list_tokens"), Denied)
    denied = bench.events("denied.cancel", "denied.pause", "denied.list_tokens")
    assert [(it["actor"], it["role"], it["verb"]) for it in denied] == [("vera", "viewer", "steer")] * 2


def test_a_flood_of_refusals_is_forgotten_in_time() -> None:
    traffic = Traffic()
    assert all(traffic.worth_noting(f"actor {number}", "cancel", 0.0) for number in range(MOST_NOTED))
    assert not traffic.worth_noting("one more", "cancel", 1.0)
    assert traffic.worth_noting("one more", "cancel", NOTED_SECONDS + 1)


def test_a_refusal_says_what_is_missing_and_who_has_it(bench: Bench) -> None:
    refusal = bench.by(somebody(Role.VIEWER)).refusal("cancel", id="abc")
    assert isinstance(refusal, Denied)
    assert "'steer'" in refusal.message
    assert "viewer" in refusal.message
    assert refusal.next_step == "Ask somebody with one of these roles: agent, operator, admin."
