"""Frozen copies of working folders on this host: the requests by which a server brings one here, and the second process
that takes in a stream of files.

A server asks `host.code_have`; if not, it sends the list in pieces with `host.code_begin` and hears which files are
missing; they come by rsync or by `unpack`; `host.code_commit` proves and finishes the copy, or says what is missing.
"""

from __future__ import annotations

import os
import shutil
import sys
import tarfile
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, BinaryIO

from overnight.host import copies
from overnight.host.listing import MOST_FILES, CopyError
from overnight.runner.snapshot import PIECE, Listed

MOST_COMING = 4
"""Lists that are taken in at once; of more the oldest is forgotten and must be begun again."""


class Code:
    """The copies in one folder, as one server asks for them. `archive`: the program to unpack with; None = this one."""

    def __init__(self, folder: str, archive: str | None = None) -> None:
        self._folder = folder
        self._archive = archive
        self._coming: dict[str, list[Listed]] = {}

    def have(self, identity: str) -> dict[str, Any]:
        """`have`: whether the copy is there."""
        return {"have": copies.place_of(self._folder, identity).whole}

    def begin(
        self, identity: str, files: Sequence[Sequence[Any]], first: int = 0, more: bool = False
    ) -> dict[str, Any]:
        """Take in the part of a list that begins at position `first`; after the last one (`more` false) tell what is
        `missing` (positions), where rsync may put it (`tree`; None = no rsync) and what unpacks it (`unpack`).

        Raises CopyError, Busy, OSError.
        """
        listed = self._coming.pop(identity, []) if first else []
        if first != len(listed) or first + len(files) > MOST_FILES:
            raise CopyError("The list of files came in another order, or is too long: begin again.")
        listed += _listed(files)
        if not more:
            return self._begun(identity, listed)
        self._coming[identity] = listed
        for forgotten in list(self._coming)[:-MOST_COMING]:
            del self._coming[forgotten]
        return {}

    def _begun(self, identity: str, listed: list[Listed]) -> dict[str, Any]:
        place = copies.place_of(self._folder, identity)
        with copies.making(place, wait=False) as needed:
            missing = copies.begin(self._folder, place, listed) if needed else []
        tree = place.tree if shutil.which("rsync") else None
        return {"have": not needed, "missing": missing, "tree": tree, "unpack": self._unpack(identity)}

    def _unpack(self, identity: str) -> list[str]:
        program = ["-m", "overnight.host"] if self._archive is None else ["-I", "-S", self._archive]
        return [sys.executable, *program, "unpack", self._folder, identity]

    def commit(self, identity: str) -> dict[str, Any]:
        """Prove and finish the copy; `missing`: positions of what is not as listed, then it is not made."""
        place = copies.place_of(self._folder, identity)
        with copies.making(place, wait=False) as needed:
            return {"missing": copies.commit(place, copies.begun(place)) if needed else []}


def _listed(files: Sequence[Sequence[Any]]) -> list[Listed]:
    try:
        return [Listed(*row) for row in files]
    except TypeError as error:
        raise CopyError("The list of files is malformed.") from error


def unpack(folder: str, identity: str, stream: BinaryIO) -> None:
    """Take in a tar stream whose members are named by their positions in the list: no name of it is ever a path.

    Each file is whole before it takes its place. Raises CopyError, OSError, tarfile.TarError.
    """
    place = copies.place_of(folder, identity)
    listed = copies.begun(place)
    with tarfile.open(fileobj=stream, mode="r|") as archive:
        for member in archive:
            content = archive.extractfile(member)
            index = int(member.name) if member.name.isdecimal() else len(listed)
            if content is None or index >= len(listed) or member.size != listed[index].size:
                raise CopyError("The stream has something that was not asked for.")
            _put(place, place.file(listed[index].path), content, member.mtime)


def _put(place: copies.Place, path: bytes, content: Any, changed_at: float) -> None:
    temporary = os.path.join(place.staging, f"arriving-{os.getpid()}")
    try:
        with open(temporary, "wb") as file:
            shutil.copyfileobj(content, file, PIECE)
        os.utime(temporary, (changed_at, changed_at))
        os.rename(temporary, path)
    finally:
        with suppress(OSError):
            os.unlink(temporary)


def main(arguments: Sequence[str]) -> int:
    """`unpack COPIES IDENTITY`, the stream on standard input; 1 and a sentence when it cannot be taken in."""
    try:
        unpack(arguments[0], arguments[1], sys.stdin.buffer)
    except (CopyError, OSError, tarfile.TarError, IndexError, ValueError) as error:
        print(f"overnight: {error}", file=sys.stderr)
        return 1
    return 0
