"""Looking into attempts' files: fresh outputs, numbers, logs with a gap, hostile files."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from overnight.targets.files import LocalFiles, is_fresh, read_bounded

FILES = LocalFiles()


def write(path: Path, text: str, at: float | None = None) -> Path:
    path.write_text(text, encoding="utf-8")
    if at is not None:
        os.utime(path, (at, at))
    return path


def test_only_this_attempts_own_whole_files_are_fresh(tmp_path: Path) -> None:
    write(tmp_path / "new.json", "{}", 100.0)
    write(tmp_path / "old.json", "{}", 99.0)
    write(tmp_path / "empty.json", "", 100.0)
    (tmp_path / "folder.json").mkdir()
    assert is_fresh(str(tmp_path / "new.json"), 100.0)
    assert is_fresh(str(tmp_path / "n*.json"), 100.0)
    for name in ("old.json", "empty.json", "folder.json", "missing.json", "x*.json"):
        assert not is_fresh(str(tmp_path / name), 100.0)


def test_a_pattern_crosses_folders(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    write(tmp_path / "a" / "b" / "out.pt", "x")
    assert is_fresh(str(tmp_path / "**" / "out.pt"), 0.0)


def test_missing_outputs_are_named_as_they_were_declared(tmp_path: Path) -> None:
    write(tmp_path / "there.txt", "x")
    found = FILES.evidence(str(tmp_path), str(tmp_path), ["there.txt", "gone.txt"], {"started_at": 1.0})
    assert found.missing == ("gone.txt",)


def test_results_override_the_log(tmp_path: Path) -> None:
    write(tmp_path / "log", '{"loss": 3}\n---\naccuracy: 0.5\n')
    write(tmp_path / "results.json", '{"accuracy": 0.75, "f1": NaN}')
    found = FILES.evidence(str(tmp_path), "/", [], {"started_at": 1.0, "log": {"size": 30}}).metrics
    assert found["accuracy"] == 0.75
    assert found["loss"] == 3.0
    assert found["f1"] != found["f1"]


def test_a_log_is_read_from_both_ends(tmp_path: Path) -> None:
    write(tmp_path / "log", "0123456789")
    assert FILES.log(str(tmp_path), 2, 3) == (b"234", 5)
    assert FILES.log(str(tmp_path), -4, 100) == (b"6789", 10)
    assert FILES.log(str(tmp_path), -100, 4) == (b"0123", 4)
    assert FILES.log(str(tmp_path), 50, 4) == (b"", 10)
    assert FILES.log(str(tmp_path / "gone"), 0, 4) == (b"", 0)


def test_what_a_capped_log_gave_back_is_skipped(tmp_path: Path) -> None:
    write(tmp_path / "log", "head\0\0\0\0\0\0tail")
    write(tmp_path / "log.gap", "4 10\n")
    assert FILES.log(str(tmp_path), 0, 100) == (b"head", 4)
    assert FILES.log(str(tmp_path), 4, 100) == (b"tail", 14)
    assert FILES.log(str(tmp_path), 7, 2) == (b"ta", 12)


@pytest.mark.parametrize("text", ["", "1", "a b", "1 2 3"])
def test_a_broken_gap_is_no_gap(tmp_path: Path, text: str) -> None:
    write(tmp_path / "log", "0123")
    write(tmp_path / "log.gap", text)
    assert FILES.log(str(tmp_path), 0, 100) == (b"0123", 4)


def test_links_and_pipes_of_a_job_are_not_followed(tmp_path: Path) -> None:
    secret = write(tmp_path / "secret", '{"a": 1}')
    run = tmp_path / "run"
    run.mkdir()
    (run / "results.json").symlink_to(secret)
    os.mkfifo(run / "log")
    found = FILES.evidence(str(run), "/", [], {"started_at": 1.0, "log": {"size": 9}})
    assert found.metrics == {}


def test_a_file_that_is_too_large_is_not_read(tmp_path: Path) -> None:
    assert read_bounded(str(write(tmp_path / "a", "12345")), 5) == "12345"
    assert read_bounded(str(write(tmp_path / "a", "123456")), 5) == ""
