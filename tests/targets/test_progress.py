"""When something of a live attempt last moved, on real folders."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from overnight.targets.base import Progress
from overnight.targets.doing import MOST_PROCESSES, doing
from overnight.targets.files import LocalFiles
from overnight.targets.progress import LOOKED_AT
from tests.runner.harness import wait_until

OLD, NEW = 1_000.0, 2_000_000_000.0


def made(path: Path, when: float) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x")
    os.utime(path, (when, when))
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An attempt's folder in which everything is old."""
    (tmp_path / "run" / "checkpoints").mkdir(parents=True)
    made(tmp_path / "run" / "checkpoints" / "c1", OLD)
    made(tmp_path / "run" / "log", OLD)
    for path in (tmp_path / "run" / "checkpoints", tmp_path / "run"):
        os.utime(path, (OLD, OLD))
    return tmp_path / "run"


def look(folder: Path, *outputs: str) -> Progress:
    return LocalFiles().progress(str(folder), str(folder.parent), outputs)


def test_what_is_still_looks_the_same_every_time(folder: Path) -> None:
    assert look(folder) == look(folder) == Progress(1, OLD, OLD)


def test_output_is_told_apart_from_progress(folder: Path) -> None:
    (folder / "log").write_bytes(b"more")
    os.utime(folder / "log", (NEW, NEW))
    assert look(folder) == Progress(4, NEW, OLD)


def test_a_checkpoint_that_is_written_again_in_a_folder_below_is_progress(folder: Path) -> None:
    os.utime(folder / "checkpoints" / "c1", (NEW, NEW))
    assert look(folder).files_at == NEW


def test_a_declared_output_elsewhere_is_progress(folder: Path) -> None:
    made(folder.parent / "out" / "model.npz", NEW)
    assert look(folder, "out/gone", "out/*.npz").files_at == NEW
    assert look(folder, "out/gone").files_at == OLD


def test_more_files_than_one_look_takes_leave_open_whether_anything_moved(folder: Path) -> None:
    for number in range(LOOKED_AT + 1):
        (folder / "checkpoints" / str(number)).touch()
    assert not look(folder).whole


def test_a_folder_that_its_job_deleted_leaves_it_open(folder: Path) -> None:
    assert not look(folder / "gone").whole


def test_a_pattern_over_whole_trees_is_not_followed(folder: Path) -> None:
    assert not look(folder, "**/model").whole


def test_a_link_to_itself_is_looked_at_once(folder: Path) -> None:
    (folder / "loop").symlink_to(folder)
    assert look(folder).whole


@contextmanager
def shell(script: str, name: str = "sh") -> Iterator[int]:
    """A shell that has carried out its script up to `echo up`, and then waits for what it started."""
    command = ["/bin/sh", "-c", f"{script}\necho up\nwait", name]
    with subprocess.Popen(command, stdout=subprocess.PIPE, start_new_session=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == b"up\n"
            yield process.pid
        finally:
            os.killpg(process.pid, signal.SIGKILL)


def test_the_processes_of_an_attempt_are_described() -> None:
    with shell("sleep 600 &") as pid:
        said = rf"{pid} sh sleeping[^;]*; \d+ sleep sleeping[^;]*"
        wait_until(lambda: re.fullmatch(said, doing(pid)), said)
    assert doing(pid) == ""


def test_many_processes_are_counted_and_names_are_harmless(tmp_path: Path) -> None:
    hostile = tmp_path / "a\x1b[31m;b"
    hostile.symlink_to("/bin/sleep")
    with shell("\n".join('"$0" 600 &' for _ in range(MOST_PROCESSES + 2)), str(hostile)) as pid:
        said = wait_until(
            lambda: (text := doing(pid)).count("a??31m?b") == MOST_PROCESSES - 1 and text, "all are there"
        )
    assert said.endswith(" and 3 more")
    assert "\x1b" not in said
