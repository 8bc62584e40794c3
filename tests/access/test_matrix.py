"""Every operation of the table, asked by every role, about one's own, another's, and nothing at all.

Nothing here lists operations twice: one that is new and has no line in `REFERS` or `BARE` fails.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import pytest

from overnight.domain.access import ADMIN, LOOPBACK, NOBODY, VERBS, Principal, Role, Scope, Verb
from overnight.domain.errors import Denied, InvalidRequest, NotFound, OvernightError
from overnight.service import dispatch
from overnight.service.requests import Nothing
from overnight.service.routes import ROUTES
from overnight.service.table import BY_NAME, OPERATIONS, Operation
from overnight.service.wild.routes import WILD_ROUTES
from overnight.surfaces.http.endpoints import ENDPOINTS
from tests.access.bench import SINGLE, Asker, Bench, somebody

NAMES = [operation.name for operation in OPERATIONS]
ROLES = [*(somebody(role) for role in Role if role not in (Role.ADMIN, Role.ATTEMPT)), ADMIN, LOOPBACK, NOBODY]


@pytest.mark.parametrize("route", [*ROUTES, *WILD_ROUTES], ids=lambda route: route.name)
def test_every_operation_needs_a_verb_that_some_role_has(route: Any) -> None:
    assert isinstance(route.verb, Verb)
    assert any(route.verb in verbs for verbs in VERBS.values())
    assert route.verb is Verb.READ or not route.public
    assert route.changes == (route.verb is not Verb.READ and route.name not in ("list_tokens", "plan"))


@pytest.mark.parametrize("who", ROLES, ids=lambda who: who.actor)
def test_a_role_is_answered_where_its_verbs_allow_it_and_nowhere_else(bench: Bench, who: Principal) -> None:
    for operation in OPERATIONS:
        idle = replace(operation, work=lambda _, __: {})
        allowed = operation.route.public or operation.route.verb in VERBS.get(who.role, ()) & who.verbs
        assert _answers(bench.by(who), idle) == allowed, operation.name


@pytest.mark.parametrize("role", [Role.VIEWER, Role.ATTEMPT, Role.APPROVER])
def test_whoever_submits_nothing_learns_no_files_or_variables_of_the_server(bench: Bench, role: Role) -> None:
    who = Principal("ann", role, VERBS[role])
    assert isinstance(bench.by(who).refusal("plan", file="campaign: c", directory="/"), Denied)


@pytest.mark.parametrize("verb", Verb)
def test_a_token_with_one_verb_does_that_alone(bench: Bench, verb: Verb) -> None:
    who = Principal("ann", Role.OPERATOR, frozenset({verb}))
    done = {it.route.verb for it in OPERATIONS if not it.route.public and _answers(bench.by(who), _idle(it))}
    assert done <= {verb}


def test_what_cannot_be_answered_for_a_part_is_refused_within_a_scope(bench: Bench) -> None:
    who = Principal("ann", Role.OPERATOR, VERBS[Role.OPERATOR], Scope("ann"))
    refused = {it.name for it in OPERATIONS if not _answers(bench.by(who), _idle(it))}
    shared = {it.name for it in OPERATIONS if it.route.verb is Verb.OPERATE}
    assert refused == {"doctor", "list_targets", "verify_log", "list_tokens", *shared}
    assert shared == {"set_cluster", "create_skill", "edit_skill", "delete_skill"}


def _idle(operation: Operation) -> Operation:
    return replace(operation, work=lambda _, __: {})


def _answers(asker: Asker, operation: Operation) -> bool:
    try:
        dispatch.answer(asker.context, operation, Nothing())
    except Denied:
        return False
    return True


# One's own, another's, nothing at all

FILE = "campaign: study\nsweeps:\n  one:\n    grid: {a: [1]}\n    command: 'true ${a}'\n"
REFERS: dict[str, tuple[tuple[str, str], dict[str, Any]]] = {
    # operation: (field, what it names), the rest of the request
    "update": (("id", "campaign"), {"file": FILE, "directory": "{folder}"}),
    "queue": (("id", "campaign"), {}),
    "show": (("id", "run"), {}),
    "log": (("id", "run"), {}),
    "explain": (("id", "campaign"), {}),
    "brief": (("id", "campaign"), {}),
    "wait": (("id", "run"), {"wait": 0}),
    "summary": (("id", "campaign"), {}),
    "report": (("id", "campaign"), {}),
    "compare": (("first", "run"), {"second": "{run}"}),
    "cancel": (("id", "run"), {}),
    "retry": (("id", "run"), {}),
    "pause": (("id", "campaign"), {}),
    "resume": (("id", "campaign"), {}),
    "priority": (("id", "run"), {"priority": 3}),
    "start": (("id", "run"), {}),
    "label": (("id", "campaign"), {"set": {"a": "b"}}),
    "list_runs": (("campaign", "campaign"), {}),
    "events": (("subject", "campaign"), {}),
    "alerts": (("campaign", "campaign"), {}),
    "revoke_token": (("id", "token"), {}),
    "create_run": (("sweep_id", "campaign"), {"name": "n", "command": "true"}),
    "get_run": (("id", "run"), {}),
    "edit_run": (("id", "ready"), {"name": "new"}),
    "queue_run": (("id", "ready"), {}),
    "start_run": (("id", "ready"), {}),
    "stop_run": (("id", "ready"), {}),
    "rerun_run": (("id", "ready"), {}),
    "archive_run": (("id", "ready"), {}),
    "unarchive_run": (("id", "ready"), {}),
    "add_run_to_sweep": (("id", "run"), {"sweep_id": "{campaign}"}),
    "report_status": (("id", "ready"), {"status": "running"}),
    "run_logs": (("id", "ready"), {}),
    "run_sidecar_logs": (("id", "ready"), {}),
    "run_artifacts": (("id", "ready"), {}),
    "append_metrics": (("id", "ready"), {"rows": [{"loss": 1}]}),
    "run_metrics": (("id", "ready"), {}),
    "create_alert": (("id", "ready"), {"message": "m", "choices": ["a"]}),
    "respond_to_alert": (("id", "alert"), {"choice": "go on"}),
    "create_sweep_run": (("id", "campaign"), {"name": "n", "command": "true"}),
    "get_sweep": (("id", "campaign"), {}),
    "edit_sweep": (("id", "campaign"), {"goal": "g"}),
    "start_sweep": (("id", "campaign"), {}),
    "cancel_sweep": (("id", "campaign"), {}),
    "session_plan": (("id", "session"), {}),
    "put_session_plan": (("id", "session"), {"plan": "p"}),
    "session_log": (("id", "session"), {}),
    "append_session_log": (("id", "session"), {"entry": "e"}),
    "session_events": (("id", "session"), {}),
    "resolve_session_events": (("id", "session"), {"event_ids": ["e"]}),
}
SECOND: tuple[tuple[str, str, str, dict[str, Any]], ...] = (
    # operations that name a second thing: operation, field, what it names, the rest of the request
    ("compare", "second", "run", {"first": "{run}"}),
    ("retry", "ids", "run", {"id": "{run}"}),
    ("show", "id", "campaign", {}),
    ("brief", "id", "run", {}),
    ("brief", "id", "sweep", {}),
    ("wait", "id", "campaign", {"wait": 0}),
    ("cancel", "id", "campaign", {}),
    ("pause", "id", "session", {}),
    ("resume", "id", "session", {}),
    ("events", "subject", "run", {}),
    ("list_runs", "sweep", "sweep", {}),
    ("pause", "id", "sweep", {}),
    ("label", "id", "sweep", {"set": {"a": "b"}}),
    ("add_run_to_sweep", "sweep_id", "campaign", {"id": "{run}"}),
    ("revoke_token", "id", "token name", {}),
    ("show", "id", "campaign name", {}),
    ("show", "id", "run path", {}),
)
BARE: dict[str, dict[str, Any]] = {
    # operations that name nothing that belongs to anybody
    "plan": {"file": FILE, "directory": "{folder}"},
    "convert": {"file": FILE, "directory": "{folder}"},
    "submit": {"file": FILE, "directory": "{folder}"},
    "submit_runs": {"runs": [SINGLE]},
    "create_token": {"name": "new", "role": "viewer"},
    "create_wild_sweep": {},
    "create_sweep": {"name": "s", "base_command": "true", "parameters": {}},
    "start_session": {"goal": "g", "chat_session_id": "a new chat"},
    "steer_session": {"context": "c"},
    "create_skill": {"name": "new", "template": "t"},
    "edit_skill": {"id": "nix", "template": "t"},
    "delete_skill": {"id": "nix"},
    "render_skill": {"id": "nix"},
    "list_skill_files": {"id": "nix"},
    "get_skill_file": {"id": "nix", "path": "a"},
    "get_skill": {"id": "nix"},
    "search_skills": {"q": "run"},
    "evo_sweep": {"id": "wild-00000000"},
    "detect_cluster": {"preferred_type": "cpu_only"},
    **{
        name: {}
        for name in (
            "list_campaigns", "status", "doctor", "list_targets", "verify_log", "list_tokens", "whoami", "get_runs",
            "get_alerts",
            "get_sweeps", "get_cluster", "set_cluster", "system_health", "stop_session", "pause_session",
            "resume_session", "session_status", "list_skills",
        )
    },
}  # fmt: skip
CASES = [(name, *REFERS[name][0], REFERS[name][1]) for name in NAMES if name in REFERS]
MISSING = {"session": "wild-00000000", "alert": "0" * 32, "token name": "nix", "campaign name": "nix"}


def test_every_operation_has_its_line() -> None:
    assert set(NAMES) <= REFERS.keys() | BARE.keys()


@dataclass(frozen=True)
class Estate:
    """What one person has made, by kind; names and texts begin with the owner's word."""

    owner: Asker
    things: dict[str, str]

    def fill(self, fields: dict[str, Any]) -> dict[str, Any]:
        return {name: self._filled(value) for name, value in fields.items()}

    def _filled(self, value: Any) -> Any:
        return self.things[value[1:-1]] if isinstance(value, str) and value[1:-1] in self.things else value


