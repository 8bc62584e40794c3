"""`overnight convert`."""

from __future__ import annotations

from overnight.manifest import load
from tests.surfaces.cli.harness import Home

QUEUE = """\
project: queue
default_cmd: "true"
gpus: []
jobs:
  - {id: one, args: {n: 1}}
  - {id: two, args: {n: 2}}
"""


def test_a_manifest_of_the_queue_becomes_a_native_file_and_nothing_else_changes(home: Home) -> None:
    file = home.campaign(QUEUE)
    text = home.run("convert", file).out
    assert text.startswith("campaign: queue\n")
    assert home.run("convert", file, "--json").json == {"file": text}
    assert not home.path.exists()
    cells = [cell.name for sweep in load(text, "f", "/").sweeps for cell in sweep.cells]
    assert cells == ["one", "two"]


def test_a_file_that_is_there_is_written_over_only_by_force(home: Home) -> None:
    file = home.campaign(QUEUE)
    out = home.folder / "out.yaml"
    assert (home.run("convert", file, "-o", "out.yaml").out, home.run("plan", "out.yaml").code) == ("", 0)
    out.write_text("mine")
    refused = home.run("convert", file, "-o", "out.yaml")
    assert (refused.code, out.read_text()) == (2, "mine")
    assert "--force" in refused.err
    assert home.run("convert", file, "-o", "out.yaml", "--force").code == 0
    assert out.read_text() == home.run("convert", file).out
    assert sorted(path.name for path in home.folder.iterdir()) == ["campaign.yaml", "out.yaml"]


def test_a_place_that_cannot_be_written_is_a_wrong_request(home: Home) -> None:
    done = home.run("convert", home.campaign(QUEUE), "-o", "no/such/folder/out.yaml", "--json")
    assert (done.code, done.error["place"]) == (2, "no/such/folder/out.yaml")


def test_a_file_that_is_refused_is_not_converted_and_every_problem_is_told(home: Home) -> None:
    file = home.campaign("campaign: p\nsweeps:\n  s:\n    comand: x\n")
    done = home.run("convert", file, "-o", "out.yaml", "--json")
    assert (done.code, [problem["line"] for problem in done.error["problems"]]) == (2, [3, 4])
    assert not (home.folder / "out.yaml").exists()


def test_a_server_converts_too(home: Home) -> None:
    file = home.campaign(QUEUE)
    alone = home.run("convert", file).out
    with home.up():
        assert home.run("convert", file).out == alone


def test_a_listed_run_waits_only_for_the_runs_that_it_names(home: Home) -> None:
    file = home.campaign("""\
campaign: c
sweeps:
  t: {grid: {n: [1, 2]}, command: "true"}
  s: {runs: [{name: s1, command: "true", needs: t-n2}, {name: s2, command: "true"}]}
""")
    assert home.run("submit", file).code == 0
    states = {run["name"]: run["state"] for run in home.runs().values()}
    assert states == {"t-n1": "queued", "t-n2": "queued", "s1": "waiting", "s2": "queued"}
