"""The hook that is run when a campaign is over: with its summary, once, and whatever becomes of it changes no run."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.notify.listener import Listener
from tests.surfaces.cli.harness import Home, wait_until

ASKING = "campaign: c\nanalyze: true\nworkdir: {folder}\nsweeps: {{s: {{command: 'true'}}}}\n"


def configure(home: Home, script: str, *, limit: str = "30s", more: str = "") -> None:
    """Have this Python code run as the hook."""
    (home.folder / "hook.py").write_text(script, encoding="utf-8")
    command = json.dumps([sys.executable, str(home.folder / "hook.py")])
    text = f'{more}\n[analysis]\ncommand = {command}\ntime_limit = "{limit}"\n'
    (home.path / "config.toml").write_text(text, encoding="utf-8")


def asking(home: Home) -> str:
    (home.folder / "work").mkdir(exist_ok=True)
    return home.campaign(ASKING.format(folder=home.folder / "work"))


def wish(home: Home) -> dict[str, Any]:
    (found,) = [it for it in home.run("alerts", "--json").json["alerts"] if it["kind"] == "analysis"]
    return dict(found)


def notes(home: Home) -> list[dict[str, Any]]:
    events = home.run("events", "--json").json["events"]
    return [event["payload"] for event in events if event["kind"] == "campaign.annotate"]


SEEN = """
import json, os, sys
print("to the log")
with open("seen.json", "w") as file:
    json.dump({"summary": json.load(sys.stdin), "id": os.environ["OVERNIGHT_CAMPAIGN_ID"]}, file)
"""


def test_the_hook_gets_the_summary_in_the_folder_of_the_campaign_before_run_ends(home: Home) -> None:
    configure(home, SEEN)
    done = home.run("run", asking(home))
    assert (done.code, done.out.splitlines()[-1]) == (0, "analysis: done")
    seen = json.loads((home.folder / "work" / "seen.json").read_text())
    assert seen["summary"]["counts"]["succeeded"] == 1
    assert seen["summary"]["jobs_line"].startswith("1 completed")
    assert seen["id"] == seen["summary"]["campaign"]["id"]
    assert (home.path / "analysis" / f"{seen['id']}.log").read_text() == "to the log\n"
    assert (wish(home)["state"], [it["analysis"] for it in notes(home)]) == ("sent", ["done"])
    assert home.run("verify-log").code == 0


def test_a_hook_works_where_the_file_lies_when_the_folder_of_runs_is_not_on_this_machine(home: Home) -> None:
    configure(home, SEEN)
    moving = f"mv {home.folder}/work {home.folder}/elsewhere"
    (home.folder / "work").mkdir()
    text = ASKING.format(folder=home.folder / "work").replace("'true'", f"'{moving}'")
    done = home.run("run", home.campaign(text))
    assert (done.code, done.out.splitlines()[-1]) == (0, "analysis: done")
    assert (home.folder / "seen.json").exists()


def test_a_campaign_that_does_not_ask_is_not_analysed(home: Home) -> None:
    configure(home, "open('/nonexistent/x')")
    home.run("run", home.campaign(ASKING.format(folder=home.folder).replace("analyze: true\n", "")))
    assert notes(home) == []


@pytest.mark.parametrize(
    ("script", "why"),
    [
        ("import sys; sys.exit(3)", "it ended with exit status 3; its output is in "),
        ("import os; os.kill(os.getpid(), 9)", "it was ended by signal 9; its output is in "),
    ],
)
def test_a_hook_that_fails_is_told_and_changes_no_run(home: Home, listener: Listener, script: str, why: str) -> None:
    configure(home, script, more=f'[notify]\nurls = ["{listener.url}"]\non = ["analysis_failed"]\n')
    done = home.run("run", asking(home))
    assert done.code == 0
    assert f"analysis: failed: {why}" in done.out
    assert listener.titles == ["Overnight: the analysis of c failed"]
    assert home.runs()["s"]["state"] == "succeeded"
    assert (wish(home)["state"], wish(home)["failure"].startswith(why)) == ("given up", True)
    assert notes(home)[0]["analysis"] == "failed"


def test_a_program_that_is_not_there_and_a_hook_that_is_not_configured_are_failures(home: Home) -> None:
    (home.path / "config.toml").write_text('[analysis]\ncommand = ["/no/such/program"]\n')
    assert "analysis: failed: it cannot be started: " in home.run("run", asking(home)).out
    (home.path / "config.toml").write_text("")
    again = home.campaign(ASKING.format(folder=home.folder).replace("campaign: c", "campaign: d"), "d.yaml")
    done = home.run("run", again)
    assert done.code == 0
    assert "analysis: failed: no [analysis] command stands in config.toml" in done.out


HANGING = """
import os, signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = subprocess.Popen([sys.executable, "-c", "import signal, time; signal.pause()"])
with open("pids", "w") as file:
    file.write(f"{os.getpid()} {child.pid}")
time.sleep(600)
"""


def gone(pid: str) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def test_a_hook_that_takes_too_long_is_ended_with_its_children(home: Home) -> None:
    configure(home, HANGING, limit="1s")
    done = home.run("run", asking(home))
    assert "analysis: failed: it ran into its time limit of 1 s" in done.out
    pids = (home.folder / "work" / "pids").read_text().split()
    wait_until(lambda: all(gone(pid) for pid in pids), "the hook and its child are gone")


COUNTING = """
import os, time
with open("started", "a") as file:
    print(os.getpid(), file=file)
while not os.path.exists("go"):
    time.sleep(0.02)
"""


def started(home: Home) -> list[str]:
    path = home.folder / "work" / "started"
    return path.read_text().split() if path.exists() else []


@pytest.mark.parametrize("end", ["killed", "ended"])
def test_a_hook_that_was_running_when_the_server_ended_is_run_again_by_the_next_one(home: Home, end: str) -> None:
    configure(home, COUNTING)
    with home.up() as server:
        home.run("submit", asking(home))
        wait_until(lambda: len(started(home)) == 1, "the hook runs")
        if end == "killed":
            server.kill()
    if end == "ended":
        wait_until(lambda: gone(started(home)[0]), "the hook ended with the server")
    assert wish(home)["state"] == "waiting"
    (home.folder / "work" / "go").touch()
    with home.up():
        wait_until(lambda: wish(home)["state"] == "sent", "the hook was run again")
    assert len(started(home)) == 2
    assert [it["analysis"] for it in notes(home)] == ["done"]


def test_a_campaign_that_is_tried_again_is_analysed_again(home: Home) -> None:
    configure(home, SEEN)
    text = ASKING.format(folder=home.folder / "work").replace("'true'", "'test -e now'")
    (home.folder / "work").mkdir()
    with home.up():
        home.run("submit", home.campaign(text))
        wait_until(lambda: len(notes(home)) == 1, "it was analysed")
        (home.folder / "work" / "now").touch()
        home.run("retry", "c", "--failed")
        wait_until(lambda: len(notes(home)) == 2, "it was analysed again")
    assert json.loads((home.folder / "work" / "seen.json").read_text())["summary"]["counts"]["succeeded"] == 1
