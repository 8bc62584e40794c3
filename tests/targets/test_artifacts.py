"""What is found of what a run left, in folders that jobs made as they liked."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from overnight.targets import artifacts
from overnight.targets.artifacts import left

ALWAYS = (0.0, 1e12)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An attempt's folder with what the runner keeps there."""
    made = tmp_path / "attempt"
    (made / "alerts").mkdir(parents=True)
    for name in ("log", "log.gap", "exit.json", "stop", "environment_failed", ".temporary", "alerts/1.response"):
        (made / name).write_text("ours")
    return made


@pytest.fixture
def workdir(tmp_path: Path) -> Path:
    made = tmp_path / "work"
    made.mkdir()
    return made


def names(folder: Path, workdir: Path, *outputs: str, during: tuple[float, float] = ALWAYS) -> list[str]:
    return [it.name for it in left(str(folder), str(workdir), outputs, during)]


def test_the_runners_own_files_are_no_artifacts(folder: Path, workdir: Path) -> None:
    assert names(folder, workdir) == []
    (folder / "inner").mkdir()
    (folder / "inner" / "log").write_text("the job's")
    assert names(folder, workdir) == ["inner/log"]


def test_declared_outputs_are_artifacts_once_they_are_there(folder: Path, workdir: Path) -> None:
    (workdir / "out").mkdir()
    for name in ("a.ckpt", "b.ckpt"):
        (workdir / "out" / name).write_text("x")
    assert sorted(names(folder, workdir, "out/*.ckpt", "out/a.ckpt", "missing", "\0")) == ["out/a.ckpt", "out/b.ckpt"]


def test_links_that_lead_out_are_left_alone(folder: Path, workdir: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("x")
    (folder / "link").symlink_to(tmp_path / "secret")
    (folder / "up").symlink_to(tmp_path)
    (folder / "loop").symlink_to(folder)
    (workdir / "link").symlink_to(tmp_path / "secret")
    (workdir / "real").write_text("x")
    (workdir / "within").symlink_to(workdir / "real")
    (workdir / "up").symlink_to(tmp_path)
    assert names(folder, workdir, "link", "within", "up/secret") == ["within"]


def test_pipes_and_devices_are_no_artifacts(folder: Path, workdir: Path) -> None:
    os.mkfifo(folder / "pipe")
    assert names(folder, workdir) == []


def test_wandb_runs_are_those_that_were_changed_while_the_job_lived(folder: Path, workdir: Path) -> None:
    for name, at in (("run-early", 100), ("run-mine", 1_000), ("offline-run-mine", 1_010), ("run-late", 2_000)):
        (workdir / "wandb" / name).mkdir(parents=True)
        os.utime(workdir / "wandb" / name, (at, at))
    (workdir / "wandb" / "debug.log").write_text("x")
    (workdir / "wandb" / "run-file").write_text("x")
    (workdir / "wandb" / "latest-run").symlink_to("run-mine")
    (workdir / "wandb" / "run-link").symlink_to("/etc")
    found = left(str(folder), str(workdir), (), (990, 1_020))
    assert [(it.name, it.kind) for it in found] == [("offline-run-mine", "wandb"), ("run-mine", "wandb")]
    assert found[1].path == str(workdir / "wandb" / "run-mine")


def test_a_flood_of_files_is_cut(folder: Path, workdir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(50):
        (folder / f"file{number}").write_text("x")
    monkeypatch.setattr(artifacts, "MOST", 10)
    assert len(names(folder, workdir)) == 10
    monkeypatch.setattr(artifacts, "LOOKED_AT", 5)
    assert len(names(folder, workdir)) <= 5


def test_folders_that_are_not_there_hold_nothing(tmp_path: Path) -> None:
    assert names(tmp_path / "a", tmp_path / "b", "c", "d/*") == []
