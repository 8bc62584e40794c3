"""What an ended attempt left on another machine, and where each file of it lies here. Pure; names are hostile."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

MOST_FILES = 100_000
"""Files that one attempt may leave."""
LONGEST_NAME = 255
"""Bytes of one part of a path: no file system of Linux takes more."""
LONGEST_PATH = 3_000
"""Bytes of a path below the folder of its attempt."""
MANIFEST = "fetched.json"
"""The list of what was copied, in the folder that it was copied to; there since all of it is."""
WORK = "work"
"""Folder for declared outputs that lay in the working folder."""
OUTSIDE = "outside"
"""Folder for declared outputs that lay outside of the working folder."""
HEX = frozenset("0123456789abcdef")
ROOTS: Mapping[str, str] = {"run": "", "work": f"{WORK}/", "out": f"{OUTSIDE}/"}
"""What a path is told relative to (the attempt's folder, its working folder, `/`) -> where that lies here."""


class SyncFailed(Exception):
    """What an attempt left can never be copied whole; the message is one sentence."""


@dataclass(frozen=True, slots=True)
class Fetch:
    """How far the copy of what one attempt left is. Times are wall seconds."""

    id: str
    """Of the attempt."""
    run_id: str
    target: str
    state: str
    tries: int
    """Tries that did not bring all of it."""
    not_before: float | None
    files: int | None
    bytes: int | None
    digest: str | None
    """SHA-256 over the list of files, see `digest_of`; None until all is here."""
    problem: str | None
    """Why the last try failed. Hostile text."""
    created_at: float
    ended_at: float | None


@dataclass(frozen=True, slots=True)
class Job:
    """What is to be copied: where it lies on its host, and whose it is."""

    attempt: str
    run: str
    number: int
    fence: int
    target: str
    folder: str
    workdir: str
    outputs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class LeftFile:
    """One file, as its host listed it."""

    root: str
    """One of `ROOTS`."""
    path: str
    """As the host calls it."""
    place: str
    """Where it lies here, below the attempt's folder."""
    bytes: int
    mode: int
    mtime: float
    sha256: str


@dataclass(frozen=True, slots=True)
class Fetched:
    """All that an attempt left is here."""

    files: int
    bytes: int
    digest: str


def listed(answer: Iterable[Mapping[str, Any]]) -> list[LeftFile]:
    """What a host says that an attempt left. Raises SyncFailed for what must not, or cannot, be written here."""
    files: dict[str, LeftFile] = {}
    for entry in answer:
        file = _file(entry)
        if file.place in files:
            raise SyncFailed(f"two of its files would both be {shown(file.place)} here")
        files[file.place] = file
        if len(files) > MOST_FILES:
            raise SyncFailed(f"it left more than {MOST_FILES} files")
    _check_folders(files)
    return [files[place] for place in sorted(files)]


def _file(entry: Mapping[str, Any]) -> LeftFile:
    if "problem" in entry:
        raise SyncFailed(f"its host cannot read {shown(str(entry.get('path')))}: {shown(str(entry['problem']))}")
    try:
        root, path, digest = entry["root"], entry["path"], entry["sha256"]
        size, mode, mtime = int(entry["bytes"]), int(entry["mode"]), float(entry["mtime"])
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise SyncFailed(f"its host lists a file in a way that is not understood ({error!r})") from error
    if root not in ROOTS or not isinstance(path, str) or size < 0 or mode < 0 or not abs(mtime) < 1e11:
        raise SyncFailed("its host lists a file in a way that is not understood")
    if not isinstance(digest, str) or len(digest) != 64 or not set(digest) <= HEX:
        raise SyncFailed(f"its host gives no hash of {shown(path)}")
    return LeftFile(root, path, place_of(root, path), size, mode, mtime, digest)


def place_of(root: str, path: str) -> str:
    """Where a file lies below the attempt's folder here. Raises SyncFailed for a path that leads anywhere else."""
    place = f"{ROOTS[root]}{path}"
    parts = place.split("/")
    if any(part in ("", ".", "..") for part in parts) or "\0" in path:
        raise SyncFailed(f"its host lists {shown(path)}, which is no file below its folder")
    if place == MANIFEST:
        raise SyncFailed(f"it left a file named {MANIFEST}, which is the name of our list: have it write another")
    _check_names(path, place, parts)
    return place


def _check_names(path: str, place: str, parts: Sequence[str]) -> None:
    try:
        longest, whole = max(len(_raw(part)) for part in parts), len(_raw(place))
    except ValueError:
        raise SyncFailed(f"it left {shown(path)}, a name that cannot be written") from None
    if longest > LONGEST_NAME or whole > LONGEST_PATH:
        raise SyncFailed(f"it left {shown(path)}, a name that is too long for this machine")


def _check_folders(files: Mapping[str, LeftFile]) -> None:
    for place in files:
        above = place.rpartition("/")[0]
        while above:
            if above in files:
                raise SyncFailed(f"its host lists {shown(above)} as a file and as a folder")
            above = above.rpartition("/")[0]


def digest_of(files: Sequence[LeftFile]) -> str:
    """SHA-256 (hex) over the sorted list of (place, bytes, hash): equal exactly when the copies are."""
    rows = sorted((file.place, file.bytes, file.sha256) for file in files)
    return hashlib.sha256(json.dumps(rows, separators=(",", ":")).encode()).hexdigest()


def summary_of(files: Sequence[LeftFile]) -> Fetched:
    """Number, size and digest of a list."""
    return Fetched(len(files), sum(file.bytes for file in files), digest_of(files))


def shown(text: str, most: int = 120) -> str:
    """What a host says in a sentence: of at most so many characters, all of which a terminal and a database take."""
    clean = "".join(letter if letter.isprintable() else "?" for letter in text[: most + 1])
    return clean if len(clean) <= most else f"{clean[: most - 3]}..."


def _raw(name: str) -> bytes:
    """A name as the kernel takes it: bytes that are no UTF-8 travel as lone surrogates."""
    return name.encode("utf-8", "surrogateescape")
