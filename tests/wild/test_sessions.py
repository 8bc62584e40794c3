"""Records of agents' loops, what a pause holds back, and the events that a loop looks at."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from overnight.clock import SystemClock
from overnight.daemon.placing import place_runs
from overnight.daemon.world import Place, World
from overnight.domain.access import Scope
from overnight.domain.errors import BadRequest, Conflict, InvalidRequest, NotFound
from overnight.domain.nouns import Attribution, Run
from overnight.domain.plan import CellPlan, Need, SweepPlan
from overnight.domain.reasons import Reason
from overnight.domain.states import RUN
from overnight.service.dispatch import perform
from overnight.store import campaigns, questions, runs
from overnight.store.base import SYSTEM, Change
from overnight.store.moves import move
from tests.service.desk import Desk

SHAPE = SweepPlan("alone", (), "/w", need=Need(gpus=0, slots=0), parallel=10)
RECORD = {
    "session_id", "goal", "status", "iteration", "max_iterations", "wait_seconds", "evo_sweep_enabled", "plan",
    "history", "started_at", "finished_at", "steer_context", "chat_session_id",
}  # fmt: skip


class Loops(Desk):
    """The desk, with the operations of loops in a few words."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        place = Place(None, None, folder / "runs", None)  # type: ignore[arg-type]
        self.world = World(self.store, {"here": place}, SystemClock(), random.Random(0))
        self.world.reachable.add("here")

    def do(self, operation: str, **fields: Any) -> Any:
        return perform(self.context, operation, fields)

    def begin(self, chat: str | None = "chat-1", **fields: Any) -> str:
        return str(self.do("start_session", goal="lower the loss", chat_session_id=chat, **fields)["session_id"])

    def run(self, name: str, chat: str | None = "chat-1", actor: str = "ada") -> Run:
        single = campaigns.SingleRun(name, CellPlan(name, {}, "true"), SHAPE)
        by = Attribution("wild", chat, 2 if chat else 0)
        made = self.store.write(Change(actor), lambda s: campaigns.submit_single(s, [single], self.context.rng, by))
        return self.look(made[0])

    def look(self, run_id: str) -> Run:
        return self.store.read(lambda session: runs.get(session, run_id))

    def place(self) -> set[str]:
        """One pass of placing; names of what was started."""
        claimed = self.store.write(SYSTEM, lambda session: place_runs(session, self.world))
        return {self.look(it.run).name for it in claimed}

    def ask_about(self, run: Run, *choices: str, rule: str | None = None) -> str:
        question = f"{self.context.rng.getrandbits(128):032x}"
        wording = questions.Wording("diverged?", choices, "warning", rule)
        self.store.write(Change("job"), lambda session: questions.ask(session, self.look(run.id), question, wording))
        return question

    def answer_to(self, question: str) -> str | None:
        return self.store.read(lambda session: questions.get(session, question)).response

    def events_of(self, session_id: str) -> list[dict[str, Any]]:
        return list(self.do("session_events", id=session_id))

    def as_agent(self, actor: str) -> None:
        """From now on a token asks that reaches only what it made."""
        self.context = replace(self.context, change=Change(actor, scope=Scope(actor)))


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Loops]:
    made = Loops(tmp_path)
    yield made
    made.check()
    made.store.close()


