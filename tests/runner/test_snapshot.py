"""Attempts that work in a frozen copy: nothing is started where it is not as it was recorded."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from overnight.mirror.freeze import freeze
from overnight.runner import snapshot
from tests.runner.harness import Bench


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The frozen copy of a small working folder."""
    work = tmp_path / "work"
    (work / "pkg").mkdir(parents=True)
    (work / "pkg" / "a.py").write_text("x = 1\n")
    (work / "run.sh").write_text("#!/bin/sh\necho ran\n")
    (work / "run.sh").chmod(0o755)
    (work / "link").symlink_to("run.sh")
    return tmp_path / "code" / freeze(str(work), tmp_path / "code")


def start(bench: Bench, copy: Path) -> dict[str, object]:
    server = bench.server()
    bench.start(server, "a1", "./run.sh", cwd=str(copy / "tree"), code=str(copy))
    return server.ended("a1")


def rewritten(path: Path, text: str) -> None:
    path.chmod(0o644)
    path.write_text(text)


def test_a_copy_that_is_as_recorded_is_started_and_named_in_the_exit_record(bench: Bench, copy: Path) -> None:
    (copy / "tree" / "out.json").write_text("what a run left is no change")
    record = start(bench, copy)
    assert (record["reason"], record["code"], record["snapshot"]) == ("exited", 0, copy.name)
    assert bench.log("a1") == b"ran\n"


CHANGES: dict[str, Callable[[Path], object]] = {
    "edited": lambda tree: rewritten(tree / "pkg" / "a.py", "x = 2\n"),
    "missing": lambda tree: (tree / "pkg" / "a.py").unlink(),
    "made executable": lambda tree: (tree / "pkg" / "a.py").chmod(0o555),
    "become a link": lambda tree: ((tree / "pkg" / "a.py").unlink(), (tree / "pkg" / "a.py").symlink_to("../run.sh")),
}


@pytest.mark.parametrize("change", CHANGES)
def test_nothing_is_started_where_a_recorded_file_differs(bench: Bench, copy: Path, change: str) -> None:
    CHANGES[change](copy / "tree")
    record = start(bench, copy)
    assert record["reason"] == "start_failed"
    assert record["detail"] == f"stale_code: pkg/a.py differs from the recorded copy in {copy}."
    assert bench.log("a1") == b""


def test_a_link_that_points_elsewhere_differs(copy: Path) -> None:
    (copy / "tree" / "link").unlink()
    (copy / "tree" / "link").symlink_to("pkg/a.py")
    assert snapshot.changed(str(copy), 5) == ["link"]


def test_a_list_that_was_changed_or_is_gone_starts_nothing(bench: Bench, copy: Path) -> None:
    kept = json.loads((copy / "files.json").read_text())
    kept["files"][0][3] = "0" * 64
    rewritten(copy / "files.json", json.dumps(kept))
    assert "is not the list of this copy" in str(start(bench, copy)["detail"])
    (copy / "files.json").unlink()
    with pytest.raises(snapshot.ListError):
        snapshot.changed(str(copy), 1)


def test_a_touched_file_of_equal_content_is_no_change(copy: Path) -> None:
    os.utime(copy / "tree" / "pkg" / "a.py", ns=(1, 1))
    assert snapshot.changed(str(copy), 5) == []


def test_changes_below_a_working_folder_are_named_and_bounded(tmp_path: Path, copy: Path) -> None:
    assert snapshot.changed_below(str(tmp_path / "work"), 5) == []
    assert snapshot.changed_below(str(copy / "tree"), 5) == []
    rewritten(copy / "tree" / "run.sh", "other")
    rewritten(copy / "tree" / "pkg" / "a.py", "x = 3\n")
    assert snapshot.changed_below(str(copy / "tree"), 5) == ["pkg/a.py", "run.sh"]
    assert snapshot.changed_below(str(copy / "tree"), 1) == ["pkg/a.py"]


def test_names_are_shown_as_text_that_does_nothing() -> None:
    assert snapshot.shown("a\nb\x1b[2J\udcffé") == r"a\x0ab\x1b[2J\xffé"


def test_a_link_has_no_content_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    (tmp_path / "link").symlink_to("file")
    assert snapshot.digest_of(tmp_path / "file", 1)
    with pytest.raises(OSError, match="symbolic"):
        snapshot.digest_of(tmp_path / "link", 1)
