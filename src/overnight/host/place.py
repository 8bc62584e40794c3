"""Where the things of one home of a server lie on this host."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass


@dataclass(frozen=True)
class Place:
    """Our folder here, and that of one home in it."""

    root: str
    """As the kernel names it, without links: the runner marks its jobs with a path below."""
    home: str

    @property
    def folder(self) -> str:
        """Everything of this home."""
        return os.path.join(self.root, self.home)

    @property
    def runner(self) -> str:
        """State folder of its runner."""
        return os.path.join(self.folder, "runner")

    @property
    def code(self) -> str:
        """Frozen copies of its working folders."""
        return os.path.join(self.folder, "code")

    @property
    def log(self) -> str:
        """What those who attend its server have to complain about."""
        return os.path.join(self.folder, "attend.log")


def program() -> list[str]:
    """The command that executes this very program again, to which a subcommand is added."""
    archive = archive_of(__file__)
    if archive is None:
        return [sys.executable, "-m", "overnight.host"]
    return [sys.executable, "-I", "-S", "-X", "utf8", archive]


def archive_of(module: str) -> str | None:
    """The archive that a module's file lies in; None = it lies in a folder."""
    path = module
    while path not in ("", os.path.dirname(path)):
        if os.path.isfile(path) and path != module:
            return os.path.abspath(path)
        path = os.path.dirname(path)
    return None
