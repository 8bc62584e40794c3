"""The folder of frozen copies, on the machine that they lie on: how one is begun, filled and made final.

COPIES/<identity>/{tree/, files.json}     made whole, then renamed into place, then never written again
COPIES/.partial/<identity>/{list, tree/}  what has arrived of one; what was cut goes on from there
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import NamedTuple

from overnight.host import durable, listing
from overnight.host.listing import CopyError, files_of
from overnight.runner import snapshot
from overnight.runner.snapshot import EMPTY, LINK, LIST, PROGRAM, TREE, Listed, Recorded, raw

PARTIAL = ".partial"
"""Folder of what is not whole yet."""
BEGUN = "list"
"""The list of a copy that is not whole yet."""
FICLONE = 0x40049409
"""`ioctl` by which a file shares the blocks of another until one of them is written (linux/fs.h)."""
LINKED_FROM = 1024 * 1024
"""Bytes from which a file of an older copy is linked instead of copied. Root may write into a file that is read-only:
scripts and settings, which jobs are likeliest to write by mistake, are never shared between copies."""
OLDER = 8
"""Copies among whose files equal ones are looked for: the newest."""


class Busy(Exception):
    """Somebody else makes this copy at the moment."""


class Place(NamedTuple):
    """Where one copy is made."""

    folder: str
    identity: str
    staging: str

    @property
    def tree(self) -> str:
        """Where its files are put."""
        return os.path.join(self.staging, TREE)

    def file(self, path: str) -> bytes:
        """Where one of them is put."""
        return raw(self.tree) + b"/" + raw(path)

    @property
    def whole(self) -> bool:
        """Whether the copy is there."""
        return os.path.isfile(raw(os.path.join(self.folder, LIST)))


def place_of(copies: str, identity: str) -> Place:
    """Where a copy is made. Raises CopyError for what is no identity."""
    if len(identity) != 32 or not set(identity) <= listing.HEX:
        raise CopyError("That is no identity of a copy.")
    return Place(os.path.join(copies, identity), identity, os.path.join(copies, PARTIAL, identity))


@contextmanager
def making(place: Place, *, wait: bool) -> Iterator[bool]:
    """Hold the right to make a copy; False when it is there. Raises Busy, unless told to wait for others."""
    descriptor = _opened(place)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError as error:
        os.close(descriptor)
        raise Busy(f"The copy {place.identity} is being made at the moment.") from error
    try:
        if place.whole:
            shutil.rmtree(raw(place.staging), ignore_errors=True)
        yield not place.whole
    finally:
        os.close(descriptor)


def _opened(place: Place) -> int:
    """The folder that a copy is made in, or the copy itself, if somebody has just finished it."""
    while True:
        os.makedirs(raw(place.tree), mode=0o700, exist_ok=True)
        with suppress(FileNotFoundError):
            return os.open(raw(place.staging), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)


def begin(copies: str, place: Place, listed: Sequence[Listed]) -> list[int]:
    """Keep the list of a copy and take from older ones what they have; returns the positions of the missing files.

    Raises CopyError when the list is not that of the identity, or names what must not be written.
    """
    listing.check(listed)
    if snapshot.identity_of(listed) != place.identity:
        raise CopyError("The list of files is not that of the identity.")
    with open(raw(os.path.join(place.staging, BEGUN)), "w", encoding="ascii") as file:
        json.dump([list(it) for it in listed], file)
    older = _older(copies, place.identity)
    for folder in {os.path.dirname(place.file(it.path)) for _, it in files_of(listed)}:
        os.makedirs(folder, exist_ok=True)
    return [index for index, it in files_of(listed) if not _has_arrived(place, it) and not _taken(place, it, older)]


def begun(place: Place) -> list[Listed]:
    """The list that was kept. Raises CopyError when there is none."""
    try:
        with open(raw(os.path.join(place.staging, BEGUN)), encoding="ascii") as file:
            return [Listed(*row) for row in json.load(file)]
    except (OSError, ValueError, TypeError) as error:
        raise CopyError(f"The copy {place.identity} was not begun.") from error


def _older(copies: str, identity: str) -> dict[tuple[str, str], bytes]:
    """(kind, digest) -> where a file of that content lies in one of the newest copies."""
    found: dict[tuple[str, str], bytes] = {}
    for folder in _newest(copies):
        with suppress(snapshot.ListError):
            tree = raw(os.path.join(folder, TREE))
            recorded = snapshot.read(folder) if os.path.basename(folder) != identity else []
            for _, it in files_of([it.listed for it in recorded]):
                found.setdefault((it.kind, it.digest), tree + b"/" + raw(it.path))
    return found


def _newest(copies: str) -> list[str]:
    with os.scandir(copies) as entries:
        lists = [os.path.join(entry.path, LIST) for entry in entries if entry.name != PARTIAL]
    there = [(os.stat(it).st_mtime_ns, it) for it in lists if os.path.isfile(it)]
    return [os.path.dirname(it) for _, it in sorted(there, reverse=True)[:OLDER]]


def _has_arrived(place: Place, it: Listed) -> bool:
    """As far as its size says: `commit` reads it."""
    try:
        return os.lstat(place.file(it.path)).st_size == it.size
    except OSError:
        return False


def _taken(place: Place, it: Listed, older: dict[tuple[str, str], bytes]) -> bool:
    """Whether an older copy has it; then it is put where it belongs."""
    path, known = place.file(it.path), older.get((it.kind, it.digest))
    with suppress(FileNotFoundError):
        os.unlink(path)
    if known is None:
        return False
    try:
        take(known, path, link=it.size >= LINKED_FROM)
    except OSError:
        return False
    return True


def take(source: bytes, path: bytes, *, link: bool) -> None:
    """Put a file's content where nothing is yet: share blocks, else link where allowed, else copy. Raises OSError."""
    if _cloned(source, path):
        pass
    elif link:
        os.link(source, path)
        return
    else:
        shutil.copyfile(source, path)
    seen = os.stat(source)
    os.utime(path, ns=(seen.st_atime_ns, seen.st_mtime_ns))


