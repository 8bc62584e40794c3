"""Commands that bring and steer work: run, submit, plan, cancel, retry, pause, resume, up."""

import json
import os
import re
import signal
from itertools import pairwise
from pathlib import Path

import pytest

from tests.surfaces.cli.harness import Home, lock_is_held, wait_until

TWO = """
campaign: two
workdir: .
sweeps:
  quick: {command: "echo done"}
  late: {needs: [quick], command: "echo later"}
"""
SLOW = """
campaign: slow
workdir: .
sweeps:
  s:
    grid: {n: [1, 2, 3]}
    name: s${n}
    command: "echo ${n} >> started; while [ ! -e go ]; do sleep 0.02; done"
"""
MARKERS = """
campaign: markers
workdir: .
sweeps:
  s:
    grid: {n: [1, 2, 3]}
    name: s${n}
    command: "echo started; while [ ! -e go-${n} ]; do sleep 0.02; done; echo ${n} >> made"
"""


def lines_of(path: Path) -> list[str]:
    return path.read_text().splitlines() if path.exists() else []


def test_run_carries_a_campaign_out_and_ends_with_0_when_all_succeeded(home: Home) -> None:
    done = home.run("run", home.campaign(TWO))
    assert (done.code, done.err) == (0, "")
    assert re.match(r"campaign two [0-9a-f]{12}: 2 runs\n", done.out)
    assert "2 of 2 done: 2 succeeded" in done.out
    assert "Phases" in done.out
    assert not lock_is_held(home.path)


def test_run_with_json_prints_the_summary_alone(home: Home) -> None:
    answer = home.run("run", "--json", home.campaign(TWO)).json
    assert answer["campaign"]["name"] == "two"
    assert answer["counts"]["succeeded"] == answer["counts"]["total"] == 2
    assert {"phases", "results", "failures"} <= answer.keys()


def test_run_ends_with_1_when_a_run_failed_and_says_which(home: Home) -> None:
    done = home.run("run", home.campaign("campaign: bad\nworkdir: .\nsweeps: {s: {command: 'echo no; exit 7'}}\n"))
    assert done.code == 1
    assert "failed: s: exit code 7 (overnight logs " in done.out


def test_run_goes_on_with_a_campaign_that_was_killed_and_repeats_no_run_that_has_ended(home: Home) -> None:
    file = home.campaign(MARKERS)
    (home.folder / "go-1").touch()
    first = home.start("run", file)
    wait_until(lambda: lines_of(home.folder / "made") == ["1"] and home.runs()["s2"]["state"] == "running", "s2 runs")
    first.kill()
    first.wait()
    for number in (2, 3):
        (home.folder / f"go-{number}").touch()
    done = home.run("run", file)
    assert done.code == 0
    assert "goes on where it was interrupted, 1 of them have succeeded already" in done.out
    assert sorted(lines_of(home.folder / "made")) == ["1", "2", "3"]
    assert [run["attempts"] for run in home.runs().values()] == [1, 1, 1]
    assert len(home.run("ls", "--json").json["campaigns"]) == 1
    assert home.run("verify-log", "--json").json["ok"]


def test_interrupted_run_leaves_its_jobs_and_says_how_to_come_back(home: Home) -> None:
    file = home.campaign(SLOW)
    first = home.start("run", file)
    wait_until(lambda: lines_of(home.folder / "started") == ["1"], "the first run starts")
    first.send_signal(signal.SIGINT)
    out, err = first.communicate(timeout=30)
    assert first.returncode == 130
    assert "Traceback" not in err
    assert f"next: overnight run {file}" in err
    (home.folder / "go").touch()
    done = home.run("run", file)
    assert done.code == 0, out
    assert sorted(lines_of(home.folder / "started")) == ["1", "2", "3"]


def test_no_wait_stores_the_campaign_for_the_next_server(home: Home) -> None:
    file = home.campaign(TWO)
    done = home.run("run", "--no-wait", file)
    assert done.code == 0
    assert "its runs start with `overnight up`" in done.out
    assert {run["state"] for run in home.runs().values()} == {"queued", "waiting"}
    with home.up():
        wait_until(lambda: {run["state"] for run in home.runs().values()} == {"succeeded"}, "both succeed")


