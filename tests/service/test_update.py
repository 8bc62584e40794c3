"""An edited file, applied to a campaign that is under way."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from overnight.domain.errors import Conflict, InvalidFile, NotFound
from overnight.domain.reasons import Reason
from overnight.store import rows
from overnight.store.base import SYSTEM
from overnight.store.moves import move_runs
from tests.service.desk import Desk

BASE = """
campaign: study
workdir: {folder}
sweeps:
  teachers:
    grid: {{N: [{teachers}]}}
    name: t_${{N}}
    command: 'echo teach ${{N}} {teach}'
{more}
"""
STUDENTS = """  students:
    grid: {N: [384, 512]}
    name: s_${N}
    needs: {teachers: [N]}
    command: echo learn ${N}
"""
REPORT = """  report:
    needs: [teachers]
    name: report
    command: echo report
"""


class File:
    """A campaign file that a test edits."""

    def __init__(self, desk: Desk, folder: Path) -> None:
        self.desk, self.folder = desk, folder

    def text(self, teachers: str = "384, 512", teach: str = "", more: str = "") -> str:
        return BASE.format(folder=self.folder, teachers=teachers, teach=teach, more=more)

    def submit(self, text: str) -> str:
        sent = self.desk.ask("submit", file=text, directory=str(self.folder))
        return str(sent["campaign"]["id"])

    def update(self, text: str, campaign: str = "study", **more: Any) -> dict[str, Any]:
        return self.desk.ask("update", id=campaign, file=text, directory=str(self.folder), **more)


@pytest.fixture
def file(desk: Desk, tmp_path: Path) -> File:
    return File(desk, tmp_path)


def numbers(answer: dict[str, Any]) -> tuple[int, ...]:
    return tuple(answer[it] for it in ("added", "replaced", "cancelled", "unchanged"))


def test_runs_are_added_replaced_and_cancelled_by_name(desk: Desk, file: File) -> None:
    campaign = file.submit(file.text("1, 2, 3"))
    runs = desk.runs(campaign)
    desk.carry_out(runs["t_1"])
    desk.start(runs["t_2"])
    answer = file.update(file.text("1, 2, 4", teach="--fast"))
    assert numbers(answer) == (1, 0, 1, 0)
    assert answer["untouched"] == ["t_1", "t_2"]
    assert desk.states(campaign) == {"t_1": "succeeded", "t_2": "running", "t_3": "cancelled", "t_4": "queued"}
    now = desk.runs(campaign)
    assert now["t_1"].config == runs["t_1"].config
    assert now["t_2"].config == runs["t_2"].config
    assert "--fast" in now["t_4"].config["command"]
    assert (now["t_3"].reason, now["t_3"].detail) == ("removed", "by ada")
    (cancelled,) = desk.events("run.cancel")
    assert cancelled["actor"] == "ada"


def test_a_pending_run_gets_the_new_command_and_its_event_says_from_what_to_what(desk: Desk, file: File) -> None:
    campaign = file.submit(file.text())
    answer = file.update(file.text(teach="--fast"))
    assert numbers(answer) == (0, 2, 0, 0)
    assert {run.config["command"] for run in desk.runs(campaign).values()} == {
        "echo teach 384 --fast",
        "echo teach 512 --fast",
    }
    assert set(desk.states(campaign).values()) == {"queued"}
    events = desk.events("run.update")
    assert [it["subject"] for it in events] == [run.id for run in desk.runs(campaign).values()]
    assert all(it["before"] != it["digest"] and it["actor"] == "ada" for it in events)


def test_the_same_file_again_changes_nothing_and_says_so(desk: Desk, file: File) -> None:
    text = file.text(teach="--fast", more=STUDENTS + REPORT)
    campaign = file.submit(file.text(more=STUDENTS))
    assert file.update(text)["changed"]
    before = desk.last_event()
    answer = file.update(text)
    assert not answer["changed"]
    assert numbers(answer) == (0, 0, 0, 5)
    assert answer["untouched"] == []
    assert desk.last_event() == before
    assert desk.ask("submit", file=text, directory=str(file.folder))["campaign"]["id"] == campaign


def test_a_repeated_request_gets_the_first_answer(file: File) -> None:
    file.submit(file.text())
    first = file.desk.ask("update", "key", id="study", file=file.text("1"), directory=str(file.folder))
    assert file.desk.ask("update", "key", id="study", file=file.text("1"), directory=str(file.folder)) == first
    assert numbers(first) == (1, 0, 2, 0)


def test_the_campaign_that_is_named_decides_not_the_name_in_the_file(desk: Desk, file: File) -> None:
    campaign = file.submit(file.text())
    file.update(file.text("384").replace("study", "other"), campaign)
    shown = desk.ask("show", id=campaign)
    assert shown["name"] == "study"
    assert "campaign: other" in shown["source"]
    with pytest.raises(NotFound):
        file.update(file.text(), "other")
    with pytest.raises(Conflict, match="is a sweep"):
        file.update(file.text(), "study/teachers")


def test_a_file_that_is_refused_changes_nothing(desk: Desk, file: File) -> None:
    file.submit(file.text())
    before = desk.last_event()
    with pytest.raises(InvalidFile):
        file.update(file.text(teach="${nothing}"))
    assert desk.last_event() == before


def test_a_phase_that_is_added_waits_for_the_running_one(desk: Desk, file: File) -> None:
    campaign = file.submit(file.text())
    assert numbers(file.update(file.text(more=STUDENTS + REPORT))) == (3, 0, 0, 2)
    runs = desk.runs(campaign)
    assert desk.states(campaign)["s_384"] == "waiting"
    desk.carry_out(runs["t_384"])
    assert desk.states(campaign)["s_384"] == "queued"
    assert desk.states(campaign)["s_512"] == "waiting"
    desk.carry_out(runs["t_512"])
    assert desk.states(campaign)["report"] == "queued"


def test_a_campaign_that_had_ended_goes_on_with_what_is_added(desk: Desk, file: File) -> None:
    campaign = file.submit(file.text("1"))
    desk.carry_out(desk.runs(campaign)["t_1"])
    assert desk.ask("show", id=campaign)["state"] == "succeeded"
    file.update(file.text("1, 2", more=REPORT))
    assert desk.ask("show", id=campaign)["state"] == "active"
    assert desk.states(campaign) == {"t_1": "succeeded", "t_2": "queued", "report": "waiting"}
    desk.carry_out(desk.runs(campaign)["t_2"])
    desk.carry_out(desk.runs(campaign)["report"])
    assert desk.ask("show", id=campaign)["state"] == "succeeded"


def test_what_was_queued_after_a_whole_phase_waits_for_what_is_added_to_it(desk: Desk, file: File) -> None:
    campaign = file.submit(file.text("1", more=REPORT))
    desk.carry_out(desk.runs(campaign)["t_1"])
    assert desk.states(campaign)["report"] == "queued"
    file.update(file.text("1, 2", more=REPORT))
    assert desk.states(campaign)["report"] == "waiting"
    desk.carry_out(desk.runs(campaign)["t_2"])
    assert desk.states(campaign)["report"] == "queued"


def test_a_phase_goes_on_without_what_the_file_has_no_more(desk: Desk, file: File) -> None:
    campaign = file.submit(file.text("1, 2", more=REPORT))
    desk.carry_out(desk.runs(campaign)["t_1"])
    file.update(file.text("1", more=REPORT))
    assert desk.states(campaign) == {"t_1": "succeeded", "t_2": "cancelled", "report": "queued"}
    desk.ask("retry", id="study/t_2")
    assert desk.states(campaign) == {"t_1": "succeeded", "t_2": "queued", "report": "waiting"}
    desk.carry_out(desk.runs(campaign)["t_2"])
    desk.carry_out(desk.runs(campaign)["report"])


def test_removed_runs_do_not_come_back_with_a_retry_of_everything(desk: Desk, file: File) -> None:
    campaign = file.submit(file.text("1, 2, 3"))
    desk.ask("cancel", id="study/t_1")
    file.update(file.text("1, 2"))
    assert desk.ask("retry", id="study")["retried"] == 1
    assert desk.states(campaign) == {"t_1": "queued", "t_2": "queued", "t_3": "cancelled"}


def test_a_run_that_the_file_has_again_is_a_new_one(desk: Desk, file: File) -> None:
    campaign = file.submit(file.text("1, 2"))
    old = desk.runs(campaign)["t_2"]
    file.update(file.text("1"))
    assert numbers(file.update(file.text("1, 2"))) == (1, 0, 0, 1)
    new = desk.runs(campaign)["t_2"]
    assert (new.id != old.id, new.state) == (True, "queued")
    assert [job["run"] for job in desk.ask("queue", id="study")["queue"]["jobs"]][1:] == [new.id]
    assert desk.ask("show", id="study/t_2")["id"] == new.id


def test_a_removed_run_does_not_come_back_beside_the_new_one_of_its_name(desk: Desk, file: File) -> None:
    campaign = file.submit(file.text("1, 2"))
    old = desk.runs(campaign)["t_2"]
    file.update(file.text("1"))
    file.update(file.text("1, 2"))
    new = desk.runs(campaign)["t_2"]
    with pytest.raises(Conflict, match=f"again, as run {new.id}"):
        desk.ask("retry", id=old.id)
    assert desk.ask("show", id=old.id)["state"] == "cancelled"


def test_a_run_that_a_person_cancelled_stays_cancelled(desk: Desk, file: File) -> None:
    campaign = file.submit(file.text("1, 2"))
    desk.ask("cancel", id="study/t_2")
    assert numbers(file.update(file.text("1, 2"))) == (0, 0, 0, 2)
    assert file.update(file.text("1, 2", teach="x"))["untouched"] == ["t_2"]
    assert desk.states(campaign)["t_2"] == "cancelled"


def test_a_run_that_moves_to_another_phase_is_the_same_run(desk: Desk, file: File) -> None:
    campaign = file.submit(file.text("1, 2", more=STUDENTS.replace("384, 512", "1, 2")))
    before = desk.runs(campaign)["t_2"]
    moved = """  late:
    grid: {N: [2]}
    name: t_${N}
    command: echo teach ${N}
