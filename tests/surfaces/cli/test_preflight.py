"""What cannot start: every command says so, all at once, and nothing is submitted."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.surfaces.cli.harness import Home

BAD = """\
campaign: bad
workdir: .
sweeps:
  one: {command: ["no_such_program"]}
  two: {command: "true", environment: {venv: no/venv}, secrets: {KEY: "env:NOT_SET_ANYWHERE"}}
"""
TWO = """\
campaign: {name}
workdir: .
sweeps:
  s: {{command: "while [ ! -e go ]; do sleep 0.05; done", outputs: [out]}}
"""


@pytest.fixture(params=["alone", "served"])
def either(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Home]:
    home = Home(tmp_path)
    with ExitStack() as stack:
        stack.callback(home.clean)
        if request.param == "served":
            stack.enter_context(home.up())
        yield home


@pytest.mark.parametrize("command", ["submit", "run"])
def test_what_cannot_start_is_not_submitted_and_all_of_it_is_told(either: Home, command: str) -> None:
    file = either.campaign(BAD)
    done = either.run(command, file)
    assert (done.code, done.out) == (1, "")
    for code in ("command_missing", "env_missing", "secret_missing"):
        assert code in done.err
    error = either.run(command, file, "--json").error
    assert error["code"] == "preflight_failed"
    assert [problem["place"] for problem in error["problems"]] == ["sweeps.one", "sweeps.two", "sweeps.two"]
    assert either.run("ls", "--json").json["campaigns"] == []


def test_plan_lists_every_reason_and_ends_with_1(either: Home) -> None:
    done = either.run("plan", either.campaign(BAD))
    assert done.code == 1
    for code in ("command_missing", "env_missing", "secret_missing"):
        assert f"({code})" in done.out


def test_warnings_are_told_and_keep_nothing_from_being_submitted(either: Home) -> None:
    assert either.run("submit", either.campaign(TWO.format(name="one"))).code == 0
    other = either.campaign(TWO.format(name="two"), "other.yaml")
    for command in ("plan", "submit"):
        done = either.run(command, other)
        assert done.code == 0
        assert "warning: campaign one" in done.err
        assert "(outputs_claimed)" in done.err
