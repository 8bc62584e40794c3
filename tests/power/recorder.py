"""An SQLite file layer that writes down what a disk is told: writes, truncations, syncs and deletions, in order."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import apsw

SYNC_SECONDS = 0.001
"""How long a sync takes here: about as long as on a good disk, so that requests gather while one is under way."""


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that was told to the disk. `kind` is write, truncate (to `offset`), sync or delete."""

    kind: str
    file: str
    offset: int = 0
    data: bytes = b""


class _File(apsw.VFSFile):
    def __init__(self, steps: list[Step], name: apsw.URIFilename | str, flags: list[int]) -> None:
        self._steps = steps
        path = name.filename() if isinstance(name, apsw.URIFilename) else str(name)
        self._name = Path(path).name
        super().__init__("", name, flags)

    def xWrite(self, data: bytes, offset: int) -> None:
        self._steps.append(Step("write", self._name, offset, bytes(data)))
        super().xWrite(data, offset)

    def xTruncate(self, newsize: int) -> None:
        self._steps.append(Step("truncate", self._name, newsize))
        super().xTruncate(newsize)

    def xSync(self, flags: int) -> None:
        super().xSync(flags)
        time.sleep(SYNC_SECONDS)
        self._steps.append(Step("sync", self._name))


class _Layer(apsw.VFS):
    def __init__(self, name: str, steps: list[Step]) -> None:
        self._steps = steps
        super().__init__(name, "")

    def xOpen(self, name: apsw.URIFilename | str | None, flags: list[int]) -> apsw.VFSFile:
        if name is None:  # a temporary file: nobody looks for it after a cut
            return apsw.VFSFile("", name, flags)
        return _File(self._steps, name, flags)

    def xDelete(self, filename: str, syncdir: bool) -> None:
        self._steps.append(Step("delete", Path(filename).name))
        super().xDelete(filename, syncdir)


@contextmanager
def recording(name: str, *, checkpoint_pages: int) -> Iterator[list[Step]]:
    """The steps of every database opened with `vfs=name` inside; each copies its log back after so many pages."""
    steps: list[Step] = []
    layer = _Layer(name, steps)

    def checkpoint_often(raw: apsw.Connection) -> None:
        raw.wal_autocheckpoint(checkpoint_pages)

    apsw.connection_hooks.append(checkpoint_often)
    try:
        yield steps
    finally:
        apsw.connection_hooks.remove(checkpoint_often)
        layer.unregister()