class TestRecords:
    def test_a_record_has_every_key_of_the_protocol(self, desk: Loops) -> None:
        made = desk.do("start_session", goal="g", chat_session_id="c")
        assert made.keys() == RECORD
        assert re.fullmatch(r"wild-[0-9a-f]{8}", made["session_id"])
        assert (made["status"], made["iteration"], made["max_iterations"], made["history"]) == ("running", 0, 25, [])
        assert (made["chat_session_id"], made["finished_at"], made["steer_context"]) == ("c", None, "")

    @pytest.mark.parametrize(
        ("operation", "answer"),
        [
            ("stop_session", {"stopped": False}),
            ("pause_session", {}),
            ("resume_session", {}),
            ("session_status", {"active": False}),
        ],
    )
    def test_an_unknown_conversation_is_answered_and_no_error(
        self, desk: Loops, operation: str, answer: dict[str, Any]
    ) -> None:
        desk.begin("another")
        assert desk.do(operation, chat_session_id="nobody") == answer

    def test_without_a_conversation_the_newest_loop_is_meant(self, desk: Loops) -> None:
        desk.begin("a")
        newest = desk.begin("b")
        assert desk.do("session_status")["session_id"] == newest
        assert desk.do("pause_session")["status"] == "paused"
        assert desk.do("session_status", chat_session_id="a")["active"] is True

    def test_a_second_start_of_a_conversation_stops_the_first(self, desk: Loops) -> None:
        first, other = desk.begin("a"), desk.begin("b")
        desk.do("pause_session", chat_session_id="a")
        second = desk.begin("a")
        assert desk.do("session_status", chat_session_id="a")["session_id"] == second
        assert [it["subject"] for it in desk.events("wild_session.stop")] == [first]
        assert desk.do("session_status", chat_session_id="b")["session_id"] == other

    def test_a_loop_without_a_conversation_is_stopped_by_the_next_such_one(self, desk: Loops) -> None:
        first = desk.begin(None)
        desk.begin(None)
        assert [it["subject"] for it in desk.events("wild_session.stop")] == [first]

    def test_what_a_state_does_not_allow_changes_nothing(self, desk: Loops) -> None:
        desk.begin()
        assert desk.do("resume_session")["status"] == "running"
        stopped = desk.do("stop_session")
        assert (stopped["status"], stopped["finished_at"] is None) == ("stopped", False)
        assert desk.do("stop_session") == stopped == desk.do("pause_session")

    @pytest.mark.parametrize("fields", [{}, {"goal": "g", "max_iterations": 0}, {"goal": "g", "wait_seconds": -1}])
    def test_a_start_that_makes_no_sense_is_refused(self, desk: Loops, fields: dict[str, Any]) -> None:
        with pytest.raises(InvalidRequest):
            desk.do("start_session", **fields)

    def test_there_is_no_evolutionary_sweep(self, desk: Loops) -> None:
        assert desk.do("evo_sweep", id="wild-00000000") == {"active": False}

    @pytest.mark.parametrize("operation", ["session_plan", "session_log", "session_events"])
    def test_an_unknown_loop_is_not_found(self, desk: Loops, operation: str) -> None:
        with pytest.raises(NotFound, match="Session not found"):
            desk.do(operation, id="wild-00000000")


class TestTheAgentsHalf:
    def test_iterations_are_counted_and_logged(self, desk: Loops) -> None:
        loop = desk.begin()
        desk.do("append_session_log", id=loop, entry="tried lr=1")
        made = desk.do("append_session_log", id=loop, entry="tried lr=2", iteration=5)
        assert made["iteration"] == 5
        assert [(it["iteration"], it["entry"]) for it in made["history"]] == [(1, "tried lr=1"), (5, "tried lr=2")]
        log = "## Iteration 1\n\ntried lr=1\n\n## Iteration 5\n\ntried lr=2\n"
        assert desk.do("session_log", id=loop) == {"log": log}
        assert desk.do("session_status")["iteration_log"] == log

    def test_a_plan_is_kept_and_its_change_is_on_record(self, desk: Loops) -> None:
        loop = desk.begin()
        desk.do("put_session_plan", id=loop, plan="- [ ] sweep")
        desk.do("put_session_plan", id=loop, plan="- [x] sweep")
        assert desk.do("session_plan", id=loop) == {"plan": "- [x] sweep"}
        assert desk.do("session_status")["plan"] == "- [x] sweep"
        assert [(it["before"], it["after"]) for it in desk.events("wild.plan")][1] == (
            {"plan": "- [ ] sweep"},
            {"plan": "- [x] sweep"},
        )

    def test_the_agent_ends_its_loop_with_its_last_iteration(self, desk: Loops) -> None:
        done, failed = desk.begin("a"), desk.begin("b")
        assert desk.do("append_session_log", id=done, entry="reached", status="done")["status"] == "done"
        assert desk.do("append_session_log", id=failed, status="failed")["status"] == "failed"
        assert desk.do("session_status", chat_session_id="a")["active"] is False

    def test_nothing_is_written_into_a_loop_that_is_over(self, desk: Loops) -> None:
        loop = desk.begin()
        desk.do("stop_session")
        for operation, field in (("append_session_log", "entry"), ("put_session_plan", "plan")):
            with pytest.raises(Conflict, match="over"):
                desk.do(operation, id=loop, **{field: "x"})
        assert desk.do("steer_session", context="x") == {"ok": False, "error": "no session"}

    def test_a_word_waits_until_the_agent_says_that_it_has_taken_it_in(self, desk: Loops) -> None:
        loop = desk.begin()
        assert desk.do("steer_session", context="smaller models") == {"ok": True}
        seen = desk.do("session_status")["steer_context"]
        desk.do("steer_session", context="and fewer")
        assert desk.do("append_session_log", id=loop)["steer_context"] == "smaller models\nand fewer"
        assert desk.do("append_session_log", id=loop, steer_context=seen)["steer_context"] == "and fewer"
        assert desk.do("append_session_log", id=loop, steer_context=seen)["steer_context"] == "and fewer"

    def test_without_a_loop_nobody_reads_a_word(self, desk: Loops) -> None:
        assert desk.do("steer_session", context="x", chat_session_id="c") == {"ok": False, "error": "no session"}

    def test_a_restart_forgets_nothing(self, desk: Loops, tmp_path: Path) -> None:
        loop = desk.begin()
        desk.do("append_session_log", id=loop, entry="one")
        before = desk.do("session_status")
        desk.store.close()
        again = Loops(tmp_path)
        desk.store = again.store
        assert again.do("session_status") == before


