"""The files of another machine's attempts: from the copy that was brought here as soon as it is whole, else from there.

So logs and outputs stay readable when the machine is gone.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Any, Protocol

from overnight.domain.fetch import MANIFEST, WORK
from overnight.targets.base import Artifact, Evidence, Files, Progress, Room
from overnight.targets.files import LocalFiles


class Left(Files, Protocol):
    """The files of another machine, which can be listed and read whole."""

    def inventory(self, folder: str, workdir: str, outputs: Sequence[str]) -> Sequence[Mapping[str, Any]]:
        """Every file that an attempt left. Raises Unavailable, or Rejected when the machine refuses."""

    def read(self, root: str, folder: str, workdir: str, path: str, offset: int, limit: int) -> tuple[bytes, int, int]:
        """Bytes of one of them, where the next read continues, and its length. Raises as `inventory`."""


@dataclass(frozen=True, slots=True)
class HomeFirst:
    """`Files` of a machine, of which copies lie here. Raises what the machine's raise where there is no copy yet."""

    there: Left
    copies: Path
    """Folder of all copies, each RUN/N below it."""
    here: Files = field(default_factory=LocalFiles)

    def _copy(self, folder: str) -> str | None:
        """The copy of an attempt's folder, which ends in RUN/N there as well; None before it is whole."""
        copy = self.copies.joinpath(*PurePosixPath(folder).parts[-2:])
        return str(copy) if (copy / MANIFEST).is_file() else None

    def evidence(self, folder: str, workdir: str, outputs: Sequence[str], record: Mapping[str, Any]) -> Evidence:
        """See `Files.evidence`: always by the machine itself, whose clock stamped the files."""
        return self.there.evidence(folder, workdir, outputs, record)

    def missing(self, workdir: str, paths: Sequence[str]) -> list[str]:
        """See `Files.missing`."""
        return self.there.missing(workdir, paths)

    def done(self, workdir: str, outputs: Sequence[str]) -> bool:
        """See `Files.done`."""
        return self.there.done(workdir, outputs)

    def room(self, path: str) -> Room:
        """See `Files.room`."""
        return self.there.room(path)

    def progress(self, folder: str, workdir: str, outputs: Sequence[str]) -> Progress:
        """See `Files.progress`."""
        return self.there.progress(folder, workdir, outputs)

    def log(self, folder: str, offset: int, limit: int) -> tuple[bytes, int]:
        """See `Files.log`."""
        copy = self._copy(folder)
        return self.there.log(folder, offset, limit) if copy is None else self.here.log(copy, offset, limit)

    def part(self, folder: str, name: str, offset: int, limit: int) -> tuple[bytes, int]:
        """See `Files.part`."""
        copy = self._copy(folder)
        if copy is None:
            return self.there.part(folder, name, offset, limit)
        return self.here.part(copy, name, offset, limit)

    def left(self, folder: str, workdir: str, outputs: Sequence[str], during: tuple[float, float]) -> list[Artifact]:
        """See `Files.left`; paths are those of the copy once it is here."""
        copy = self._copy(folder)
        if copy is None:
            return self.there.left(folder, workdir, outputs, during)
        found = self.here.left(copy, os.path.join(copy, WORK), outputs, during)
        ours = os.path.join(copy, MANIFEST)
        return [_as_there(it, copy) for it in found if it.path != ours]

    def put(self, folder: str, name: str, text: str) -> None:
        """See `Files.put`."""
        self.there.put(folder, name, text)

    def inventory(self, folder: str, workdir: str, outputs: Sequence[str]) -> Sequence[Mapping[str, Any]]:
        """See `Left.inventory`."""
        return self.there.inventory(folder, workdir, outputs)

    def read(self, root: str, folder: str, workdir: str, path: str, offset: int, limit: int) -> tuple[bytes, int, int]:
        """See `Left.read`."""
        return self.there.read(root, folder, workdir, path, offset, limit)


def _as_there(it: Artifact, copy: str) -> Artifact:
    """Named as on its machine: declared outputs by their path below the working folder."""
    work = os.path.join(copy, WORK, "")
    return replace(it, name=it.path.removeprefix(work)) if it.path.startswith(work) else it
