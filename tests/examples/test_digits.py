"""The example's scripts as a user runs them: by themselves, without Overnight."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

DIGITS = Path(__file__).parents[2] / "examples" / "digits"
ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}


@dataclass(frozen=True)
class Outcome:
    """What a run left: the lines it printed, the figures of results.json, its folder."""

    lines: list[str]
    results: dict[str, float]
    folder: Path


def run(folder: Path, script: str, *arguments: object) -> Outcome:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("OVERNIGHT_")}
    done = subprocess.run(
        [sys.executable, str(DIGITS / script), *map(str, arguments)],
        env=environment | ONE_THREAD | {"OVERNIGHT_RUN_DIR": str(folder)},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return Outcome(done.stdout.splitlines(), json.loads((folder / "results.json").read_text()), folder)


@pytest.fixture(scope="module")
def teacher(tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    return run(tmp_path_factory.mktemp("teacher"), "train_teacher.py", "--width", 64, "--seed", 0)


@pytest.fixture(scope="module")
def student(teacher: Outcome, tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    path = teacher.folder / "teacher.npz"
    return run(tmp_path_factory.mktemp("student"), "train_student.py", "--seed", 0, "--teacher", path)


def test_a_teacher_learns_the_digits(teacher: Outcome) -> None:
    assert 0.95 < teacher.results["accuracy"] < 1.0
    assert teacher.results["parameters"] == 64 * 64 + 64 + 64 * 10 + 10


def test_progress_is_json_lines_that_show_learning(teacher: Outcome) -> None:
    progress = [json.loads(line) for line in teacher.lines[: teacher.lines.index("---")]]
    assert [figures["step"] for figures in progress] == [10, 20, 30, 40, 50, 60]
    assert progress[-1]["accuracy"] == teacher.results["accuracy"]


def test_the_closing_block_says_the_same_as_the_results_file(teacher: Outcome) -> None:
    block = dict(line.split(": ") for line in teacher.lines[teacher.lines.index("---") + 1 :])
    assert list(block) == list(teacher.results) == ["accuracy", "loss", "parameters", "seconds"]
    assert {name: float(value) for name, value in block.items()} == pytest.approx(teacher.results, abs=5e-5)


def test_the_same_seed_gives_the_same_network_and_another_seed_another(teacher: Outcome, tmp_path: Path) -> None:
    folders = [tmp_path / name for name in ("again", "other")]
    for folder, seed in zip(folders, (0, 1), strict=True):
        run(folder, "train_teacher.py", "--width", 64, "--seed", seed)
    first, again, other = (np.load(folder / "teacher.npz")["hidden"] for folder in (teacher.folder, *folders))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_a_student_follows_its_teacher_and_beats_one_that_learns_alone(student: Outcome, tmp_path: Path) -> None:
    alone = run(tmp_path, "train_student.py", "--seed", 0)
    assert student.results["agreement"] > 0.95
    assert student.results["accuracy"] > alone.results["accuracy"] + 0.01
    assert "agreement" not in alone.results


def test_a_student_without_weight_on_opinions_is_one_that_learns_alone(teacher: Outcome, tmp_path: Path) -> None:
    path = teacher.folder / "teacher.npz"
    short = ("--seed", 0, "--epochs", 10)
    deaf = run(tmp_path / "deaf", "train_student.py", *short, "--teacher", path, "--alpha", 0)
    alone = run(tmp_path / "alone", "train_student.py", *short)
    assert deaf.results["accuracy"] == alone.results["accuracy"]


def test_without_overnight_the_files_go_into_out(tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("OVERNIGHT_")}
    command = [sys.executable, str(DIGITS / "train_teacher.py"), "--width", "4", "--seed", "0", "--epochs", "1"]
    subprocess.run(command, cwd=tmp_path, env=environment, check=True, timeout=100, stdout=subprocess.DEVNULL)
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"teacher.npz", "results.json"}
