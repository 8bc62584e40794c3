"""Five hundred texts that shells, terminals, JSON and paths would trip over come back byte for byte."""

from __future__ import annotations

import json
import random
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from overnight.targets.base import Ended, Launch
from overnight.targets.ssh.target import SshTarget
from overnight.testing.target_contract import Bench
from tests.ssh.bench import HOME, clear, disconnect, end_runner, moments, target_of
from tests.ssh.conftest import Box

pytestmark = pytest.mark.real("sshd")
PIECES = (
    *(
        "'",
        '"',
        "`touch owned`",
        "$(touch owned)",
        ";touch owned;",
        "|",
        "&",
        "\n",
        "\r",
        "\t",
        "\\",
        "\\n",
        "*",
        "?",
        "~",
    ),
    *(
        "--",
        "-oProxyCommand=touch owned",
        "-rf",
        "/",
        "../..",
        "%s%n",
        "{}",
        "[",
        "]",
        "<",
        ">",
        "#",
        "!",
        "^",
        "=",
        " ",
    ),
    *(
        "\x1b[2J",
        "\x07",
        "\x7f",
        "\u202e",
        "\u2028",
        "é",
        "漢",
        "🦉",
        "e\u0301",
        "ﬀ",
        "\ufeff",
        "\x01",
        "EOF",
        "x" * 500,
    ),
    *('{"id":1,"op":"stop"}', "$HOME", "${IFS}", "$'\\x41'", "!!", "%PATH%", "nul", "\\u0000", "'\"'\"'", "$((1+1))"),
)
SEED = 20261124


def texts(number: int) -> list[str]:
    """Distinct texts made of the pieces, each piece alone first."""
    rng = random.Random(SEED)
    found = dict.fromkeys(PIECES)
    while len(found) < number:
        found["".join(rng.choices(PIECES, k=rng.randint(2, 6)))] = None
    return list(found)[:number]


@pytest.fixture
def bench(box: Box, tmp_path: Path) -> Iterator[Bench]:
    target = target_of(box)
    target.owned()
    yield Bench(target, tmp_path, lambda: disconnect(target), moments)
    clear(target)
    target.close()
    end_runner(box, HOME)


def changed(launch: Launch, **fields: object) -> Launch:
    return Launch(**{**{name: getattr(launch, name) for name in Launch.__dataclass_fields__}, **fields})  # type: ignore[arg-type]


def test_arguments_and_variables_come_back_as_they_were_sent(bench: Bench) -> None:
    hostile = texts(500)
    program = "import json,os,sys; print(json.dumps([sys.argv[1:], [os.environ[f'V{i}'] for i in range(500)]]))"
    launch = changed(
        bench.launch(""),
        argv=(sys.executable, "-I", "-c", program, *hostile),
        env={f"V{place}": text for place, text in enumerate(hostile)},
    )
    bench.target.start([launch])
    assert bench.hear(launch.attempt, Ended).record["code"] == 0
    assert json.loads(Path(launch.folder, "log").read_bytes()) == [hostile, hostile]
    assert not list(bench.folder.rglob("owned"))


def test_names_folders_and_reasons_mean_nothing_to_anybody(bench: Bench) -> None:
    launches = []
    for place, text in enumerate(texts(60)):
        base = bench.launch("exit 3", run=f"{text}{place}")
        name = text.replace("/", "_")[:80] + str(place)
        launches.append(changed(base, folder=str(bench.folder / "r" / name), cwd=str(bench.folder)))
    bench.target.start(launches)
    for launch in launches:
        assert bench.hear(launch.attempt, Ended).record["code"] == 3
        assert (
            bench.target.stop(next(it for it in bench.target.owned() if it.attempt == launch.attempt), 0.0, launch.run)
            is None
        )
    assert sorted(it.name for it in (bench.folder / "r").iterdir()) == sorted(Path(it.folder).name for it in launches)
    assert not list(bench.folder.rglob("owned"))


def test_files_are_looked_at_by_the_names_that_they_have(bench: Bench) -> None:
    target = bench.target
    assert isinstance(target, SshTarget)
    names = [text.replace("/", "_")[:60] + str(place) for place, text in enumerate(texts(100))]
    for name in names:
        (bench.folder / name).write_text("x", encoding="utf-8")
    missing = target.files.missing(str(bench.folder), [*names, "not there"])
    assert "not there" in missing
    assert not (bench.folder / "owned").exists()