def estate(bench: Bench, name: str, **token: Any) -> Estate:
    owner = bench.token(f"{name}-token", "operator", **token)
    say = f"{name}-text"
    campaign = owner.ask("create_wild_sweep", name=f"{name}-sweep", goal=say, chat_session_id=f"{name}-chat")["id"]
    inside = owner.ask("create_sweep_run", id=campaign, name=f"{name}-inside", command=f"echo {say}")["id"]
    alone = owner.ask("submit_runs", runs=[{**SINGLE, "name": f"{name}-alone"}])["ids"][0]
    ready = owner.ask("create_run", name=f"{name}-ready", command=f"echo {say}", chat_session_id=f"{name}-chat")["id"]
    choices = {"choices": ["go on"]}
    alert = owner.ask("create_alert", id=inside, message=say, **choices)["alert_id"]
    session = owner.ask("start_session", goal=say, chat_session_id=f"{name}-chat")["session_id"]
    bench.token(f"{name}-made", "viewer", maker=owner, campaigns=[])
    sweep = bench.store.read(lambda s: s.rows("sweeps_of", campaign_id=campaign))[0][0]
    folder = bench.folder / name
    folder.mkdir()
    things = {
        "folder": str(folder),
        "campaign": campaign,
        "campaign name": f"{name}-sweep",
        "run": alone,
        "ready": ready,
        "inside": inside,
        "run path": f"{name}-sweep/{name}-inside",
        "sweep": sweep,
        "alert": alert,
        "session": session,
        "token": bench.admin.ask("list_tokens")["tokens"][0]["id"],
        "token name": f"{name}-made",
    }
    return Estate(owner, things)