def _cloned(source: bytes, path: bytes) -> bool:
    with open(source, "rb") as old, open(path, "xb") as new:
        try:
            fcntl.ioctl(new.fileno(), FICLONE, old.fileno())
        except OSError:
            os.unlink(path)
            return False
    return True


def commit(place: Place, listed: Sequence[Listed]) -> list[int]:
    """Make a copy final; returns the positions of files that are not what they should be: then it is not made.

    Every content is read and compared with its hash; everything is synced before it is renamed into place.
    """
    missing = [index for index, it in files_of(listed) if not _is_whole(place, it)]
    if missing:
        return missing
    _remove_others(place, {raw(it.path) for it in listed})
    for it in listed:
        _finish(place, it)
    recorded = [Recorded(it, os.lstat(place.file(it.path)).st_mtime_ns) for it in listed]
    path = raw(os.path.join(place.staging, LIST))
    with open(path, "wb") as file:
        file.write(snapshot.wire(recorded))
    _close(path, 0o444)
    os.unlink(raw(os.path.join(place.staging, BEGUN)))
    durable.sync(raw(place.staging), [path, *(place.file(it.path) for _, it in files_of(listed))])
    os.rename(raw(place.staging), raw(place.folder))
    durable.sync_one(raw(os.path.dirname(place.folder)))
    return []


def _is_whole(place: Place, it: Listed) -> bool:
    path = place.file(it.path)
    with suppress(OSError):
        if snapshot.digest_of(path, it.size) == it.digest:
            return True
    with suppress(OSError):
        os.unlink(path)
    return False


def _remove_others(place: Place, wanted: set[bytes]) -> None:
    """What is not listed, such as halves that a transfer left, is no part of the copy."""
    tree = raw(place.tree)
    for folder, folders, files in os.walk(tree):
        for name in files + [it for it in folders if os.path.islink(os.path.join(folder, it))]:
            path = os.path.join(folder, name)
            if path[len(tree) + 1 :] not in wanted:
                os.unlink(path)


def _finish(place: Place, it: Listed) -> None:
    """Files become read-only. Links come last, and so do empty folders: nothing is ever written through a link."""
    path = place.file(it.path)
    if it.kind == EMPTY:
        os.makedirs(path, exist_ok=True)
    elif it.kind == LINK:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        if not os.path.islink(path):
            os.symlink(raw(it.target), path)
    else:
        _close(path, 0o555 if it.kind == PROGRAM else 0o444)


def _close(path: bytes, mode: int) -> None:
    """Set the mode of a file, never that of what a link in its place names. Raises OSError for anything else."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(f"{path!r} is no regular file")
        os.fchmod(descriptor, mode)
    finally:
        os.close(descriptor)
