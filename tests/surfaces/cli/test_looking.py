"""Commands that look, without a server and with one."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.surfaces.cli.harness import Home

CAMPAIGN = """
campaign: pair
workdir: .
goal: {metric: score, direction: maximize}
replicates: [seed]
sweeps:
  first:
    grid: {size: [1, 2], seed: [0, 1]}
    name: s${size}-${seed}
    command: |
      echo '{"score": ${size}.${seed}}' > $OVERNIGHT_RUN_DIR/results.json
      printf "hello \\033[31mred\\033[0m\\n"
  last:
    needs: [first]
    command: "echo last words; exit 3"
"""


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    """A home in which a campaign of four runs that succeed and one that fails has ended."""
    made = Home(tmp_path_factory.mktemp("looking"))
    try:
        made.campaign(CAMPAIGN)
        assert made.run("run", "campaign.yaml").code == 1
        yield made
    finally:
        made.clean()


@pytest.fixture(scope="module", params=["alone", "served"])
def either(request: pytest.FixtureRequest, done: Home) -> Iterator[Home]:
    """The same home without a server and with one."""
    if request.param == "alone":
        yield done
        return
    with done.up():
        yield done


@pytest.mark.parametrize("command", ["ls", "status", "events", "verify-log"])
def test_a_home_that_is_not_there_looks_empty_and_is_not_made(home: Home, command: str) -> None:
    for arguments in ([command], [command, "--json"]):
        assert home.run(*arguments).code == 0
    assert not home.path.exists()


def test_without_a_home_nothing_is_listed(home: Home) -> None:
    assert home.run("ls", "--json").json == {"campaigns": [], "runs": [], "next_cursor": None}
    assert home.run("events", "--json").json["events"] == []
    assert home.run("verify-log", "--json").json["ok"] is True


def test_ls_lists_campaigns_with_counts(either: Home) -> None:
    answer = either.run("ls", "--json").json
    (campaign,) = answer["campaigns"]
    assert answer["runs"] == []
    assert (campaign["name"], campaign["state"]) == ("pair", "failed")
    assert {name: number for name, number in campaign["counts"].items() if number} == {
        "succeeded": 4,
        "failed": 1,
        "total": 5,
    }
    assert len(campaign["id"]) == 12
    assert campaign["created_at"] > 1e9
    assert "4 succeeded, 1 failed" in either.run("ls").out


def test_ls_lists_runs_of_everything_or_of_one_campaign(either: Home) -> None:
    every, own = either.run("ls", "--runs", "--json").json, either.run("ls", "--campaign", "pair", "--json").json
    assert {run["name"] for run in every["runs"]} == {"s1-0", "s1-1", "s2-0", "s2-1", "last"}
    assert [run["name"] for run in own["runs"]] == ["s1-0", "s1-1", "s2-0", "s2-1", "last"]
    assert [run["name"] for run in either.run("ls", "--runs", "--limit", "1", "--json").json["runs"]] == ["last"]


def test_status_names_the_devices_and_whether_somebody_serves(either: Home, request: pytest.FixtureRequest) -> None:
    answer = either.run("status", "--json").json
    assert answer["served"] is (request.node.callspec.params["either"] == "served")
    assert [device["kind"] for device in answer["devices"]] == ["slot"]
    assert answer["running"] == []
    assert ("no server answers" in either.run("status").out) is not answer["served"]


@pytest.mark.parametrize("noun", ["campaign", "sweep", "run"])
def test_show_shows_a_thing_whole(either: Home, noun: str) -> None:
    run = either.runs()["last"]
    thing = {"campaign": "pair", "sweep": run["sweep_id"], "run": run["id"]}[noun]
    answer = either.run("show", thing, "--json").json
    assert answer["kind"] == noun
    assert answer["name"] in either.run("show", thing).out


def test_show_tells_what_a_run_was_frozen_with_and_what_became_of_it(either: Home) -> None:
    shown = either.run("show", either.runs()["s1-0"]["id"]).out
    for text in ("Frozen at submission", "results.json", "size", "Attempts", "exited", "Results", "score", "sha256"):
        assert text in shown, text


def test_an_id_may_be_a_unique_prefix(either: Home) -> None:
    run = either.runs()["last"]["id"]
    assert either.run("show", run[:8], "--json").json["id"] == run


def test_a_prefix_that_is_too_short_or_unknown_is_a_wrong_request(either: Home) -> None:
    done = either.run("show", "0", "--json")
    assert (done.code, done.error["code"]) == (2, "not_found")
    assert done.error["next"].startswith("List what there is with: overnight ls")


def test_logs_are_the_bytes_that_the_run_wrote(either: Home) -> None:
    assert either.run("logs", either.runs()["s1-0"]["id"]).out == "hello \033[31mred\033[0m\n"
    answer = either.run("logs", "--json", either.runs()["last"]["id"]).json
    assert (answer["content"], answer["attempt"], answer["done"]) == ("last words\n", 1, True)


def test_logs_of_an_attempt_that_was_not_made_are_a_wrong_request(either: Home) -> None:
    done = either.run("logs", either.runs()["last"]["id"], "--attempt", "7")
    assert done.code == 2
    assert "has no attempt 7" in done.err


def test_followed_logs_of_a_run_that_has_ended_end(either: Home) -> None:
    assert either.run("logs", "-f", either.runs()["last"]["id"]).out == "last words\n"


def test_events_come_in_order_after_a_number_and_about_an_id(either: Home) -> None:
    every = either.run("events", "--after", "0", "--limit", "10000", "--json").json["events"]
    assert [event["seq"] for event in every] == list(range(1, len(every) + 1))
    run = either.runs()["last"]["id"]
    own = either.run("events", run, "--json").json["events"]
    assert [event["kind"] for event in own if event["subject"] == run] == [event["kind"] for event in own]
    assert "run.fail" in [event["kind"] for event in own]
    assert "run.fail" in either.run("events", run).out


def test_explain_says_why_and_what_may_be_done(either: Home) -> None:
    run = either.runs()["last"]["id"]
    answer = either.run("explain", run, "--json").json
    assert answer["state"] == "failed"
    assert f"overnight logs {run}" in answer["next"]
    assert "exit code 3" in either.run("explain", run).out
    assert "1 run failed" in either.run("explain", "pair").out


def test_summary_tells_counts_phases_results_and_failures(either: Home) -> None:
    answer = either.run("summary", "pair", "--json").json
    assert answer["campaign"]["name"] == "pair"
    assert answer["counts"]["total"] == 5
    assert [phase["name"] for phase in answer["phases"]] == ["first", "last"]
    assert answer["results"]
    assert answer["failures"]
    told = either.run("summary", "pair").out
    for text in ("Phases", "score", "last words", "overnight retry"):
        assert text in told, text


@pytest.mark.parametrize(("option", "start"), [("--markdown", "# pair"), ("--html", "<!doctype html>")])
def test_summary_is_also_a_document(either: Home, option: str, start: str) -> None:
    assert either.run("summary", "pair", option).out.startswith(start)


def test_summary_writes_the_document_that_the_name_of_the_file_asks_for(either: Home) -> None:
    assert either.run("summary", "pair", "-o", "found.html").code == 0
    assert (either.folder / "found.html").read_text().startswith("<!doctype html>")
    done = either.run("summary", "pair", "-o", "found.pdf")
    assert done.code == 2
    assert sorted(it.name for it in either.folder.glob("found*")) == ["found.html"]


def test_summary_of_a_run_is_a_wrong_request(either: Home) -> None:
    assert either.run("summary", either.runs()["last"]["id"]).code == 2


def test_compare_sets_two_runs_side_by_side(either: Home) -> None:
    runs = either.runs()
    done = either.run("compare", runs["s1-0"]["id"], runs["s2-0"]["id"])
    assert done.code == 0
    assert "s1-0" in done.out
    assert "s2-0" in done.out
    assert either.run("compare", runs["s1-0"]["id"], runs["s2-0"]["id"], "--json").json


def test_verify_log_finds_the_record_whole(either: Home) -> None:
    answer = either.run("verify-log", "--json").json
    assert (answer["ok"], answer["found"], answer["violations"]) == (True, 0, [])
    assert answer["events"] > 20


def test_doctor_checks_this_machine_and_knows_no_other(either: Home) -> None:
    answer = either.run("doctor", "--json").json
    assert answer["target"] == "here"
    assert {check["check"] for check in answer["checks"]} >= {"devices", "disk", "inodes"}
    assert either.run("doctor", "moon").code == 2


def test_a_pipe_that_is_closed_early_is_nothing_wrong(done: Home) -> None:
    command = f"{sys.executable} -m overnight events --after 0 --limit 10000 | head -1; echo ${{PIPESTATUS[0]}}"
    shown = subprocess.run(
        ["bash", "-c", command], check=False, capture_output=True, text=True, env=done.environment(), timeout=60
    )
    assert shown.stderr == ""
    assert shown.stdout.splitlines()[-1] in {"0", "141"}


def test_a_damaged_record_is_found(tmp_path: Path) -> None:
    made = Home(tmp_path)
    try:
        made.campaign("campaign: c\nworkdir: .\nsweeps: {s: {command: 'true'}}\n")
        assert made.run("run", "campaign.yaml", "--json").json["counts"]["succeeded"] == 1
        import apsw

        connection = apsw.Connection(str(made.path / "overnight.db"))
        connection.execute("UPDATE events SET actor = 'mallory' WHERE seq = 2")
        connection.close(True)
        done = made.run("verify-log", "--json")
        assert done.code == 1
        assert done.json["violations"][0]["invariant"] == "I1"
        assert "violation" in made.run("verify-log").out
    finally:
        made.clean()


def test_json_is_one_line_of_ascii(done: Home) -> None:
    out = done.run("show", "pair", "--json").out
    assert out.isascii()
    assert json.loads(out)["name"] == "pair"