@dataclass(frozen=True)
class Town:
    bench: Bench
    ann: Estate
    bob: Estate


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    """Ann sees only what she made; so does Bob."""
    bench = Bench(tmp_path_factory.mktemp("town"))
    yield Town(bench, estate(bench, "ann", campaigns=[]), estate(bench, "bob", campaigns=[]))
    bench.check()
    bench.store.close()


@pytest.mark.parametrize(("name", "field", "noun", "rest"), [*CASES, *SECOND], ids=lambda it: str(it)[:20])
def test_another_ones_thing_is_answered_as_one_that_is_not_there(
    town: Town, name: str, field: str, noun: str, rest: dict[str, Any]
) -> None:
    ann, before = town.ann.owner, town.bench.last_event()
    fields = town.ann.fill(rest)
    theirs, nothing = town.bob.things[noun], MISSING.get(noun, "0" * 12)
    foreign, missing = (_outcome(ann, name, {**fields, field: _as_asked(name, field, it)}) for it in (theirs, nothing))
    assert foreign.replace(theirs, "ID") == missing.replace(nothing, "ID")
    assert foreign.startswith("NotFound"), foreign
    assert town.bench.last_event() == before


def _as_asked(name: str, field: str, thing: str) -> Any:
    return [thing] if (name, field) == ("retry", "ids") else thing


def _outcome(asker: Asker, name: str, fields: dict[str, Any]) -> str:
    """The answer or error, without what differs from call to call."""
    try:
        answer = asker.ask(name, **fields)
    except OvernightError as error:
        return f"{type(error).__name__}: {error.message} / {error.next_step} / {error.actions}"
    return json.dumps(answer)