def test_submit_twice_is_one_campaign(home: Home) -> None:
    file = home.campaign(TWO)
    first, second = home.run("submit", file, "--json").json, home.run("submit", file, "--json").json
    assert (first["resumed"], second["resumed"]) == (False, True)
    assert first["campaign"] == second["campaign"]
    assert (first["runs"], first["served"]) == (2, False)


def test_run_uses_the_server_that_is_there(home: Home) -> None:
    with home.up() as server:
        done = home.run("run", home.campaign(TWO), "--json")
        assert done.json["counts"]["succeeded"] == 2
        assert server.poll() is None
    assert [event["kind"] for event in home.run("events", "--json", "--after", "0").json["events"]].count(
        "server.start"
    ) == 1


def test_run_may_answer_on_a_port_meanwhile(home: Home) -> None:
    file = home.campaign(SLOW)
    first = home.start("run", "--port", "0", file)
    assert first.stderr is not None
    assert re.match(r"ready http://127\.0\.0\.1:\d+\n", first.stderr.readline())
    assert home.run("status", "--json").json["served"] is True
    assert home.run("cancel", "slow", "--json").json["served"] is True
    assert first.wait(30) == 1


def test_a_second_server_is_refused_and_told_the_pid_of_the_first(home: Home) -> None:
    with home.up() as server:
        for port in ("0", "3111"):
            done = home.run("up", "--port", port)
            assert done.code == 2
            assert f"pid {server.pid}" in done.err
        assert home.run("up", "--json").error["code"] == "conflict"


def test_a_server_ends_on_a_signal_and_leaves_its_jobs(home: Home) -> None:
    home.campaign(SLOW)
    with home.up() as server:
        home.run("submit", "campaign.yaml")
        wait_until(lambda: lines_of(home.folder / "started") == ["1"], "the first run starts")
        server.terminate()
        assert server.wait(30) == 0
    assert home.runs()["s1"]["state"] == "running"
    (home.folder / "go").touch()
    assert home.run("run", "campaign.yaml").code == 0
    assert lines_of(home.folder / "started").count("1") == 1


def test_a_port_in_use_is_refused_before_a_home_is_made(home: Home, tmp_path: Path) -> None:
    other = Home(tmp_path / "other")
    (tmp_path / "other").mkdir()
    with home.up():
        url = home.path.joinpath("server.lock").read_text().split()[1]
        done = other.run("up", "--port", url.rpartition(":")[2])
        assert done.code == 2
        assert "in use" in done.err
    assert not other.path.exists()


def test_changes_beside_a_run_that_serves_itself_are_refused_and_looks_are_not(home: Home) -> None:
    process = home.start("run", home.campaign(SLOW))
    wait_until(lambda: lines_of(home.folder / "started") == ["1"], "the first run starts")
    done = home.run("cancel", "slow", "--json")
    assert (done.code, done.error["code"]) == (2, "conflict")
    assert f"pid {process.pid}" in done.error["message"]
    assert home.run("explain", "slow").code == 0
    assert home.runs()["s1"]["state"] == "running"
    (home.folder / "go").touch()
    assert process.wait(30) == 0


def test_followed_logs_come_while_the_run_writes_and_end_with_it(home: Home) -> None:
    home.campaign(
        SLOW.replace("echo ${n} >> started;", "echo before ${n}; echo ${n} >> started;").replace(
            "done", "done; echo after ${n}"
        )
    )
    with home.up():
        home.run("submit", "campaign.yaml")
        wait_until(lambda: lines_of(home.folder / "started") == ["1"], "the first run starts")
        follower = home.start("logs", "-f", home.runs()["s1"]["id"])
        assert follower.stdout is not None
        assert follower.stdout.readline() == "before 1\n"
        (home.folder / "go").touch()
        assert follower.stdout.read() == "after 1\n"
        assert follower.wait(30) == 0


