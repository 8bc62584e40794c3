"""The files of a working folder with their hashes: what a copy of it would have."""

from __future__ import annotations

import errno
import hashlib
import io
import os
import posixpath
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from overnight.host.listing import leads_inside
from overnight.mirror.hashes import Hashes, hashes_of
from overnight.mirror.patterns import LeftOut
from overnight.mirror.walk import Seen, refuse, walk
from overnight.runner.snapshot import EMPTY, LINK, PIECE, Listed, kind_of, raw

LARGEST_SCRIPT = 16 * 1024 * 1024
"""Bytes of a script whose line endings are still normalised."""
FIRST_LINE = 256
"""Bytes in which the first line of a script ends: kernels read no more of it."""


@dataclass(frozen=True, slots=True)
class Source:
    """A folder that is copied."""

    folder: str
    left_out: LeftOut
    avoided: Sequence[bytes] = ()
    """Real paths that must not be opened."""
    verbatim: bool = False
    """Whether scripts keep the line endings that they have."""

    def path(self, path: str) -> bytes:
        """Where one of its files lies."""
        return os.fsencode(self.folder) + b"/" + raw(path)

    def pieces(self, path: str) -> Iterator[bytes]:
        """The content of a file as the copy has it. Raises OSError."""
        with open_regular(self.path(path)) as file:
            head = file.read(PIECE)
            if not self.verbatim and is_foreign_script(head):
                head += file.read(LARGEST_SCRIPT)
                if len(head) <= LARGEST_SCRIPT and b"\0" not in head:
                    head = head.replace(b"\r\n", b"\n")
            while head:
                yield head
                head = file.read(PIECE)


def is_foreign_script(head: bytes) -> bool:
    """Whether a file begins with a `#!` line that ends as on Windows: no kernel finds its interpreter."""
    return head.startswith(b"#!") and head[: head.find(b"\n") + 1][-2:] == b"\r\n" and head.find(b"\n") < FIRST_LINE


def open_regular(path: bytes) -> io.FileIO:
    """Open a regular file, never waiting on a pipe nor following a link. Raises OSError."""
    file = io.FileIO(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC))
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise OSError(errno.EINVAL, "no regular file")
    return file


def listed_in(source: Source, copies: Path) -> list[Listed]:
    """What a copy of the folder has; files that have not changed since the last look are not read again.

    Raises Refused naming what cannot be part of a copy: links that lead out, what cannot be read, too much of it.
    """
    hashes = hashes_of(source.folder, copies)
    real = os.path.realpath(os.fsencode(source.folder))
    seen = walk(os.fsencode(source.folder), source.left_out, source.avoided)
    found = [_listed(source, real, it, hashes) for it in seen]
    hashes.save()
    return [it for it in found if it is not None]


def _listed(source: Source, real: bytes, it: Seen, hashes: Hashes) -> Listed | None:
    """None = it is gone since."""
    if stat.S_ISDIR(it.stat.st_mode):
        return Listed(it.path, EMPTY, 0, "")
    try:
        if stat.S_ISLNK(it.stat.st_mode):
            return _link(source, real, it.path)
        size, digest = hashes.of(it.path, it.stat) or _read(source, it, hashes)
    except FileNotFoundError:
        return None
    except OSError as error:
        refuse(os.fsencode(source.folder), it.path, f"cannot be read ({error.strerror})")
    return Listed(it.path, kind_of(it.stat.st_mode), size, digest)


def _read(source: Source, it: Seen, hashes: Hashes) -> tuple[int, str]:
    digest, size = hashlib.sha256(), 0
    for piece in source.pieces(it.path):
        digest.update(piece)
        size += len(piece)
    hashes.keep(it.path, it.stat, size, digest.hexdigest())
    return size, digest.hexdigest()


def _link(source: Source, real: bytes, path: str) -> Listed:
    """A link that stays inside; one that names the folder itself from the root is made relative."""
    target = os.readlink(source.path(path)).decode("utf-8", "surrogateescape")
    end = os.path.realpath(source.path(path))
    for base in (os.fsencode(source.folder), real):
        text = base.decode("utf-8", "surrogateescape")
        if target.startswith(f"{text}/"):
            target = posixpath.relpath(target[len(text) + 1 :], posixpath.dirname(path) or ".")
    if not leads_inside(path, target) or not (end == real or end.startswith(real + b"/")):
        refuse(os.fsencode(source.folder), path, f"is a link that leads out of the folder, to {target[:200]!r}")
    return Listed(path, LINK, 0, hashlib.sha256(raw(target)).hexdigest(), target)