@pytest.mark.parametrize(
    ("name", "fields"), [(it, BARE[it]) for it in NAMES if it in BARE], ids=lambda it: str(it)[:20]
)
def test_no_answer_betrays_what_is_another_ones(town: Town, name: str, fields: dict[str, Any]) -> None:
    whole = _outcome(town.ann.owner, name, town.ann.fill(fields))
    for kind, thing in town.bob.things.items():
        assert thing not in whole, kind
    assert "bob" not in whole


@pytest.mark.parametrize(("name", "field", "noun", "rest"), [*CASES, *SECOND], ids=lambda it: str(it)[:20])
def test_ones_own_is_there(town: Town, name: str, field: str, noun: str, rest: dict[str, Any]) -> None:
    fields = {**town.ann.fill(rest), field: _as_asked(name, field, town.ann.things[noun])}
    refusal = town.ann.owner.refusal(name, **fields)
    assert not isinstance(refusal, NotFound | Denied | InvalidRequest), refusal


@pytest.mark.parametrize(("name", "field", "noun", "rest"), CASES, ids=lambda it: str(it)[:20])
def test_a_job_reaches_its_own_run_and_nothing_else(
    town: Town, name: str, field: str, noun: str, rest: dict[str, Any]
) -> None:
    run = town.ann.things["inside"]
    who = Principal("attempt:x", Role.VIEWER, VERBS[Role.OPERATOR], Scope("attempt:x", run=run))
    refusal = town.bench.by(who).refusal(name, **{**town.bob.fill(rest), field: town.bob.things[noun]})
    assert isinstance(refusal, NotFound), refusal


def test_another_ones_log_is_no_stream_either(town: Town) -> None:
    streams = [it.operation for it in ENDPOINTS if it.operation.name not in BY_NAME and "{id}" in it.operation.path]
    assert len(streams) >= 3
    for operation in streams:
        for asker, there in ((town.ann.owner, False), (town.bob.owner, True)):
            request = operation.request.model_validate({"id": town.bob.things["ready"]})
            try:
                dispatch.answer(asker.context, operation, request)
                assert there, operation.name
            except NotFound:
                assert not there, operation.name


def test_things_of_a_campaign_in_scope_are_there_whoever_made_them(bench: Bench) -> None:
    other = estate(bench, "bob")
    for scope in (other.things["campaign"], other.things["campaign name"]):
        ann = bench.token(f"ann-{scope}", campaigns=[scope])
        assert ann.ask("get_run", id=other.things["inside"])["name"] == "bob-inside"
        assert [it["id"] for it in ann.ask("list_campaigns")["campaigns"]] == [other.things["campaign"]]
        assert {it["id"] for it in ann.ask("list_runs")["runs"]} == {other.things["inside"]}
        assert {it["id"] for it in ann.ask("get_runs")} == {other.things["inside"]}
        assert {it["id"] for it in ann.ask("get_sweeps")} == {other.things["campaign"]}
        assert {it["id"] for it in ann.ask("get_alerts")} == {other.things["alert"]}
        assert isinstance(ann.refusal("get_run", id=other.things["run"]), NotFound)
        kinds = {(it["kind"], it["subject"]) for it in ann.ask("events", after=0)["events"]}
        assert ("campaign.create", other.things["campaign"]) in kinds
        assert {subject for kind, subject in kinds if kind.startswith(("token.", "wild_session."))} == set()
        mine = ann.ask("create_wild_sweep", name="mine")["id"]
        assert {it["id"] for it in ann.ask("get_sweeps")} == {other.things["campaign"], mine}
        bench.admin.ask("cancel_sweep", id=mine)


@pytest.mark.parametrize(("field", "noun"), [("parent_run_id", "run"), ("origin_alert_id", "alert")])
def test_where_a_run_comes_from_is_kept_as_it_was_said_and_betrays_nothing(bench: Bench, field: str, noun: str) -> None:
    ann, bob = bench.token("ann", campaigns=[]), estate(bench, "bob", campaigns=[])
    made = [
        ann.ask("create_run", name="n", command="true", **{field: it})
        for it in (bob.things[noun], MISSING.get(noun, "0"))
    ]
    assert made[0].keys() == made[1].keys()
    assert made[0][field] == bob.things[noun]


def test_without_a_scope_everything_is_there(bench: Bench) -> None:
    other, ann = estate(bench, "bob", campaigns=[]), bench.token("ann")
    assert ann.ask("get_run", id=other.things["run"])["name"] == "bob-alone"
    assert len(ann.ask("list_runs")["runs"]) == 3
    assert BY_NAME["get_run"].route.verb is Verb.READ
