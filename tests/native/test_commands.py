"""The commands `ls`, `label`, and `--chat`."""

from __future__ import annotations

import json

import pytest

from tests.surfaces.cli.harness import Home


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A home with a campaign of two runs that have been cancelled, submitted for a conversation."""
    home = Home(tmp_path_factory.mktemp("labels"))
    sweeps = {"s": {"grid": {"lr": [2, 10]}, "name": "r-${lr}", "command": "true"}}
    file = home.campaign(json.dumps({"campaign": "study", "workdir": ".", "sweeps": sweeps}))
    assert home.run("submit", file, "--chat", "night-1").code == 0
    assert home.run("cancel", "study/r-2").code == 0
    return home


def listed(home: Home, *arguments: str) -> list[str]:
    answer = home.run("ls", "--json", *arguments).json
    return [it["name"] for it in (*answer["campaigns"], *answer["runs"])]


def test_ls_filters_by_state_label_and_conversation_and_sorts(home: Home) -> None:
    assert home.run("label", "study/r-10", "kept=yes", "why=a b").out.endswith(": kept=yes, why=a b\n")
    assert listed(home, "--state", "cancelled") == ["r-2"]
    assert listed(home, "--runs", "--label", "kept=yes") == ["r-10"]
    assert listed(home, "--campaign", "study", "--sort", "-param:lr") == ["r-10", "r-2"]
    assert listed(home, "--chat", "night-1") == ["study"]
    assert listed(home, "--chat", "night-2") == []


def test_labels_are_taken_off_again_and_a_word_without_a_value_is_refused(home: Home) -> None:
    home.run("label", "study", "x=1")
    assert home.run("label", "study", "--remove", "x").out.endswith(": no labels\n")
    assert home.run("label", "study", "x").code == 2


def test_show_names_the_conversation(home: Home) -> None:
    assert "night-1" in home.run("show", "study").out
