"""Editing, repeating and ordering what runs, through the commands."""

import json
from typing import Any

from overnight.app import visit
from overnight.config import load
from overnight.service.dispatch import perform
from tests.surfaces.cli.harness import Home, wait_until

SHORT, LONG = "s42_N64_n50000", "s42_N64_n500000"
GATED = "while [ ! -e go ]; do sleep 0.02; done"
EVIL = "\u202egnp \x1b]0;owned\x07"


def campaign(cells: dict[str, str], **more: Any) -> str:
    """A native file with one sweep per run, so that each has its own command."""
    sweeps = {name: {"name": name, "command": command} for name, command in cells.items()}
    return json.dumps({"campaign": "study", "workdir": ".", "limits": {"parallel": 1}, "sweeps": sweeps, **more})


def status(home: Home, name: str = "study") -> dict[str, str]:
    return {job["id"]: job["status"] for job in home.run("status", name, "--json").json["queue"]["jobs"]}


def test_an_edited_file_is_applied_while_its_campaign_runs(home: Home) -> None:
    with home.up():
        home.run("submit", home.campaign(campaign({"a": GATED, "b": "exit 3", "c": "true"})))
        wait_until(lambda: status(home)["a"] == "running", "the first run starts")
        edited = home.campaign(campaign({"a": "exit 9", "b": "true", "d": "true"}), "edited.yaml")
        told = home.run("submit", edited, "--update", "study")
        assert told.code == 0
        assert "1 added, 1 replaced, 1 cancelled" in told.out
        assert "1 run that had started before differs from the file: a" in told.out
        assert "nothing changed" in home.run("submit", edited, "--update", "study").out
        (home.folder / "go").touch()
        wait_until(lambda: "pending" not in status(home).values() and "running" not in status(home).values(), "it ends")
    assert status(home) == {"a": "completed", "b": "completed", "c": "canceled", "d": "completed"}
    assert home.run("verify-log").code == 0


def test_an_update_without_a_server_is_stored_for_the_next_one(home: Home) -> None:
    home.run("submit", home.campaign(campaign({"a": "true"})))
    answer = home.run("submit", home.campaign(campaign({"a": "true", "b": "true"})), "--update", "study", "--json").json
    assert (answer["added"], answer["unchanged"], answer["served"]) == (1, 1, False)
    assert home.run("run", "campaign.yaml", "--json").code == 0
    assert status(home) == {"a": "completed", "b": "completed"}


def test_wrong_updates_are_told_apart(home: Home) -> None:
    file = home.campaign(campaign({"a": "true"}))
    home.run("submit", file)
    assert home.run("submit", file, "--update", "no-such", "--json").error["code"] == "not_found"
    broken = home.campaign("campaign: x\nsweeps: {}\n", "broken.yaml")
    assert home.run("submit", broken, "--update", "study").code == 2
    gone = home.campaign(campaign({"a": "exit 1"}, workdir="/no/such/folder"), "gone.yaml")
    refused = home.run("submit", gone, "--update", "study")
    assert (refused.code, "cwd_missing" in refused.err) == (1, True)
    assert status(home) == {"a": "pending"}


def test_exactly_the_named_runs_are_tried_again(home: Home) -> None:
    home.campaign(campaign({SHORT: "exit 1", LONG: "exit 1", "fine": "true"}))
    assert home.run("run", "campaign.yaml").code == 1
    assert home.run("retry", "study", "--name", "s42_N64_n5").code == 2
    assert home.run("retry", "study", "--name", "fine").err.count("has succeeded") == 1
    assert "1 run will be tried again" in home.run("retry", "study", "--name", SHORT).out
    assert status(home) == {SHORT: "pending", LONG: "stuck", "fine": "completed"}
    assert home.run("retry", f"study/{LONG}/{LONG}", "study/fine/fine", "--again", "--json").json["retried"] == 2
    assert set(status(home).values()) == {"pending"}


def test_a_higher_priority_goes_first_and_is_shown(home: Home) -> None:
    cells = {name: f"echo {name} >> order" for name in ("a", "b", "c")}
    home.run("submit", home.campaign(campaign(cells)))
    assert "priority 5" in home.run("priority", "study/c", "5").out
    assert home.run("priority", "study/a", "-3", "--json").json["changed"]
    assert "as before" in home.run("priority", "study/c", "5").out
    assert home.run("run", "campaign.yaml").code == 0
    assert (home.folder / "order").read_text().split() == ["c", "b", "a"]


def test_a_sweep_is_paused_resumed_and_cancelled_by_its_name(home: Home) -> None:
    home.run("submit", home.campaign(campaign({SHORT: "true", LONG: "true"})))
    assert home.run("pause", f"study/{SHORT}", "--json").json["kind"] == "sweep"
    assert home.run("explain", f"study/{SHORT}/{SHORT}", "--json").json["code"] == "sweep_paused"
    assert home.run("explain", f"study/{LONG}/{LONG}", "--json").json["code"] != "sweep_paused"
    assert home.run("resume", f"study/{SHORT}").code == 0
    assert home.run("cancel", f"study/{SHORT}").code == 0
    assert status(home) == {SHORT: "canceled", LONG: "pending"}


def test_ready_runs_are_queued_by_hand(home: Home) -> None:
    visited = visit(load({"OVERNIGHT_HOME": str(home.path)}), changes=True)
    grid = {"name": "grid", "base_command": "true", "parameters": {"a": [1, 2]}, "workdir": str(home.folder)}
    perform(visited.context, "create_sweep", grid)
    visited.close()
    assert home.run("explain", "grid", "--json").json["reasons"][0]["code"] == "ready"
    assert "2 runs queued" in home.run("start", "grid").out
    assert home.run("start", "grid", "--json").json["started"] == 0
    assert "none of its runs is ready" in home.run("start", "grid").out
    assert home.run("start", "no-such").code == 2


def test_the_queue_is_one_line_and_a_small_table(home: Home) -> None:
    home.campaign(campaign({"fine": "true", "bad": "echo last words; exit 3"}))
    assert home.run("run", "campaign.yaml").code == 1
    shown = home.run("status", "study").out
    assert shown.startswith("1 done / 0 running / 0 pending / 1 stuck\n")
    assert "nonzero_exit" in shown
    assert home.run("status", "no-such", "--json").error["code"] == "not_found"
    assert "Active campaigns" not in shown
    assert home.run("status").out.startswith("home ")


def test_hostile_references_and_names_command_no_terminal(home: Home) -> None:
    home.run("submit", home.campaign(campaign({"a": "true"})))
    for arguments in (["retry", EVIL], ["retry", "study", "--name", EVIL], ["priority", f"study/{EVIL}", "1"],
                      ["status", EVIL], ["submit", "campaign.yaml", "--update", EVIL], ["pause", "study/" + "/" * 300],
                      ["cancel", "study/" + "x" * 1000]):  # fmt: skip
        refused = home.run(*arguments)
        assert refused.code in (1, 2), refused
        assert "\x1b" not in refused.err + refused.out
        assert "\u202e" not in refused.err + refused.out
    assert status(home) == {"a": "pending"}
