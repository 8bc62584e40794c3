"""People are told by the real commands: what happened, once per event, whatever is killed in between."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.notify.listener import Listener
from tests.surfaces.cli.harness import Home, wait_until

BAD = "campaign: bad\nworkdir: .\nsweeps: {s: {command: 'echo last words of it; exit 7'}}\n"
TOKEN = "4174-JHMHI8qBe7bk2ZwO5U711o3dV"


def configure(home: Home, text: str) -> None:
    (home.path / "config.toml").write_text(text, encoding="utf-8")


def alerts(home: Home, *arguments: str) -> dict[str, dict[str, Any]]:
    """By kind."""
    return {it["kind"]: it for it in home.run("alerts", *arguments, "--json").json["alerts"]}


def test_a_run_that_fails_and_the_end_of_its_campaign_are_told_before_the_command_ends(
    home: Home, listener: Listener
) -> None:
    configure(home, f'[notify]\nurls = ["{listener.url}"]\n')
    assert home.run("run", home.campaign(BAD)).code == 1
    assert sorted(listener.titles) == ["Overnight: bad: failed", "Overnight: s failed: nonzero_exit"]
    told = alerts(home, "bad")
    assert {kind: it["state"] for kind, it in told.items()} == {"settled": "sent", "stuck": "sent"}
    assert re.search(r"\bstuck +sent +s failed: nonzero_exit", home.run("alerts").out)
    kinds = [event["kind"] for event in home.run("events", "--json").json["events"]]
    assert kinds.count("alert.raise") == kinds.count("alert.send") == 2
    assert home.run("verify-log").code == 0


def test_only_what_was_asked_for_is_told(home: Home, listener: Listener) -> None:
    configure(home, f'[notify]\nurls = ["{listener.url}"]\non = ["settled"]\n')
    home.run("run", home.campaign(BAD))
    assert listener.titles == ["Overnight: bad: failed"]
    assert alerts(home)["stuck"]["state"] == "unwanted"


def test_without_notify_nothing_waits_to_flood_whoever_configures_it_later(home: Home, listener: Listener) -> None:
    home.run("run", home.campaign(BAD))
    assert {it["state"] for it in alerts(home).values()} == {"unwanted"}
    configure(home, f'[notify]\nurls = ["{listener.url}"]\n')
    home.run("run", home.campaign("campaign: good\nworkdir: .\nsweeps: {s: {command: 'true'}}\n", "good.yaml"))
    assert listener.titles == ["Overnight: good: succeeded"]


def test_a_server_tells_while_it_serves_and_tries_a_last_time_when_it_ends(home: Home, listener: Listener) -> None:
    listener.answer = lambda _: 503
    configure(home, f'[notify]\nurls = ["{listener.url}"]\non = ["settled"]\n')
    with home.up():
        assert home.run("submit", home.campaign(BAD)).code == 0
        listener.wait_for(1)
        wait_until(lambda: alerts(home)["settled"]["tries"], "the failure is noted")
        failed = alerts(home)["settled"]
        assert (failed["state"], failed["failure"]) == ("waiting", "JSON: the service did not take it")
        listener.answer = lambda _: 200
    assert listener.titles == ["Overnight: bad: failed"] * 2
    assert alerts(home)["settled"]["state"] == "sent"


def test_a_server_that_is_killed_between_a_message_and_its_mark_tells_it_again_and_loses_nothing(
    home: Home, listener: Listener
) -> None:
    configure(home, f'[notify]\nurls = ["{listener.url}"]\non = ["settled"]\n')
    with home.up() as server:

        def kill(_: dict[str, Any]) -> int:
            server.kill()
            server.wait()
            return 200

        listener.answer = kill
        assert home.run("submit", home.campaign(BAD)).code == 0
        listener.wait_for(1)
        server.wait(30)
    listener.answer = lambda _: 200
    with home.up():
        assert [it["title"] for it in listener.wait_for(2)] == ["Overnight: bad: failed"] * 2
        wait_until(lambda: alerts(home)["settled"]["state"] == "sent", "it is marked")
    assert len(listener.messages) == 2


def test_many_runs_that_fail_at_once_are_one_message(home: Home, listener: Listener) -> None:
    configure(home, f'[notify]\nurls = ["{listener.url}"]\non = ["stuck"]\n[local]\nslots = 4\n')
    grid = "campaign: many\nworkdir: .\nsweeps: {s: {grid: {n: [1, 2, 3, 4]}, name: r${n}, command: 'exit ${n}'}}\n"
    assert home.run("run", home.campaign(grid)).code == 1
    assert len(listener.messages) <= 2
    assert [it["state"] for it in home.run("alerts", "--json").json["alerts"] if it["kind"] == "stuck"] == ["sent"] * 4


def test_a_hostile_log_and_name_reach_people_as_inert_text(home: Home, listener: Listener) -> None:
    configure(home, f'[notify]\nurls = ["{listener.url}"]\non = ["stuck"]\n')
    text = "raise ValueError('@everyone <!channel> [x](http://evil.example) ' + chr(27) + '[31m' + chr(8238))"
    campaign = {"campaign": "h", "workdir": ".", "sweeps": {"s": {"command": [sys.executable, "-c", text]}}}
    home.run("run", home.campaign(json.dumps(campaign)))
    (message,) = listener.messages
    assert message["title"] == "Overnight: s failed: nonzero_exit"
    assert "Text from the job, not from Overnight:" in message["message"]
    for dangerous in ("@", "<", "://", "\x1b", "\u202e"):
        assert dangerous not in message["title"] + message["message"]


def test_no_address_stands_anywhere_but_in_the_configuration(home: Home) -> None:
    """Also when nobody answers there, which libraries like to complain about."""
    configure(home, f'[notify]\nurls = ["json://user:{TOKEN}@127.0.0.1:9/{TOKEN}"]\n')
    done = home.run("run", home.campaign(BAD))
    assert alerts(home)["settled"]["failure"] == "JSON: the service did not take it"
    assert TOKEN not in done.out + done.err + home.run("alerts").out + home.run("events", "--json").out
    for path in home.path.rglob("*"):
        if path.is_file() and path.name != "config.toml":
            assert TOKEN.encode() not in path.read_bytes(), path


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('urls = ["nosuch://4174"]', "notify.urls[0] is no address that Apprise knows"),
        ('urls = ["env:NO_SUCH_HOOK"]', "NO_SUCH_HOOK"),
        ('on = ["everything"]', "known are settled, stuck, "),
    ],
)
@pytest.mark.parametrize("command", ["run", "up"])
def test_what_cannot_tell_anybody_does_not_start(home: Home, command: str, text: str, says: str) -> None:
    configure(home, f"[notify]\n{text}\n")
    done = home.run(command, *([home.campaign(BAD)] if command == "run" else ["--port", "0"]))
    assert done.code == 2
    assert says in done.err
    assert "4174" not in done.err


def probe(home: Home, code: str) -> subprocess.CompletedProcess[str]:
    script = f"import os, sys; from overnight import app; from overnight.config import load; {code}"
    return subprocess.run(
        [sys.executable, "-c", script],
        check=False,
        capture_output=True,
        text=True,
        env=home.environment(),
        cwd=home.folder,
        timeout=60,
    )


def test_without_apprise_a_server_that_should_tell_does_not_start_and_says_how_to_get_it(home: Home) -> None:
    configure(home, '[notify]\nurls = ["json://127.0.0.1/"]\n')
    done = probe(home, "sys.modules['apprise'] = None; app.start(load(os.environ), broken=print)")
    assert done.returncode == 1
    assert "Refused: config.toml has [notify] urls, but apprise is not installed" in done.stderr
    assert not (home.path / "overnight.db").exists()


def test_apprise_is_loaded_only_where_somebody_is_to_be_told(home: Home) -> None:
    done = probe(home, "app.start(load(os.environ), broken=print).close(); print('apprise' in sys.modules)")
    assert (done.returncode, done.stdout) == (0, "False\n"), done.stderr


def test_alerts_of_one_campaign_are_its_own_and_an_unknown_one_is_a_wrong_request(home: Home) -> None:
    home.run("run", home.campaign(BAD))
    home.run("run", home.campaign(BAD.replace("bad", "worse"), "worse.yaml"))
    assert {it["title"] for it in alerts(home, "worse").values()} == {"worse: failed", "s failed: nonzero_exit"}
    assert len(home.run("alerts", "--json").json["alerts"]) == 4
    page = home.run("alerts", "--limit", "3", "--json").json
    assert (len(page["alerts"]), page["next"]) == (3, 2)
    assert home.run("alerts", "nosuch", "--json").error["code"] == "not_found"


def test_a_home_that_is_not_there_has_no_alerts(tmp_path: Path) -> None:
    home = Home(tmp_path / "elsewhere")
    home.folder.mkdir()
    assert home.run("alerts", "--json").json == {"alerts": [], "next": None}
    assert not home.path.exists()
