"""What `run` and `summary` say at the end of a campaign, from real runs."""

import json
from typing import Any

import pytest

from tests.surfaces.cli.harness import Home

LADDER = """
campaign: ladder
workdir: .
goal: {metric: accuracy, direction: maximize}
retry: {attempts: 3, delay: 0}
sweeps:
  grid:
    phase: training
    grid: {width: [8, 16], seed: [1, 2], batch: [64]}
    name: w${width}_s${seed}
    oom: {smaller: [{batch: 32}]}
    outputs: ["out_${width}_${seed}.json"]
    command: |
      if [ ${width}-${seed}-${batch} = 8-2-64 ]; then echo 'torch.OutOfMemoryError: CUDA out of memory.'; exit 1; fi
      echo '{"accuracy": 0.${width}}' > out_${width}_${seed}.json
"""


@pytest.fixture
def ladder(home: Home) -> tuple[Home, dict[str, Any]]:
    """Four runs, of which one did not fit and took its smaller setting."""
    done = home.run("run", home.campaign(LADDER), "--json")
    assert done.code == 0
    return home, done.json


def test_a_smaller_setting_is_marked_in_every_rendering(ladder: tuple[Home, dict[str, Any]]) -> None:
    home, answer = ladder
    assert answer["jobs_line"] == "3 completed, 1 OOM-retried then completed, 0 stuck"
    assert [(it["name"], it["oom_retries"] > 0) for it in answer["phases"]] == [("training", True)]
    assert answer["result_files"] == 4
    (results,) = answer["results"]
    assert [cell["changed"] for cell in results["cells"] if cell["changed"]] == [{"batch": {"written": 64, "used": 32}}]
    assert [cell["metrics"]["accuracy"]["n"] for cell in results["cells"]] == [1, 1, 2]
    for arguments in ([], ["--markdown"], ["--html"]):
        assert "with batch=32 instead of 64" in home.run("summary", "ladder", *arguments).out


def test_comparisons_tell_a_smaller_setting_from_what_was_written(ladder: tuple[Home, dict[str, Any]]) -> None:
    home, _ = ladder
    runs = {name: run["id"] for name, run in home.runs("--campaign", "ladder").items()}
    compared = home.run("compare", runs["w8_s1"], runs["w8_s2"], "--json").json
    assert compared["parameters"] == {"seed": [1, 2], "batch": [64, 32]}
    assert "with batch=32 instead of 64" in home.run("compare", runs["w8_s1"], runs["w8_s2"]).out


@pytest.mark.parametrize(
    ("sweeps", "line"),
    [
        ({"a": {"command": "true"}}, "1 completed, 0 OOM-retried then completed, 0 stuck"),
        (
            {"a": {"command": "exit 1"}, "b": {"needs": ["a"], "command": "true"}},
            "0 completed, 0 OOM-retried then completed, 1 stuck, 1 blocked",
        ),
        (
            {"a": {"requires": ["never-there"], "command": "true"}, "b": {"command": "true"}},
            "1 completed, 0 OOM-retried then completed, 0 stuck, 1 blocked",
        ),
    ],
    ids=["all succeeded", "blocked by a need", "blocked by a path"],
)
def test_run_ends_with_0_only_if_all_succeeded(home: Home, sweeps: dict[str, Any], line: str) -> None:
    done = home.run("run", home.campaign(json.dumps({"campaign": "c", "workdir": ".", "sweeps": sweeps})))
    assert done.code == (0 if len(sweeps) == 1 else 1)
    assert f"Jobs: {line}; " in done.out


def test_run_ends_with_1_when_somebody_cancelled_a_run(home: Home) -> None:
    sweeps = {"a": {"command": "while [ ! -e go ]; do sleep 0.02; done"}, "b": {"needs": ["a"], "command": "true"}}
    file = home.campaign(json.dumps({"campaign": "c", "workdir": ".", "sweeps": sweeps}))
    with home.up():
        home.run("submit", file)
        assert home.run("cancel", home.runs()["b"]["id"]).code == 0
        following = home.start("run", file)
        assert following.stdout is not None
        assert following.stdout.readline().startswith("campaign c ")
        (home.folder / "go").touch()
        out, _ = following.communicate(timeout=60)
    assert following.returncode == 1
    assert "Jobs: 1 completed, 0 OOM-retried then completed, 0 stuck, 1 canceled; " in out
