"""Names, commands and logs that try to command the terminal or Rich's markup."""

import json
import re

import pytest

from overnight.surfaces.cli.logs import TerminalText
from overnight.surfaces.cli.screen import clean
from overnight.surfaces.client import Client
from tests.surfaces.cli.harness import Home, wait_until

COLOURS_AND_OURS = re.compile(r"\r(?=\x1b\[2K)|\x1b\[[0-9;:]*m|\x1b\[\?25[lh]|\x1b\[\d*[ABCDGHJK]|\x1b\[2K")
"""What Rich writes to draw: colours, cursor movements of the live table."""


NAME = "[red]evil[/red] :boom: \u202egnp.exe \x1b]0;owned\x07"
COMMAND = r"printf '\033]0;owned\007\033[2J\033[31mred\033[0m\tend\r\n[/red]\n'; exit 1 # [/nothing]" + " \u202e\u0085"
VALUE = "[bold]x[/bold] \u202e"
CAMPAIGN = f"""
campaign: hostile
workdir: .
sweeps:
  s:
    grid: {{v: [{json.dumps(VALUE)}]}}
    name: n
    command: {json.dumps(COMMAND)}
"""


@pytest.fixture
def done(home: Home) -> Home:
    """A home with a run whose name is hostile, and a campaign file with a hostile parameter and command."""
    home.campaign(CAMPAIGN)
    with home.up():
        url = home.path.joinpath("server.lock").read_text().split()[1]
        client = Client(url, home.path.joinpath("token").read_text().strip())
        client.call("submit_runs", runs=[{"name": NAME, "command": COMMAND, "workdir": str(home.folder)}])
        wait_until(lambda: [run["state"] for run in home.runs().values()] == ["failed"], "the run fails")
    return home


def test_nothing_of_a_hostile_campaign_reaches_the_terminal_as_a_command(done: Home) -> None:
    shown = [done.on_terminal("run", "campaign.yaml"), done.on_terminal("plan", "campaign.yaml")]
    runs = done.runs()
    campaign = runs["n"]["campaign_id"]
    looks = [
        ["ls"],
        ["ls", "--runs"],
        ["status"],
        ["events", "--after", "0"],
        ["summary", campaign],
        ["show", campaign],
    ]
    looks += [[command, run["id"]] for command in ("show", "explain") for run in runs.values()]
    looks += [["compare", *(run["id"] for run in runs.values())]]
    shown += [done.on_terminal(*arguments) for arguments in looks]
    for text in shown:
        rest = COLOURS_AND_OURS.sub("", text)
        assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", rest), rest


def test_markup_is_shown_as_it_was_written(done: Home) -> None:
    assert "[red]evil[/red] :boom: \\u202egnp.exe \\x1b]0;owned\\x07" in done.run("ls").out


def test_a_log_keeps_its_colours_and_loses_its_commands_on_a_terminal(done: Home) -> None:
    run = next(iter(done.runs().values()))["id"]
    raw = "\x1b]0;owned\x07\x1b[2J\x1b[31mred\x1b[0m\tend\r\n[/red]\n"
    assert done.run("logs", run, "--json").json["content"] == raw
    shown = done.on_terminal("logs", run)
    assert "\x1b[31mred\x1b[0m\tend\n[/red]\n" in shown
    assert "\x1b]" not in shown
    assert "\x1b[2J" not in shown
    assert "\x07" not in shown


def test_no_colours_when_they_are_not_wanted(done: Home) -> None:
    assert "\x1b[" in done.on_terminal("ls")
    assert "\x1b[3" not in done.on_terminal("ls", NO_COLOR="1")
    assert "\x1b" not in done.run("ls").out


@pytest.mark.parametrize("cut", range(1, 12))
def test_a_colour_that_is_cut_between_two_pieces_stays_whole(cut: int) -> None:
    text = "a\x1b[1;31mb\r\n"
    terminal = TerminalText()
    assert terminal.feed(text[:cut]) + terminal.feed(text[cut:]) + terminal.feed("") == "a\x1b[1;31mb\n"


def test_clean_leaves_words_and_escapes_what_cannot_be_seen() -> None:
    assert clean("größe 模型 ok") == "größe 模型 ok"
    assert clean("a\nb\x1b[2J\x9b\u202e\ud800") == "a\\nb\\x1b[2J\\x9b\\u202e\\ud800"
