"""Making the frozen copy of a folder of this machine."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path

from overnight.domain.errors import Refused, Rejected, Unavailable
from overnight.host import copies
from overnight.mirror.files import Source, is_foreign_script, listed_in, open_regular
from overnight.mirror.patterns import left_out
from overnight.mirror.walk import EXCLUDE
from overnight.runner.snapshot import Listed, ListError, changed, identity_of, shown

IGNORE = ".overnightignore"
"""File in a working folder with patterns of what is left out."""
LARGEST_IGNORE = 256 * 1024
"""Bytes of it that are read."""
TRIES = 3
"""How often a folder is read anew when files change meanwhile."""
HEAD = 4096
"""Bytes by which a script is known."""


def freeze(
    folder: str,
    store: Path,
    *,
    exclude: Sequence[str] = (),
    outputs: Iterable[str] = (),
    avoided: Iterable[Path] = (),
) -> str:
    """Copy a working folder to `store/<identity>/tree`; returns the identity. The same files again are found at once.

    `exclude`: patterns (`mirror/patterns.py`), after those of the folder's own .overnightignore; `outputs`: relative
    paths that are left out too; `avoided`: what must not be opened. Raises Refused naming what cannot
    be copied, and Unavailable when there is no room.
    """
    rules = left_out([*_own(folder), *exclude], outputs)
    return _frozen(Source(folder, rules, _below(folder, avoided)), store)


def staged(folder: str, store: Path) -> str:
    """The same for a folder that a run left, as it is: nothing is left out, no byte changed. Raises Rejected."""
    try:
        return _frozen(Source(folder, left_out(["!*"]), verbatim=True), store)
    except Refused as error:
        raise Rejected(error.message, place=error.place, next_step=error.next_step) from error


def _below(folder: str, avoided: Iterable[Path]) -> list[bytes]:
    real = os.path.realpath(folder)
    paths = [os.path.realpath(it) for it in avoided]
    if any(real == it or real.startswith(os.path.join(it, "")) for it in paths):
        raise Refused(
            f"{folder} is, or lies in, the home of the server", place=folder, next_step="Work in another folder."
        )
    return [os.fsencode(it) for it in paths if it.startswith(os.path.join(real, ""))]


def _own(folder: str) -> list[str]:
    try:
        with open_regular(os.fsencode(os.path.join(folder, IGNORE))) as file:
            return file.read(LARGEST_IGNORE).decode("utf-8", "surrogateescape").splitlines()
    except OSError:
        return []


def _frozen(source: Source, store: Path) -> str:
    restless = ""
    for _ in range(TRIES):
        listed = listed_in(source, store)
        identity = identity_of(listed)
        try:
            changing = _make(source, listed, copies.place_of(str(store), identity), str(store))
        except OSError as error:
            raise Unavailable(f"the copy of {source.folder} cannot be written: {error}", place=source.folder) from error
        if not changing:
            return identity
        restless = listed[changing[0]].path
    raise Refused(
        f"{shown(restless)} in {source.folder} changes while it is read",
        place=source.folder,
        next_step=f"Wait until nothing writes it any more. {EXCLUDE}",
    )


def _make(source: Source, listed: Sequence[Listed], place: copies.Place, store: str) -> list[int]:
    """Positions of the files whose content is no more what it was: then there is no copy."""
    if place.whole:
        _refuse_altered(place.folder)
        return []
    with copies.making(place, wait=True) as needed:
        if not needed:
            return []
        missing = _filled(source, listed, place, copies.begin(store, place, listed))
        if missing:  # what an older copy gave had been altered there, or it changed here
            missing = _filled(source, listed, place, missing)
        if missing:
            shutil.rmtree(place.staging)
        return missing


def _refuse_altered(folder: str) -> None:
    """No run would start in such a copy; runs may be at work in it, so that it is not mended behind their backs."""
    try:
        found = changed(folder, 1)
    except ListError as error:
        found = [str(error)]
    if found:
        raise Refused(
            f"the frozen copy {folder} was altered: {found[0]}",
            place=folder,
            next_step="When nothing runs in it any more, remove that folder: it is made anew.",
        )


def _filled(source: Source, listed: Sequence[Listed], place: copies.Place, missing: Sequence[int]) -> list[int]:
    """Bring what is missing from the folder itself; positions of what is not as listed: none = the copy is made."""
    for index in missing:
        with suppress(FileNotFoundError):  # it is gone: found by `commit`
            _bring(source, listed[index].path, place.file(listed[index].path))
    return copies.commit(place, listed)


def _bring(source: Source, path: str, end: bytes) -> None:
    with open_regular(source.path(path)) as file:
        foreign = not source.verbatim and is_foreign_script(file.read(HEAD))
    if not foreign:
        copies.take(source.path(path), end, link=False)
        return
    with open(end, "xb") as copy:
        copy.writelines(source.pieces(path))
    seen = os.stat(source.path(path))
    os.utime(end, ns=(seen.st_atime_ns, seen.st_mtime_ns))