""" + STUDENTS.replace("384, 512", "2").replace("teachers", "late")
    answer = file.update(file.text("1", more=moved))
    assert numbers(answer) == (0, 1, 1, 2)
    desk.check()
    now = desk.runs(campaign)
    assert (now["t_2"].id, now["t_2"].state) == (before.id, "queued")
    assert desk.ask("show", id=now["t_2"].sweep_id)["name"] == "late"
    assert desk.states(campaign)["s_2"] == "waiting"
    desk.carry_out(now["t_2"])
    assert desk.states(campaign)["s_2"] == "queued"


def test_a_phase_that_gets_another_name_leaves_nothing_behind(desk: Desk, file: File) -> None:
    campaign = file.submit(file.text("1", more=REPORT))
    renamed = file.text("1", more=REPORT).replace("teachers", "tutors")
    assert numbers(file.update(renamed)) == (0, 2, 0, 0)
    shown = desk.ask("queue", id="study")["queue"]
    assert [(it["name"], it["depends_on"]) for it in shown["phases"]] == [("tutors", []), ("report", ["tutors"])]
    desk.carry_out(desk.runs(campaign)["t_1"])
    desk.carry_out(desk.runs(campaign)["report"])
    assert desk.ask("show", id="study")["state"] == "succeeded"


def test_phases_stand_in_the_order_of_the_file_that_barriers_go_by(desk: Desk, file: File) -> None:
    campaign = file.submit(file.text("1", more=REPORT.replace("needs: [teachers]", "barrier: settle")))
    first = "sweeps:\n  first:\n    name: first\n    command: 'true'\n"
    file.update(file.text("1", more=REPORT.replace("needs: [teachers]", "barrier: settle")).replace("sweeps:\n", first))
    sweeps = [it["name"] for it in desk.ask("show", id=campaign)["sweeps"]]
    assert sweeps == ["first", "teachers", "report"]
    file.update(file.text("1"))
    assert [it["name"] for it in desk.ask("show", id=campaign)["sweeps"]] == ["first", "report", "teachers"]


def test_who_needs_a_phase_as_a_whole_waits_for_what_moves_into_it(desk: Desk, file: File) -> None:
    late = """  late:
    grid: {N: [2]}
    name: t_${N}
    command: echo teach ${N}
