"""Another machine that is a folder of this one, and lies when it is told to."""

from __future__ import annotations

import base64
import hashlib
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from overnight.domain.errors import Rejected, Unavailable
from overnight.host import inventory, reading
from overnight.targets.files import LocalFiles

MODE, MTIME = 0o644, 1_700_000_000.0


class FolderBox(LocalFiles):
    """Lists and reads the files of an attempt as a host would. `cut` and `lie` are asked before each answer."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, int, int]] = []
        """(path, offset, limit) of every read."""
        self.listed = 0
        self.cut: Callable[[], bool] = lambda: False
        """Whether the link is cut now."""
        self.lie: Callable[[str, bytes], bytes] = lambda _, data: data
        """What is told instead of what a file holds."""
        self.before: Callable[[str], None] = lambda _: None
        """Called with the path before each read."""
        self.extra: list[dict[str, Any]] = []
        """Files that are listed although they are not there."""

    def inventory(self, folder: str, workdir: str, outputs: Sequence[str]) -> list[dict[str, Any]]:
        self._reach()
        self.listed += 1
        answer = inventory.Inventories().ask(folder, workdir, outputs)
        return [{**row, "mtime": MTIME} for row in answer["files"]] + self.extra

    def read(self, root: str, folder: str, workdir: str, path: str, offset: int, limit: int) -> tuple[bytes, int, int]:
        self._reach()
        self.before(path)
        self.asked.append((path, offset, limit))
        try:
            told = reading.read(root, folder, workdir, path, offset, limit)
        except OSError as error:
            raise Rejected(str(error)) from error
        data = self.lie(path, base64.b64decode(told["data"]))
        return data, max(told["next"], offset + len(data)) if data else told["next"], told["bytes"]

    def _reach(self) -> None:
        if self.cut():
            raise Unavailable("the link is cut")


def entry(root: str, path: str, data: bytes = b"", **changes: Any) -> dict[str, Any]:
    """One file of a list."""
    digest = hashlib.sha256(data).hexdigest()
    told = {"root": root, "path": path, "bytes": len(data), "mode": MODE, "mtime": MTIME, "sha256": digest}
    return {**told, **changes}


def tree(folder: Path) -> dict[str, bytes]:
    """Everything below a folder."""
    return {os.path.relpath(path, folder): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}