class TestPause:
    def test_a_paused_loop_holds_back_the_queued_runs_of_its_conversation_alone(self, desk: Loops) -> None:
        desk.run("mine")
        desk.run("foreign", "chat-2")
        desk.run("nobody's", None)
        desk.begin("chat-1")
        desk.do("pause_session", chat_session_id="chat-1")
        assert desk.place() == {"foreign", "nobody's"}
        assert desk.place() == set()
        woken = desk.woken
        desk.do("resume_session", chat_session_id="chat-1")
        assert desk.woken > woken
        assert desk.place() == {"mine"}

    @pytest.mark.parametrize("ends", ["stop_session", "start_session"])
    def test_a_loop_that_is_over_holds_nothing_back(self, desk: Loops, ends: str) -> None:
        desk.run("mine")
        desk.begin()
        desk.do("pause_session")
        desk.do(ends, chat_session_id="chat-1", goal="g")
        assert desk.place() == {"mine"}

    def test_what_runs_goes_on_and_what_comes_back_waits(self, desk: Loops) -> None:
        run = desk.run("mine")
        assert desk.place() == {"mine"}
        desk.begin()
        desk.do("pause_session")
        assert desk.look(run.id).state == "running"
        desk.end(desk.look(run.id), "requeue", Reason.INTERRUPTED)
        assert desk.look(run.id).state == "queued"
        assert desk.place() == set()

    def test_a_held_back_run_says_so_and_the_way_on_works(self, desk: Loops) -> None:
        run, loop = desk.run("mine"), desk.begin()
        desk.do("pause_session")
        why = desk.do("explain", id=run.id)
        assert why["code"] == "loop_paused"
        assert loop in why["reason"]
        assert why["next"] == [f"overnight resume {loop}"]
        changed = {"id": loop, "kind": "session", "paused": False, "changed": True}
        assert desk.do("resume", id=loop) == changed
        assert desk.do("resume", id=loop) == {**changed, "changed": False}
        assert desk.place() == {"mine"}

    def test_a_loop_without_a_conversation_holds_nothing_back(self, desk: Loops) -> None:
        desk.run("nobody's", None)
        desk.begin(None)
        desk.do("pause_session")
        assert desk.place() == {"nobody's"}

    def test_a_scoped_agent_holds_back_only_what_it_made(self, desk: Loops) -> None:
        desk.run("ada's")
        desk.run("bot's", actor="bot")
        desk.as_agent("bot")
        desk.begin()
        desk.do("pause_session")
        assert desk.place() == {"ada's"}


