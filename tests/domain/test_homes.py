"""A path that begins with `~` is one of the home folder there, which is asked for only then."""

from __future__ import annotations

import pytest

from overnight.domain.homes import below_home, environment_below_home, is_home
from overnight.domain.plan import EnvironmentPlan


def home() -> str:
    return "/home/u"


def unknown() -> str:
    raise AssertionError("nobody needs it")


@pytest.mark.parametrize(("path", "whole"), [("~", "/home/u"), ("~/", "/home/u"), ("~/a b/c", "/home/u/a b/c")])
def test_a_path_below_the_home_folder_is_written_out(path: str, whole: str) -> None:
    assert is_home(path)
    assert below_home(path, home) == whole


@pytest.mark.parametrize("path", ["/a/~", "a", "~other/x", "", "."])
def test_any_other_path_stays_as_it_is(path: str) -> None:
    assert not is_home(path)
    assert below_home(path, unknown) == path


def test_a_home_folder_that_is_the_root_stays_one_path() -> None:
    assert (below_home("~", lambda: "/"), below_home("~/x", lambda: "/")) == ("/", "/x")


def test_the_paths_of_an_environment_are_written_out() -> None:
    given = EnvironmentPlan(conda="~/envs/x", conda_hook="eval it")
    assert environment_below_home(given, home) == EnvironmentPlan(conda="/home/u/envs/x", conda_hook="eval it")
    assert environment_below_home(EnvironmentPlan(venv="~/v"), home).venv == "/home/u/v"
    assert environment_below_home(EnvironmentPlan(), unknown) == EnvironmentPlan()
