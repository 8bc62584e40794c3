"""Which things of a working folder belong to a copy, found without opening any of them."""

from __future__ import annotations

import os
import posixpath
import stat
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import NamedTuple, NoReturn

from overnight.domain.errors import Refused
from overnight.host.listing import MOST_FILES
from overnight.mirror.patterns import LeftOut
from overnight.runner.snapshot import shown

LARGEST = 10 * 1024**3
"""Bytes of all files of a copy."""
MOST_LOOKED_AT = 5 * MOST_FILES
"""Files after which the rest of a folder is not looked at: it is too large anyway."""
NAMED = 3
"""Folders that the complaint about a large one names."""
EXCLUDE = "Leave it out: a pattern in `exclude`, or a line in .overnightignore."


class Seen(NamedTuple):
    """A file, a link or an empty folder, relative to the working folder."""

    path: str
    stat: os.stat_result


def walk(folder: bytes, left_out: LeftOut, avoided: Sequence[bytes] = ()) -> list[Seen]:
    """Everything below a folder that is not left out, in the order of the paths; pipes and their like are skipped.

    `avoided`: real paths that are no part of it, with what SQLite keeps beside them. Raises Refused, naming what is too
    large or may not be looked into.
    """
    found, folders, real = [], [""], os.path.realpath(folder)
    for path in folders:  # grows while it is walked
        for name, is_folder, seen in _entries(folder, path):
            if left_out.has(name, is_folder=is_folder) or _is_avoided(real, name, avoided):
                continue
            if is_folder:
                folders.append(name)
            if is_folder or stat.S_ISREG(seen.st_mode) or stat.S_ISLNK(seen.st_mode):
                found.append(Seen(name, seen))
        if len(found) > MOST_LOOKED_AT:
            break
    above = {posixpath.dirname(it.path) for it in found}
    listed = [it for it in found if not (stat.S_ISDIR(it.stat.st_mode) and it.path in above)]
    _refuse_large(folder, listed)
    return sorted(listed, key=lambda it: it.path)


def _entries(folder: bytes, below: str) -> Iterator[tuple[str, bool, os.stat_result]]:
    prefix = f"{below}/" if below else ""
    try:
        with os.scandir(os.path.join(folder, os.fsencode(below))) as entries:
            for entry in entries:
                name = prefix + entry.name.decode("utf-8", "surrogateescape")
                with suppress(FileNotFoundError):  # it is gone since
                    yield name, entry.is_dir(follow_symlinks=False), entry.stat(follow_symlinks=False)
    except OSError as error:
        refuse(folder, below or ".", f"cannot be looked into ({error.strerror})")


def _is_avoided(real: bytes, path: str, avoided: Sequence[bytes]) -> bool:
    if not avoided:
        return False
    it = real + b"/" + path.encode("utf-8", "surrogateescape")
    return any(it == one or it.startswith((one + b"/", one + b"-")) for one in avoided)


def _refuse_large(folder: bytes, listed: Sequence[Seen]) -> None:
    total = sum(it.stat.st_size for it in listed)
    if len(listed) <= MOST_FILES and total <= LARGEST:
        return
    many = len(listed) > MOST_FILES
    weights: Counter[str] = Counter()
    for it in listed:
        weights[it.path.partition("/")[0]] += 1 if many else it.stat.st_size
    largest = ", ".join(
        f"{shown(name)} ({weight} files)" if many else f"{shown(name)} ({weight / 1024**3:.1f} GiB)"
        for name, weight in weights.most_common(NAMED)
    )
    limit = f"{MOST_FILES} files" if many else f"{LARGEST // 1024**3} GiB"
    raise Refused(
        f"{os.fsdecode(folder)} is too large to be copied (more than {limit}); most of it lies in {largest}",
        place=os.fsdecode(folder),
        next_step=EXCLUDE,
    )


def refuse(folder: bytes, path: str, why: str) -> NoReturn:
    """Raise Refused for something that cannot be part of a copy."""
    place = os.fsdecode(folder)
    raise Refused(f"{shown(path)} in {place} {why}", place=place, next_step=EXCLUDE)