class TestEvents:
    def ended(self, desk: Loops, name: str, chat: str = "chat-1", actor: str = "ada") -> Run:
        run = desk.run(name, chat, actor)
        desk.carry_out(run)
        return run

    def test_events_are_those_of_the_conversation_since_the_loop_began(self, desk: Loops) -> None:
        self.ended(desk, "before")
        loop = desk.begin()
        run, asked = self.ended(desk, "mine"), desk.run("asks")
        self.ended(desk, "foreign", "chat-2")
        desk.ask_about(desk.run("foreign", "chat-2"), "Ignore")
        question = desk.ask_about(asked, "Ignore", "Stop run")
        found = desk.events_of(loop)
        assert [(it["type"], it["run_id"]) for it in found] == [("alert", asked.id), ("run_complete", run.id)]
        assert found[0] == {
            "id": question,
            "type": "alert",
            "title": "Alert (warning): asks",
            "detail": "diverged?",
            "run_id": asked.id,
            "created_at": found[0]["created_at"],
        }
        assert (found[1]["title"], found[1]["detail"]) == ("Run finished: mine", "Status: finished")

    def test_a_failed_and_a_stopped_run_say_why(self, desk: Loops) -> None:
        loop, failed, stopped = desk.begin(), desk.run("f"), desk.run("s")
        desk.start(failed)
        desk.end(failed, "fail", Reason.CODE_ERROR, "exit 3")
        desk.do("cancel", id=stopped.id)
        assert {it["title"]: it["detail"] for it in desk.events_of(loop)} == {
            "Run failed: f": "Status: failed (exit 3)",
            "Run stopped: s": "Status: stopped (by ada)",
        }

    def test_resolved_events_stay_gone_for_ever(self, desk: Loops, tmp_path: Path) -> None:
        loop = desk.begin()
        self.ended(desk, "one")
        self.ended(desk, "two")
        desk.ask_about(desk.run("asks"), "Ignore")
        first, *rest = [it["id"] for it in desk.events_of(loop)]
        assert desk.do("resolve_session_events", id=loop, event_ids=[first, first, "nonsense"]) == {"resolved": 1}
        assert desk.do("resolve_session_events", id=loop, event_ids=[first]) == {"resolved": 0}
        desk.store.close()
        again = Loops(tmp_path)
        desk.store = again.store
        assert [it["id"] for it in again.events_of(loop)] == rest
        assert again.do("resolve_session_events", id=loop, event_ids=rest) == {"resolved": 2}
        assert again.events_of(loop) == []

    def test_a_run_that_is_tried_again_is_told_of_again(self, desk: Loops) -> None:
        loop, run = desk.begin(), self.ended(desk, "one")
        ended = [it["id"] for it in desk.events_of(loop)]
        desk.do("resolve_session_events", id=loop, event_ids=ended)
        desk.do("retry", id=run.id, again=True)
        desk.store.write(SYSTEM, lambda session: move(session, RUN, run.id, "release"))
        desk.carry_out(run)
        assert [it["run_id"] for it in desk.events_of(loop)] == [run.id]
        assert desk.do("resolve_session_events", id=loop, event_ids=ended) == {"resolved": 0}

    @pytest.mark.parametrize(
        ("choices", "given", "answer"),
        [
            (["Stop run", "Ignore"], None, "Ignore"),
            (["Go on", "Give up"], None, "Go on"),
            (["Go on", "Give up"], "Give up", "Give up"),
        ],
    )
    def test_resolving_an_alert_answers_it(
        self, desk: Loops, choices: list[str], given: str | None, answer: str
    ) -> None:
        loop = desk.begin()
        question = desk.ask_about(desk.run("asks"), *choices)
        asked = {} if given is None else {"choice": given}
        assert desk.do("resolve_session_events", id=loop, event_ids=[question], **asked) == {"resolved": 1}
        assert desk.answer_to(question) == answer
        assert desk.events_of(loop) == []

    def test_an_answer_that_is_not_offered_changes_nothing(self, desk: Loops) -> None:
        loop = desk.begin()
        question = desk.ask_about(desk.run("asks"), "Ignore")
        with pytest.raises(BadRequest, match="Invalid choice"):
            desk.do("resolve_session_events", id=loop, event_ids=[question], choice="Explode")
        assert [it["id"] for it in desk.events_of(loop)] == [question]

    def test_an_answered_alert_is_no_event_any_more_and_its_answer_stands(self, desk: Loops) -> None:
        loop = desk.begin()
        question = desk.ask_about(desk.run("asks"), "Go on", "Give up")
        desk.do("respond_to_alert", id=question, choice="Give up")
        assert desk.events_of(loop) == []
        assert desk.do("resolve_session_events", id=loop, event_ids=[question]) == {"resolved": 1}
        assert desk.answer_to(question) == "Give up"

    def test_events_of_another_conversation_cannot_be_resolved(self, desk: Loops) -> None:
        other, loop = desk.begin("chat-2"), desk.begin()
        run = self.ended(desk, "foreign", "chat-2")
        question = desk.ask_about(run, "Ignore")
        foreign = [it["id"] for it in desk.events_of(other)]
        assert desk.do("resolve_session_events", id=loop, event_ids=foreign) == {"resolved": 0}
        assert desk.answer_to(question) is None
        assert len(desk.events_of(other)) == 2

    def test_a_scoped_agent_has_its_own_loops_and_events_alone(self, desk: Loops) -> None:
        ours = desk.begin()
        self.ended(desk, "ada's")
        desk.as_agent("bot")
        with pytest.raises(NotFound):
            desk.events_of(ours)
        assert desk.do("session_status") == {"active": False}
        assert desk.do("session_status", chat_session_id="chat-1") == {"active": False}
        loop = desk.begin()
        assert desk.do("session_status")["session_id"] == loop
        assert desk.events("wild_session.stop") == []
        self.ended(desk, "ada's again")
        run = self.ended(desk, "bot's", actor="bot")
        assert [it["run_id"] for it in desk.events_of(loop)] == [run.id]