"""
    campaign = file.submit(file.text("1", more=REPORT + late))
    desk.carry_out(desk.runs(campaign)["t_1"])
    assert desk.states(campaign)["report"] == "queued"
    file.update(file.text("1, 2", more=REPORT))
    assert desk.states(campaign)["report"] == "waiting"
    desk.carry_out(desk.runs(campaign)["t_2"])
    assert desk.states(campaign)["report"] == "queued"


def test_needs_that_are_added_late_do_not_condemn_what_had_started(desk: Desk, file: File) -> None:
    """`verify-log` looks at each start with the needs that held then."""
    alone = STUDENTS.replace("    needs: {teachers: [N]}\n", "")
    campaign = file.submit(file.text(more=alone))
    runs = desk.runs(campaign)
    desk.carry_out(runs["s_384"], "delay", Reason.NONZERO_EXIT)
    desk.start(runs["s_512"])
    assert numbers(file.update(file.text(more=STUDENTS))) == (0, 1, 0, 3)
    assert desk.states(campaign)["s_384"] == "waiting"
    desk.check()
    desk.carry_out(runs["t_384"])
    assert desk.states(campaign)["s_384"] == "queued"
    file.update(file.text(more=STUDENTS.replace("{teachers: [N]}", "[teachers]")))
    assert desk.states(campaign)["s_384"] == "waiting"


def test_a_need_that_is_dropped_lets_blocked_runs_go(desk: Desk, file: File) -> None:
    campaign = file.submit(file.text(more=REPORT))
    desk.carry_out(desk.runs(campaign)["t_384"], "fail", Reason.NONZERO_EXIT)
    desk.carry_out(desk.runs(campaign)["t_512"])
    assert desk.states(campaign)["report"] == "blocked"
    file.update(file.text(more=REPORT.replace("    needs: [teachers]\n", "")))
    assert desk.states(campaign)["report"] == "queued"


def test_fewer_attempts_do_not_condemn_what_was_made(desk: Desk, file: File) -> None:
    many = "    retry: {attempts: 5, delay: 0}\n"
    campaign = file.submit(file.text("1, 2", more=many))
    for _ in range(3):
        desk.carry_out(desk.runs(campaign)["t_1"], "delay", Reason.NONZERO_EXIT)
        desk.wake()
    file.update(file.text("1, 2", more=many.replace("5", "2")))
    assert desk.ask("show", id="study/teachers")["retry"]["attempts"] == 2
    desk.check()
    desk.carry_out(desk.runs(campaign)["t_1"], "fail", Reason.NONZERO_EXIT)


def test_a_changed_run_has_all_its_attempts_again(desk: Desk, file: File) -> None:
    twice = "    retry: {attempts: 2, delay: 0}\n"
    campaign = file.submit(file.text("1", more=twice))
    desk.carry_out(desk.runs(campaign)["t_1"], "delay", Reason.NONZERO_EXIT)
    file.update(file.text("1", teach="--better", more=twice))
    run = desk.runs(campaign)["t_1"]
    assert (run.state, run.failures, run.not_before) == ("queued", 0, None)
    desk.carry_out(run, "delay", Reason.NONZERO_EXIT)
    desk.wake()
    desk.carry_out(run, "fail", Reason.NONZERO_EXIT)


def test_what_a_live_attempt_was_started_with_is_kept_for_it(desk: Desk, file: File) -> None:
    campaign = file.submit(file.text("1, 2", more="    time_limit: 60s\n"))
    attempt = desk.start(desk.runs(campaign)["t_1"])
    for limit in ("70s", "80s"):
        file.update(file.text("1, 2", more=f"    time_limit: {limit}\n"))
    kept = desk.store.read(lambda s: s.value("attempt_settings", id=attempt))
    assert rows.sweep_settings(kept).time_limit == 60
    assert desk.ask("show", id="study/teachers")["time_limit"] == 80
    later = desk.start(desk.runs(campaign)["t_2"])
    assert desk.store.read(lambda s: s.value("attempt_settings", id=later)) is None
    assert [it["changed"] for it in desk.events("sweep.update")] == [["time_limit"], ["time_limit"]]


def test_the_priority_that_a_person_gave_stays(desk: Desk, file: File) -> None:
    campaign = file.submit(file.text())
    desk.ask("priority", id="study", priority=7)
    file.update(file.text("384, 512, 1"))
    assert [it["priority"] for it in desk.ask("show", id=campaign)["sweeps"]] == [7]


def test_conditions_and_claimed_outputs_follow_the_file(desk: Desk, file: File) -> None:
    campaign = file.submit(file.text("1, 2"))
    more = "    outputs: ['o_${N}']\n    requires: ['in_${N}']\n"
    file.update(file.text("1, 2", more=more))
    ids = {run.id: name for name, run in desk.runs(campaign).items()}
    found = desk.store.read(lambda s: s.connection.execute("SELECT run_id, requires, met FROM conditions"))
    assert {(ids[run], requires, met) for run, requires, met in found} == {
        ("t_1", '["in_1"]', 0),
        ("t_2", '["in_2"]', 0),
    }
    paths = desk.store.read(lambda s: s.connection.execute("SELECT path FROM outputs ORDER BY path"))
    assert [row[0] for row in paths] == [f"{file.folder}/o_1", f"{file.folder}/o_2"]
    assert set(desk.states(campaign).values()) == {"waiting"}
    file.update(file.text("1, 2"))
    assert set(desk.states(campaign).values()) == {"queued"}
    assert desk.store.read(lambda s: s.connection.execute("SELECT path FROM outputs")) == []


def test_ids_that_begin_alike_are_different_runs(desk: Desk, file: File) -> None:
    campaign = file.submit(file.text("50000, 500000"))
    long = desk.runs(campaign)["t_500000"]
    answer = file.update(file.text("500000"))
    assert numbers(answer) == (0, 0, 1, 1)
    assert desk.runs(campaign)["t_500000"] == long


def test_thousands_of_waiting_runs_are_changed_at_once(desk: Desk, file: File) -> None:
    many = ", ".join(str(it) for it in range(4_500))
    first = "  first:\n    name: first\n    command: 'true'\n"
    text = file.text(many, more="    needs: [first]\n" + first)
    campaign = file.submit(text)
    desk.carry_out(desk.runs(campaign)["first"])
    answer = file.update(file.text(many, teach="--fast", more="    needs: [first]\n" + first))
    assert numbers(answer) == (0, 4_500, 0, 1)
    states = list(desk.states(campaign).values())
    assert states.count("queued") == 4_500


def test_a_run_that_was_asked_to_run_again_is_not_skipped_after_an_edit(desk: Desk, file: File) -> None:
    """Found by seed 7072 of the simulator: what lies there may be its own."""
    skipping = "    outputs: ['t_${N}.pt']\n    skip_if_done: true\n"
    campaign = file.submit(file.text("1", more=skipping))
    run = desk.runs(campaign)["t_1"].id
    look = "SELECT skip FROM conditions WHERE run_id = :run"
    desk.store.write(SYSTEM, lambda session: move_runs(session, [run], "skip", subject=run))
    desk.ask("retry", id=run, again=True)
    assert numbers(file.update(file.text("1", teach="--fast", more=skipping))) == (0, 1, 0, 0)
    assert desk.store.read(lambda session: session.connection.execute(look, {"run": run})) == [(-1,)]
