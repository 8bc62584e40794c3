"""What is loaded before a command is chosen."""

import subprocess
import sys

import pytest

from overnight.surfaces.cli.group import COMMANDS
from tests.surfaces.cli.harness import Home

HEAVY = ("pydantic", "fastapi", "uvicorn", "apsw", "rich", "httpx", "asyncio", "ruamel", "overnight.app", "mcp")


@pytest.mark.parametrize("arguments", [[], ["--help"], *([name, "--help"] for name, _, _ in COMMANDS)])
def test_help_loads_none_of_the_heavy_modules(arguments: list[str]) -> None:
    probe = (
        "import sys; from overnight.__main__ import App; from overnight.surfaces.cli.group import run;"
        f"code = run({arguments!r}, App());"
        f"print([name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr); sys.exit(code)"
    )
    done = subprocess.run([sys.executable, "-c", probe], check=False, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr.strip()) == (0, "[]")
    assert done.stdout.startswith("Usage: ")


def test_every_command_is_listed_in_the_help_with_the_words_of_its_own(home: Home) -> None:
    listed = home.run("--help").out
    for name, _, line in COMMANDS:
        assert f"\n  {name} " in listed
        own = " ".join(home.run(name, "--help").out.split())
        assert f"overnight {name}" in own, name
        assert line


def test_without_a_command_there_is_help_and_nothing_wrong(home: Home) -> None:
    assert home.run() == home.run("--help")
    assert home.run().code == 0


def test_an_unknown_command_is_a_wrong_request(home: Home) -> None:
    done = home.run("fly")
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith("error: No such command 'fly'")


def test_an_unknown_option_is_told_as_json_where_json_was_asked_for(home: Home) -> None:
    done = home.run("ls", "--json", "--fast")
    assert done.code == 2
    assert done.error["code"] == "usage"
    assert "--fast" in done.error["message"]
    assert done.error["next"] == "overnight ls --help"