def test_followed_events_tell_what_happens_from_then_on(home: Home) -> None:
    with home.up():
        follower = home.start("events", "-f", "--json")
        assert follower.stdout is not None
        assert json.loads(follower.stdout.readline())["kind"] == "server.start"
        home.run("submit", home.campaign(TWO))
        kinds = set()
        while "campaign.succeed" not in kinds:
            kinds.add(json.loads(follower.stdout.readline())["kind"])
        assert {"campaign.create", "run.claim", "run.succeed"} <= kinds
        follower.send_signal(signal.SIGINT)
        assert follower.wait(30) == 130


def test_pause_cancel_and_retry_change_what_they_name(home: Home) -> None:
    file = home.campaign(TWO)
    home.run("submit", file)
    assert home.run("pause", "two", "--json").json["paused"] is True
    assert "nothing changed" in home.run("pause", "two").out
    assert "paused" in home.run("ls").out
    cancelled = home.run("cancel", "two", "--json").json
    assert (cancelled["kind"], cancelled["cancelled"], cancelled["stopping"]) == ("campaign", 2, 0)
    assert "nothing to cancel" in home.run("cancel", "two").out
    assert home.run("retry", "two", "--failed").code == 2
    assert home.run("retry", "two", "--json").json["retried"] == 2
    assert home.run("resume", "two", "--json").json["paused"] is False
    assert home.run("run", file).code == 0


def test_a_paused_campaign_starts_when_it_is_resumed_at_the_server(home: Home) -> None:
    file = home.campaign(TWO)
    home.run("submit", file)
    home.run("pause", "two")
    with home.up():
        assert home.run("explain", "two", "--json").json["reasons"][0]["code"] == "campaign_paused"
        answer = home.run("resume", "two", "--json").json
        assert (answer["changed"], answer["paused"], answer["served"]) == (True, False, True)
        assert home.run("run", file).code == 0


def test_cancel_stops_what_runs(home: Home) -> None:
    home.campaign(SLOW)
    with home.up():
        home.run("submit", "campaign.yaml")
        wait_until(lambda: lines_of(home.folder / "started") == ["1"], "the first run starts")
        answer = home.run("cancel", "slow", "--json").json
        assert (answer["cancelled"], answer["stopping"]) == (2, 1)
        wait_until(lambda: {run["state"] for run in home.runs().values()} == {"cancelled"}, "all are cancelled")


def test_plan_lists_every_cell_and_changes_nothing(home: Home) -> None:
    file = home.campaign(
        "campaign: p\nworkdir: .\nsweeps: {s: {grid: {n: [1, 2]}, name: 's${n}', command: 'echo ${n}'}}\n"
    )
    answer = home.run("plan", file, "--json").json
    assert (answer["campaign"], answer["errors"]) == ("p", [])
    assert [
        (cell["id"], cell["sweep"], cell["command"], cell["gpus"], cell["depends_on"], cell["blocked"])
        for cell in answer["cells"]
    ] == [
        ("s1", "s", "echo 1", 0, [], None),
        ("s2", "s", "echo 2", 0, [], None),
    ]
    assert not home.path.exists()


def test_plan_lists_the_first_fifty_for_people(home: Home) -> None:
    numbers = list(range(60))
    file = home.campaign(
        f"campaign: p\nworkdir: .\nsweeps: {{s: {{grid: {{n: {numbers}}}, command: 'echo ${{n}}'}}}}\n"
    )
    assert len(home.run("plan", file, "--json").json["cells"]) == 60
    out = home.run("plan", file).out
    assert "and 10 more" in out
    assert "echo 49" in out
    assert "echo 50" not in out


def test_plan_ends_with_1_and_the_reason_when_a_cell_is_blocked(home: Home) -> None:
    file = home.campaign("campaign: p\nworkdir: /no/such/folder\nsweeps: {s: {command: 'true'}}\n")
    done = home.run("plan", file, "--json")
    assert done.code == 1
    assert done.json["cells"][0]["blocked"]["code"] == "cwd_missing"
    assert "blocked: 1 run of s:" in home.run("plan", file).out


