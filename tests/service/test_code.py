"""The identity of the code that runs will execute."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from overnight.clock import SystemClock
from overnight.config import Configuration
from overnight.service.code import identify
from overnight.store.base import SYSTEM
from overnight.store.sqlite import SqliteStore

TRY = """
import fcntl, sys
with open(sys.argv[1], "r+b") as file:
    try:
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, 128)
    except BlockingIOError:
        print("locked")
"""
"""Byte 128 of the index of the write-ahead log is locked by every process that uses it, lest another cuts it short."""


@pytest.mark.parametrize("database", ["study/home/overnight.db", "study/record.db"])
def test_a_record_inside_the_folder_of_the_code_is_not_opened(tmp_path: Path, database: str) -> None:
    """Closing it would drop the locks that SQLite holds on it, and the next process that looks would cut it short."""
    folder, home = tmp_path / "study", tmp_path / "study" / "home"
    home.mkdir(parents=True)
    path = tmp_path / database
    store = SqliteStore(str(path), SystemClock())
    store.write(SYSTEM, lambda session: session.record("server.start", "server"))
    identify(str(folder), Configuration(home, f"sqlite:///{path}", None, None).untouchable)
    tried = subprocess.run([sys.executable, "-c", TRY, f"{path}-shm"], check=True, capture_output=True)
    assert tried.stdout == b"locked\n"
    store.close()


def test_what_the_home_holds_is_no_code(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text("print(1)")
    before = identify(str(tmp_path), [tmp_path / "home"])
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "log").write_text("1")
    assert identify(str(tmp_path), [tmp_path / "home"]) == before
    (tmp_path / "homework.py").write_text("print(2)")
    assert identify(str(tmp_path), [tmp_path / "home"]) != before


def test_a_folder_of_files_that_end_never_or_may_not_be_looked_at_has_an_identity() -> None:
    """/proc has both: links that even root may not follow, and files that are read for ever."""
    assert identify("/proc/self", ())["kind"] == "content"
