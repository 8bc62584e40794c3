"""Patterns of what is left out of a copy: they mean what they mean to git."""

from __future__ import annotations

import itertools
import subprocess
from pathlib import Path

import pytest

from overnight.domain.errors import Refused
from overnight.mirror.patterns import left_out

LINES = (
    "*.log", "/a", "a/", "a/b", "/a/*.py", "**/b", "a/**", "a/**/c", "a/**/b/**/c", "[ab]", "[!a]", "?", "b/c/", "*",
    "# no", "\\#x", "\\!x", "a*c", "**/a/**", "/**/c", "x ", "", "*b*c*",
)  # fmt: skip
PATHS = [
    "a",
    "b",
    "c.log",
    "a/b",
    "a/b/c",
    "a/x/b/y/c",
    "a/c",
    "b/c/d",
    "x",
    "#x",
    "!x",
    "abc",
    "d/a/e",
    "a/m.py",
    "d/a.py",
]


def git_leaves_out(folder: Path, lines: list[str], paths: list[str]) -> set[str]:
    (folder / ".gitignore").write_text("\n".join(lines) + "\n")
    argv = ["git", "-C", str(folder), "check-ignore", "--no-index", "--stdin"]
    done = subprocess.run(argv, input="\n".join(paths), capture_output=True, text=True, check=False)
    assert done.returncode in (0, 1), done.stderr
    return set(done.stdout.splitlines())


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder: Path = tmp_path_factory.mktemp("repository")
    subprocess.run(["git", "init", "-q", str(folder)], check=True)
    return folder


def we_leave_out(lines: list[str], path: str) -> bool:
    """Down from the top, as a walk goes: nothing is looked at below what is left out."""
    rules, parts = left_out(lines), path.split("/")
    tops = ["/".join(parts[: it + 1]) for it in range(len(parts))]
    return any(rules.has(top, is_folder=top != path) for top in tops)


@pytest.mark.parametrize("lines", [[it] for it in LINES] + [["*", it, "!b"] for it in ("a", "!a", "!a/")])
def test_they_mean_what_they_mean_to_git(repository: Path, lines: list[str]) -> None:
    ours = {path for path in PATHS if we_leave_out(lines, path)}
    assert ours == git_leaves_out(repository, lines, PATHS)


@pytest.mark.parametrize(("first", "second"), list(itertools.permutations(["a", "!a/b", "!a", "a/*"], 2)))
def test_the_last_line_that_matches_decides_as_with_git(repository: Path, first: str, second: str) -> None:
    ours = {path for path in PATHS if we_leave_out([first, second], path)}
    assert ours == git_leaves_out(repository, [first, second], PATHS)


def test_names_that_are_always_left_out_can_be_taken_back() -> None:
    assert left_out([]).has("lib/venv", is_folder=True)
    assert left_out([]).has("a.pyc", is_folder=False)
    assert not left_out(["!venv"]).has("lib/venv", is_folder=True)
    assert not left_out([]).has("venv.py", is_folder=False)


@pytest.mark.parametrize("line", ["a" * 1001, "**/a/**/b/**/c/**/d"])
def test_patterns_that_would_take_long_are_refused(line: str) -> None:
    with pytest.raises(Refused):
        left_out([line])


def test_a_pattern_of_many_stars_takes_no_time() -> None:
    assert not left_out(["*a" * 200 + "b"]).has("a" * 250, is_folder=False)


def test_too_many_patterns_are_refused() -> None:
    with pytest.raises(Refused, match="more than 1000 patterns"):
        left_out(["a"] * 1001)