@pytest.mark.parametrize("command", ["plan", "submit", "run"])
def test_a_file_that_is_refused_ends_with_2_and_every_problem_with_its_line(home: Home, command: str) -> None:
    file = home.campaign("campaign: p\nworkdir: .\nsweeps:\n  s:\n    comand: x\n  t:\n    command: ''\n")
    done = home.run(command, file)
    assert (done.code, done.out) == (2, "")
    assert f"{file}:5" in done.err
    assert len([line for line in done.err.splitlines() if line.startswith(f"  {file}:")]) >= 2
    told = home.run(command, file, "--json")
    assert told.code == 2
    problems = told.json["errors"] if command == "plan" else told.error["problems"]
    assert next(problem for problem in problems if problem["line"] == 5)["place"] == "sweeps.s.comand"


@pytest.mark.parametrize("command", ["plan", "submit", "run"])
def test_a_file_that_cannot_be_read_is_a_wrong_request(home: Home, command: str) -> None:
    (home.folder / "bytes.yaml").write_bytes(b"\xff\xfe\x00")
    for file in ("missing.yaml", ".", "bytes.yaml"):
        done = home.run(command, file, "--json")
        assert (done.code, done.error["code"], done.error["place"]) == (2, "refused", file)
    assert not home.path.exists()


@pytest.mark.parametrize("arguments", [["ls"], ["run", "campaign.yaml"], ["submit", "campaign.yaml"], ["status"]])
def test_a_server_that_is_named_and_does_not_answer_is_an_error(home: Home, arguments: list[str]) -> None:
    home.campaign(TWO)
    done = home.run(*arguments, "--json", OVERNIGHT_URL="http://127.0.0.1:9")
    assert (done.code, done.error["code"]) == (2, "unreachable")
    assert "http://127.0.0.1:9" in done.error["message"]
    assert not home.path.exists()


def test_a_server_may_be_named_with_its_token(home: Home, tmp_path: Path) -> None:
    (tmp_path / "away").mkdir()
    away = Home(tmp_path / "away")
    with home.up():
        url = home.path.joinpath("server.lock").read_text().split()[1]
        token = home.path.joinpath("token").read_text().strip()
        assert away.run("status", "--json", OVERNIGHT_URL=url, OVERNIGHT_TOKEN=token).json["home"] == str(home.path)
        refused = away.run("status", "--json", OVERNIGHT_URL=url, OVERNIGHT_TOKEN="guess")
        assert (refused.code, "token" in refused.error["message"]) == (2, True)
    assert not away.path.exists()


def test_a_configuration_that_is_wrong_is_told_with_its_place(home: Home) -> None:
    home.path.mkdir()
    (home.path / "config.toml").write_text("[local]\nslot = 2\n")
    done = home.run("ls", "--json")
    assert (done.code, done.error["code"]) == (2, "refused")
    assert "config.toml" in done.error["place"]


def test_an_ambiguous_prefix_is_refused(home: Home) -> None:
    home.run(
        "submit",
        home.campaign(
            f"campaign: many\nworkdir: .\nsweeps: {{s: {{grid: {{n: {list(range(5000))}}}, command: 'true'}}}}\n"
        ),
    )
    ids = sorted(run["id"] for run in home.run("ls", "--campaign", "many", "--limit", "10000", "--json").json["runs"])
    prefix = next(one[:3] for one, other in pairwise(ids) if one[:3] == other[:3])
    done = home.run("show", prefix, "--json")
    assert (done.code, done.error["code"]) == (2, "ambiguous")


def test_the_home_is_for_its_owner_only(home: Home) -> None:
    home.run("submit", home.campaign(TWO))
    assert home.path.stat().st_mode & 0o777 == 0o700
    assert (home.path / "overnight.db").stat().st_mode & 0o077 == 0
    assert os.access(home.path / "overnight.db", os.W_OK)
