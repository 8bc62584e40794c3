"""The database file of simulations: emptied for each one, opened anew, copied and put back."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from overnight.app import open_store
from overnight.config import Configuration
from overnight.store.base import SYSTEM, Session, Store
from overnight.testing.clock import FakeClock

TABLES = (
    "callbacks", "questions", "points", "curves", "labels", "alerts", "holds", "marks", "peaks", "families",
    "conditions", "outputs", "answers", "results", "leases", "devices", "usages", "fetches",
    "attempts", "targets", "totals", "cluster", "tallies",
    "run_needs", "runs", "sweep_needs", "sweeps", "wild_sweeps", "campaigns", "wild_iterations", "wild_resolved",
    "wild_sessions", "skills", "tokens", "events",
)  # fmt: skip
"""In an order in which their rows may be deleted."""


class Record:
    """One store in a folder of its own. Simulations use it one after the other: opening a file costs more than most."""

    def __init__(self, folder: Path) -> None:
        self.clock = FakeClock()
        self._folder = folder
        self.configuration = Configuration(folder, f"sqlite:///{folder}/record.db", None, None)
        self.store: Store = open_store(self.configuration, self.clock, alone=True)
        self.has_backup = False

    def empty(self) -> None:
        """Forget everything, time included."""
        self.clock.reset()
        self.has_backup = False
        self.store.write(SYSTEM, _empty)

    def reopen(self) -> None:
        """As after the end of a process."""
        self.store.close()
        self.store = open_store(self.configuration, self.clock, alone=True)

    def back_up(self) -> None:
        """Copy the file; nobody writes meanwhile."""
        self._copy("record", "backup")
        self.has_backup = True

    def restore(self) -> None:
        """The file is lost, and the copy is put in its place."""
        self.store.close()
        for suffix in ("-shm", "-wal", ""):
            (self._folder / f"record.db{suffix}").unlink(missing_ok=True)
        self._copy("backup", "record")
        self.store = open_store(self.configuration, self.clock, alone=True)

    def close(self) -> None:
        """Give the file back."""
        self.store.close()

    def _copy(self, source: str, target: str) -> None:
        for suffix in ("", "-wal"):
            path = self._folder / f"{target}.db{suffix}"
            path.unlink(missing_ok=True)
            if (self._folder / f"{source}.db{suffix}").exists():
                shutil.copyfile(self._folder / f"{source}.db{suffix}", path)


def _empty(session: Session) -> None:
    for table in TABLES:
        session.connection.execute(f"DELETE FROM {table}")
    session.connection.execute("UPDATE fence SET value = 0")


def fast_folder() -> str | None:
    """Where files cost least: simulations are not about disks."""
    return "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
